"""What a look at the progress of a large queue costs, and what looking costs a sync.

Belongs here: target 7. Does not: whether the figures are right (the tests).

The database's own execution time counts, of queues whose batches stand as half-way through: a look
is planned anew each time, which takes as long again and does not grow.
"""

from statistics import median
from typing import Any

from benchmarks.landing import empty_tables_of_a_sync
from benchmarks.measure import Figure, Subject, Target
from benchmarks.throwaway import Bench, Server, open_bench
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import Queue, begin
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import connect

_LOOKS = 50
_BATCH_LINES = 500
_PAGE_RECORDS = 100
_MOST_MS = 2.0
# Three quarters are done, the last of them now, one every 40 ms: what a fast sync looks like.
_MAKE_BATCHES = """
    INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total, n_done,
        n_created, state, claimed_at, worked_at, worked_count, finished_at)
    SELECT %(queue_no)s, n, 'bench', n * %(lines)s, (n + 1) * %(lines)s - 1, %(lines)s,
        done.n_lines, done.n_lines, CASE WHEN done.n_lines > 0 THEN 'done' ELSE 'ready' END,
        done.at - interval '50 ms', done.at, done.n_lines, done.at
    FROM generate_series(1, %(batches)s) AS n
    CROSS JOIN LATERAL (
        SELECT CASE WHEN n <= %(batches)s * 3 / 4 THEN %(lines)s ELSE 0 END AS n_lines,
            CASE WHEN n <= %(batches)s * 3 / 4
                 THEN now() - (%(batches)s * 3 / 4 - n) * interval '40 ms' END AS at
    ) AS done
"""
_MAKE_PAGES = """
    INSERT INTO sync_page (queue_no, listing, first_offset, record_limit, org_id, n_records, total,
        body, elapsed_ms)
    SELECT %(queue_no)s, 'customers', n * 100, 100, 'bench', 100, %(pages)s * 100, '[]', 250
    FROM generate_series(1, %(pages)s) AS n
"""


def run(server: Server, *, lines: int) -> Subject:
    """Look at queues of a tenth and of all of these lines."""
    figures = []
    with open_bench(server) as bench:
        for n_lines in (lines // 10, lines):
            queue = _queue(bench)
            batches = n_lines // _BATCH_LINES
            _fill(bench, queue, "apply", _MAKE_BATCHES, batches=batches, lines=_BATCH_LINES)
            figures.append(
                Figure(
                    f"{n_lines:,} lines, applying",
                    _look_ms(bench, queue),
                    "ms",
                    Target("≤", _MOST_MS) if n_lines == lines else None,
                    f"{batches:,} batches",
                )
            )
        queue = _queue(bench)
        pages = lines // _PAGE_RECORDS
        _fill(bench, queue, "extract", _MAKE_PAGES, pages=pages)
        figures.append(
            Figure(f"{lines:,} records, reading", _look_ms(bench, queue), "ms", None,
                   f"{pages:,} pages")
        )  # fmt: skip
    return Subject(
        "One look at sync_queue_progress, in the database", figures, [f"Median of {_LOOKS} looks."]
    )


def _queue(bench: Bench) -> Queue:
    empty_tables_of_a_sync(bench.connection)
    connection = connect(
        bench.database,
        org_id="bench",
        name="bench",
        system="woocommerce",
        base_url="http://127.0.0.1:9",
        key_env="BENCH_KEY",
        secret_env="BENCH_SECRET",
    )
    queue, _ = open_queue(bench.database, connection, "customers", settings=QueueSettings())
    begin(bench.database, queue, run_id=None)
    return queue


def _fill(bench: Bench, queue: Queue, stage: str, query: str, **values: int) -> None:
    key = {"queue_no": queue.queue_no, "stage": stage}
    bench.connection.execute(
        "UPDATE sync_queue SET stage = %(stage)s, work_began_at = now() - interval '5 min'"
        " WHERE queue_no = %(queue_no)s",
        key,
    )
    bench.connection.execute(query.encode(), key | values)
    bench.connection.execute("ANALYZE sync_batch, sync_page")


def _look_ms(bench: Bench, queue: Queue) -> float:
    """The median execution time of what `status` asks, as the role that asks it."""
    query = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement('queue/progress')}"
    with bench.database.organization("bench") as conn:
        plans: list[Any] = [
            conn.execute(query.encode(), {"queue_no": queue.queue_no}).fetchone()
            for _ in range(_LOOKS)
        ]
    return median(float(plan["QUERY PLAN"][0]["Execution Time"]) for plan in plans)
