"""Taking a sync of made customers back: half of them it created, half of them it changed.

    python -m benchmarks.undo DATABASE_URL QUEUE_ID

looks at the revert, makes its lines and applies them, in a process of its own, and prints how long
each took and the most memory it used.

Belongs here: the subject, and that process. Does not: whether the result is right for every record
(the tests); here counts.
"""

import json
import sys
import time

from benchmarks.apart import run_apart
from benchmarks.landing import QUEUE_NO, fresh_queue, land_again, land_pages
from benchmarks.measure import Figure, Subject, Target
from benchmarks.one_sync import peak_bytes
from benchmarks.throwaway import Bench, Server, open_bench, settings_for
from benchmarks.upsert import WrongResultError
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.queues import Queue, find_queue, queue_status
from sync_pipeline.queue.revert_preview import preview_revert
from sync_pipeline.queue.reverting import revert
from sync_pipeline.settings import QueueSettings
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.upsert import upsert

_PARKED = 999
_PARK = "UPDATE sync_page SET queue_no = {} WHERE first_offset >= {}"
_UNPARK = "UPDATE sync_page SET queue_no = {} WHERE queue_no = {}"
_CHANGED = """(
    SELECT jsonb_agg(item || '{"first_name": "Changed"}')
    FROM jsonb_array_elements(body) AS item)"""


def run(server: Server, *, records: int) -> Subject:
    """Sync half of the made customers, then all of them with that half changed, and undo that."""
    with open_bench(server) as bench:
        land_pages(bench, records)
        half = records // 2
        first = fresh_queue(bench, half, QueueSettings())
        bench.connection.execute(_PARK.format(_PARKED, half).encode())
        _sync(bench, first)
        second = _second(bench, records)
        _sync(bench, second)
        bench.connection.execute("VACUUM ANALYZE customer, sync_record")
        bench.settle()
        said = _apart(bench, second, records)
    name = f"{records:,} customers"
    return Subject(
        "Undo of a sync, half of it created and half of it changed",
        [
            Figure(f"{name}, look first", said["preview_seconds"], "s"),
            Figure(f"{name}, make the lines", said["lines_seconds"], "s"),
            Figure(f"{name}, apply them", said["apply_seconds"], "s"),
            Figure(
                f"{name}, lines a second", records / said["apply_seconds"], "/s", note="2 workers"
            ),
            Figure(f"{name}, peak memory", said["peak_mb"], "MB", Target("≤", 400)),
        ],
        ["One statement makes the lines; rows go into the archive, fields get former values."],
    )


def _sync(bench: Bench, queue: Queue) -> None:
    enqueue(bench.database, queue, CUSTOMERS)
    upsert(bench.database, queue, CUSTOMERS, QueueSettings())


def _second(bench: Bench, records: int) -> Queue:
    """A queue over all pages, of which the first half is changed."""
    queue = land_again(bench, records, _CHANGED, of=QUEUE_NO)
    bench.connection.execute(_UNPARK.format(queue.queue_no, _PARKED).encode())
    return queue


def _apart(bench: Bench, queue: Queue, records: int) -> dict[str, float]:
    said = run_apart("benchmarks.undo", bench.url, str(queue.id))
    half = records // 2
    if (said["shown"], said["updated"], said["removed"]) != (records, half, records - half):
        raise WrongResultError(f"{half} of {records} records were changed: {said}")
    return said


def main() -> int:
    """The process of its own."""
    url, queue_id = sys.argv[1:]
    with Database.open(settings_for(url)) as database:
        reverted = find_queue(database, queue_id)
        moments = [time.monotonic()]
        shown = preview_revert(database, reverted, most=10)
        moments.append(time.monotonic())
        queue = revert(database, reverted, by="bench", settings=QueueSettings()).queue
        moments.append(time.monotonic())
        upsert(database, queue, CUSTOMERS, QueueSettings())
        moments.append(time.monotonic())
        with database.organization(queue.org_id) as conn:
            status = queue_status(conn, queue.queue_no)
    said = {
        "shown": shown.n_records,
        "updated": status["updated_count"],
        "removed": status["deleted_count"],
        "preview_seconds": moments[1] - moments[0],
        "lines_seconds": moments[2] - moments[1],
        "apply_seconds": moments[3] - moments[2],
        "peak_mb": peak_bytes() / 1e6,
    }
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
