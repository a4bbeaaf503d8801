"""A preview of customers of whom one in a hundred changed, beside the sync that finds nothing new.

    python -m benchmarks.previewing DATABASE_URL QUEUE_ID

makes the lines of a preview that has landed, decides and reads what it shows, in a process of its
own, and prints how long that took and the most memory it used.

Belongs here: the subject, and that process. Does not: reading a store, which both do alike.
"""

import json
import sys
import time

from benchmarks.apart import run_apart
from benchmarks.landing import QUEUE_NO, fresh_queue, land_again, land_pages
from benchmarks.measure import Figure, Rounds, Subject, Target, timed
from benchmarks.one_sync import peak_bytes
from benchmarks.throwaway import Bench, Server, open_bench, settings_for
from benchmarks.upsert import WrongResultError
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.differences import all_differences, counts_of
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import Queue, find_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.upsert import upsert

# One record of each page of a hundred.
_CHANGE = "jsonb_set(body, '{0,first_name}', '\"Changed\"')"


def run(server: Server, *, records: int) -> Subject:
    """Sync made customers, then an unchanged sync and a preview of one per cent changed."""
    measured = Rounds()
    with open_bench(server) as bench:
        land_pages(bench, records)
        first = fresh_queue(bench, records, QueueSettings())
        enqueue(bench.database, first, CUSTOMERS)
        upsert(bench.database, first, CUSTOMERS, QueueSettings())
        bench.connection.execute("VACUUM ANALYZE customer, sync_record")
        unchanged = land_again(bench, records, "body", of=QUEUE_NO)
        preview = land_again(bench, records, _CHANGE, of=QUEUE_NO, filters=Filters(preview=True))
        bench.settle()
        with timed(measured, "sync", bench.cpu):
            enqueue(bench.database, unchanged, CUSTOMERS)
            upsert(bench.database, unchanged, CUSTOMERS, QueueSettings())
        bench.settle()
        said = _apart(bench, preview, records)
    sync_seconds = measured.wall("sync")
    name = f"{records:,} customers, 1 % changed"
    return Subject(
        "A preview, from landed pages to every field that would change",
        [
            Figure(name, said["seconds"], "s", note=f"{said['updated']:,.0f} would be updated"),
            Figure(f"{name}, peak memory", said["peak_mb"], "MB", Target("≤", 400)),
            Figure(
                f"{name}, beside a sync that finds nothing new",
                said["seconds"] / sync_seconds,
                "x",
                note=f"{said['seconds']:.1f} s / {sync_seconds:.1f} s",
            ),
        ],
        [
            "Preview: lines made aside, decided, counted and streamed, in a process of its own.",
            "Sync: the same records as they were applied; two shares at once, no line to apply.",
        ],
    )


def _apart(bench: Bench, preview: Queue, records: int) -> dict[str, float]:
    said = run_apart("benchmarks.previewing", bench.url, str(preview.id))
    changed = -(-records // 100)
    if (said["updated"], said["shown"], said["unchanged"]) != (
        changed,
        changed,
        records - changed,
    ):
        raise WrongResultError(f"{changed} of {records} records changed: {said}")
    return said


def main() -> int:
    """The process of its own."""
    url, queue_id = sys.argv[1:]
    with Database.open(settings_for(url)) as database:
        started = time.monotonic()
        queue = find_queue(database, queue_id)
        enqueue(database, queue, CUSTOMERS)
        upsert(database, queue, CUSTOMERS, QueueSettings())
        counts = counts_of(database, queue)
        shown = sum(1 for _ in all_differences(database, queue))
        seconds = time.monotonic() - started
    said = {
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "shown": shown,
        "seconds": seconds,
        "peak_mb": peak_bytes() / 1e6,
    }
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
