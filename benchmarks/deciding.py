"""Deciding about many conflicts at once: a field of each made customer changed here and there.

    python -m benchmarks.deciding DATABASE_URL

takes our side of every open conflict, makes the lines of that and applies them, in a process of its
own, and prints how long each took and the most memory it used.

Belongs here: the subject, and that process. Does not: whether each row is right (the tests); here
counts.
"""

import json
import sys
import time

from benchmarks.apart import run_apart
from benchmarks.landing import QUEUE_NO, fresh_queue, land_again, land_pages
from benchmarks.measure import Figure, Subject, Target
from benchmarks.one_sync import peak_bytes
from benchmarks.throwaway import Server, open_bench, settings_for
from benchmarks.upsert import WrongResultError
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.conflicts import Chosen, Decision, resolve
from sync_pipeline.queue.queues import find_queue, queue_status
from sync_pipeline.settings import QueueSettings
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.upsert import upsert

_CHANGED_THERE = """(
    SELECT jsonb_agg(jsonb_set(item, '{billing,phone}', '"040 99"'))
    FROM jsonb_array_elements(body) AS item)"""
_CHANGED_HERE = "UPDATE customer SET phone = '0171 50'"


def run(server: Server, *, records: int) -> Subject:
    """Sync made customers, change each on both sides, sync again, decide."""
    with open_bench(server) as bench:
        land_pages(bench, records)
        first = fresh_queue(bench, records, QueueSettings())
        enqueue(bench.database, first, CUSTOMERS)
        upsert(bench.database, first, CUSTOMERS, QueueSettings())
        bench.connection.execute(_CHANGED_HERE)
        bench.connection.execute("VACUUM ANALYZE customer, sync_record")
        second = land_again(bench, records, _CHANGED_THERE, of=QUEUE_NO)
        enqueue(bench.database, second, CUSTOMERS)
        disputed = upsert(bench.database, second, CUSTOMERS, QueueSettings())
        bench.connection.execute("VACUUM ANALYZE sync_conflict")
        bench.settle()
        said = run_apart("benchmarks.deciding", bench.url)
    if (disputed.failed, said["queued"], said["done"]) != (records, records, records):
        raise WrongResultError(f"{records} conflicts expected: {disputed}, {said}")
    name = f"{records:,} conflicts"
    return Subject(
        "Deciding about conflicts, all at once",
        [
            Figure(f"{name}, make the lines", said["lines_seconds"], "s"),
            Figure(f"{name}, apply them", said["apply_seconds"], "s"),
            Figure(f"{name}, peak memory", said["peak_mb"], "MB", Target("≤", 400)),
        ],
        ["One transaction holds the conflicts, looks at our rows again and makes the lines."],
    )


def main() -> int:
    """The process of its own."""
    (url,) = sys.argv[1:]
    with Database.open(settings_for(url)) as database:
        moments = [time.monotonic()]
        chosen = Chosen(conflict_type="DataMismatch")
        resolving = resolve(
            database, chosen, Decision("target"), by="bench", settings=QueueSettings()
        )
        moments.append(time.monotonic())
        (queue_id,) = resolving.queue_ids
        queue = find_queue(database, str(queue_id))
        upsert(database, queue, CUSTOMERS, QueueSettings())
        moments.append(time.monotonic())
        with database.organization(queue.org_id) as conn:
            status = queue_status(conn, queue.queue_no)
    said = {
        "queued": resolving.n_queued,
        "done": status["done_count"],
        "lines_seconds": moments[1] - moments[0],
        "apply_seconds": moments[2] - moments[1],
        "peak_mb": peak_bytes() / 1e6,
    }
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
