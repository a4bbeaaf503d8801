"""A preview of customers of whom one in a hundred changed, beside the sync that finds nothing new.

    python -m benchmarks.previewing DATABASE_URL QUEUE_ID

makes the lines of a preview that has landed, decides and reads what it shows, in a process of its
own, and prints how long that took and the most memory it used.

Belongs here: the subject, and that process. Does not: reading a store, which both do alike.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.landing import QUEUE_NO, end_extract, fresh_queue, land_pages
from benchmarks.measure import Figure, Rounds, Subject, Target, timed
from benchmarks.one_sync import peak_bytes
from benchmarks.throwaway import Bench, Server, open_bench, settings_for
from benchmarks.upsert import WrongResultError
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.differences import all_differences, counts_of
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import Queue, begin, find_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import find_connection
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.upsert import upsert

_ROOT = Path(__file__).parent.parent
# One record of each page of a hundred.
_CHANGE = "jsonb_set(body, '{0,first_name}', '\"Changed\"')"
_COPY = """
    INSERT INTO sync_page (queue_no, listing, first_offset, record_limit, org_id, n_records, total,
        body, elapsed_ms)
    SELECT {}, listing, first_offset, record_limit, org_id, n_records, total, {}, elapsed_ms
    FROM sync_page WHERE queue_no = {}
"""


def run(server: Server, *, records: int) -> Subject:
    """Sync made customers, then an unchanged sync and a preview of one per cent changed."""
    measured = Rounds()
    with open_bench(server) as bench:
        land_pages(bench, records)
        first = fresh_queue(bench, records, QueueSettings())
        enqueue(bench.database, first, CUSTOMERS)
        upsert(bench.database, first, CUSTOMERS, QueueSettings())
        bench.connection.execute("VACUUM ANALYZE customer, sync_record")
        unchanged = _landed(bench, records, Filters(), "body")
        preview = _landed(bench, records, Filters(preview=True), _CHANGE)
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


def _landed(bench: Bench, records: int, filters: Filters, body: str) -> Queue:
    """A queue whose extract landed the first one's pages."""
    connection = find_connection(bench.database, "bench")
    queue, _ = open_queue(
        bench.database, connection, CUSTOMERS.name, settings=QueueSettings(), filters=filters
    )
    begin(bench.database, queue, run_id=None)
    bench.connection.execute(_COPY.format(queue.queue_no, body, QUEUE_NO).encode())
    end_extract(bench, queue, records)
    return queue


def _apart(bench: Bench, preview: Queue, records: int) -> dict[str, float]:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.previewing", bench.url, str(preview.id)],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said: dict[str, float] = json.loads(ended.stdout)
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
