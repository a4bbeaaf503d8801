"""Dropping a range of old lines: how long it takes, and what is left on the disk.

Belongs here: the rows of an old range, and the figures. Does not: whether the right ranges go (the
tests).

The lines, audit rows and batches are made in the database, with the payload of a made customer: how
they came to be makes no difference to how they go.
"""

import json

from benchmarks.landing import PAGE_RECORDS, empty_tables_of_a_sync, fresh_queue
from benchmarks.measure import Figure, Rounds, Subject, Target, timed
from benchmarks.throwaway import Bench, Server, open_bench
from benchmarks.upsert import WrongResultError
from sync_pipeline.demo.made_customers import FIRST_CUSTOMER_ID, MadeCustomers
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.ranges import QUEUES_PER_RANGE
from sync_pipeline.queue.retention import purge
from sync_pipeline.settings import QueueSettings, RetentionSettings

_BATCH_LINES = 500
_MOST_SECONDS = 1.0
_MB = 1e6
_SIZE = """
    SELECT sum(pg_total_relation_size(oid)) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
      AND relname ~ '^sync_(queue|batch|line|activity|page|conflict)'
"""
_MAKE = """
    INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
    SELECT %(queue_no)s, n, 'bench', n::text, gen_random_uuid(), %(payload)s::jsonb
    FROM generate_series(1, %(lines)s) AS n;
    INSERT INTO sync_activity (queue_no, line_no, org_id, activity_type, status, after)
    SELECT %(queue_no)s, n, 'bench', 'record_created', 'success', %(payload)s::jsonb
    FROM generate_series(1, %(lines)s) AS n;
    INSERT INTO sync_page (queue_no, listing, first_offset, record_limit, org_id, n_records, total,
        body, elapsed_ms)
    SELECT %(queue_no)s, 'customers', n * %(page)s, %(page)s, 'bench', %(page)s, %(lines)s,
        (SELECT jsonb_agg(%(payload)s::jsonb) FROM generate_series(1, %(page)s)), 1
    FROM generate_series(0, %(lines)s / %(page)s - 1) AS n;
    INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total, n_done,
        n_created, state, finished_at)
    SELECT %(queue_no)s, n, 'bench', (n - 1) * %(batch)s + 1, n * %(batch)s, %(batch)s, %(batch)s,
        %(batch)s, 'done', now()
    FROM generate_series(1, %(lines)s / %(batch)s) AS n;
    UPDATE sync_queue SET stage = 'finished', finished_at = now() - interval '60 days'
"""


def run(server: Server, *, lines: int, rounds: int) -> Subject:
    """Fill a range, purge it, and look at the disk before, between and after."""
    measured = Rounds()
    with open_bench(server) as bench:
        sizes = [_one_round(bench, lines, measured) for _ in range(rounds)]
    empty, full, after = sizes[-1]
    return Subject(
        f"Purge of {lines:,} old lines with their audit, pages and batches",
        [
            Figure("purge", measured.wall("purge"), "s", Target("≤", _MOST_SECONDS)),
            Figure(
                "room given back, of what they took",
                (full - after) / (full - empty),
                "x",
                Target("≥", 0.99),
                f"{empty / _MB:.1f} MB empty, {full / _MB:.1f} MB full, {after / _MB:.1f} MB after",
            ),
        ],
    )


def _one_round(bench: Bench, lines: int, measured: Rounds) -> tuple[int, int, int]:
    """Bytes of the tables: empty, full, after the purge."""
    empty_tables_of_a_sync(bench.connection)
    bench.connection.execute("VACUUM sync_queue, sync_batch")
    queue = fresh_queue(bench, lines, QueueSettings())
    empty = _bytes(bench)
    values = {
        "queue_no": queue.queue_no,
        "lines": lines,
        "page": PAGE_RECORDS,
        "batch": _BATCH_LINES,
        "payload": json.dumps(_payload()),
    }
    for text in _MAKE.split(";"):
        bench.connection.execute(text.encode(), values if "%(" in text else None)
    bench.connection.execute(
        "SELECT setval('sync_queue_queue_no_seq', %s, false)", [QUEUES_PER_RANGE]
    )
    bench.settle()
    full = _bytes(bench)
    with timed(measured, "purge", bench.cpu):
        purged = purge(bench.database, RetentionSettings())
    if purged.lines != lines:
        raise WrongResultError(f"{lines} lines expected: {purged}")
    return empty, full, _bytes(bench)


def _payload() -> dict[str, object]:
    made = MadeCustomers(1).record(FIRST_CUSTOMER_ID)
    return {name: made[name] for name in CUSTOMERS.listing.fields}


def _bytes(bench: Bench) -> int:
    row = bench.connection.execute(_SIZE).fetchone()
    return int(row[0]) if row else 0  # type: ignore[call-overload]
