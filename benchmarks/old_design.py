"""The old service's way through the same customers: line by line, counters by trigger.

Belongs here: the statements it made, and target 3. Does not: its tables (sql/old_schema.sql).

Written in its favour where the contract leaves room: the mapping is done beforehand and costs it
nothing, lines are inserted at once, a transaction takes a batch of 50 at READ COMMITTED.
"""

from typing import Any

from psycopg.types.json import Jsonb

from benchmarks.baselines import own_sql
from benchmarks.landing import ORGANIZATION, QUEUE_NO, land_pages
from benchmarks.measure import Figure, Rounds, Subject, Target, timed
from benchmarks.throwaway import Bench, Connection, Server, open_bench
from benchmarks.upsert import OURS, run_ours
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.settings import QueueSettings

TARGET_LINES = 10_000
_BATCH_LINES = 50
_COLUMNS = CUSTOMERS.columns
Row = tuple[Any, ...]

_ENQUEUE = """
    INSERT INTO old_queue_line (queue_id, org_id, woo_customer_id, customer_data)
    SELECT %s, %s, external_id::bigint, payload FROM sync_line WHERE queue_no = %s
"""
_MAPPED = f"""
    SELECT l.id, l.woo_customer_id, {", ".join(f"c.{name}" for name in _COLUMNS)}
    FROM old_queue_line AS l
    JOIN customer AS c ON c.metadata ->> 'woocommerce_id' = l.woo_customer_id::text
    ORDER BY l.woo_customer_id
"""
_TAKE = """
    UPDATE old_queue_line
    SET state = 'processing', process_count = process_count + 1, updated_at = now()
    WHERE id = %s
"""
_FIND = "SELECT id FROM old_customer WHERE org_id = %s AND lower(email) = lower(%s)"
_CREATE = f"""
    INSERT INTO old_customer (org_id, {", ".join(_COLUMNS)})
    VALUES (%s, {", ".join(["%s"] * len(_COLUMNS))}) RETURNING id
"""
_CHANGE = f"""
    UPDATE old_customer SET {", ".join(f"{name} = %s" for name in _COLUMNS)}, updated_at = now()
    WHERE id = %s
"""
_LOG = """
    INSERT INTO old_activity (queue_id, queue_line_id, org_id, activity_type, status, message,
        details)
    VALUES (%s, %s, %s, %s, 'success', %s, %s)
"""
_DONE = """
    UPDATE old_queue_line
    SET state = 'done', result_customer_id = %s, was_update = %s, last_process_date = now(),
        updated_at = now()
    WHERE id = %s
"""


def run(server: Server, *, lines: int, rounds: int) -> Subject:
    """Ours `rounds` times, the old design once."""
    measured = Rounds()
    with open_bench(server) as bench:
        bench.connection.execute(own_sql("old_schema"))
        land_pages(bench, lines)
        for _ in range(rounds):
            run_ours(bench, lines, QueueSettings(), measured)
        _run_old(bench, measured)
    ours_seconds = sum(map(measured.wall, OURS))
    old_seconds = measured.wall("old enqueue") + measured.wall("old")
    target = Target("≥", 300) if lines == TARGET_LINES else None
    note = f"{old_seconds:.1f} s, once / {ours_seconds:.3f} s, median of {rounds}"
    cpu = measured.cpu_ratio(["old enqueue", "old"], OURS)
    if cpu is not None:
        note += f"; of CPU {cpu:.0f}"
    return Subject(
        f"The old design at {lines:,} lines",
        [
            Figure("beside the old design", old_seconds / ours_seconds, "x", target, note),
            Figure("old", lines / old_seconds, "lines/s"),
            Figure("ours", lines / ours_seconds, "lines/s"),
        ],
        [
            "Old: two updates a line, each counting the queue's states anew; SELECT by e-mail, "
            "INSERT, activity; 50 lines a transaction. Its time grows with the square of the lines."
        ],
    )


def _run_old(bench: Bench, measured: Rounds) -> None:
    connection = bench.connection
    made = connection.execute(
        "INSERT INTO old_queue (org_id, queue_name) VALUES (%s, 'old') RETURNING id",
        [ORGANIZATION],
    ).fetchone()
    assert made is not None
    queue_id = made[0]
    with timed(measured, "old enqueue", bench.cpu):
        connection.execute(_ENQUEUE, [queue_id, ORGANIZATION, QUEUE_NO])
    connection.execute("ANALYZE old_queue_line")
    rows: list[Row] = connection.execute(_MAPPED).fetchall()
    bench.settle()
    with timed(measured, "old", bench.cpu):
        for start in range(0, len(rows), _BATCH_LINES):
            with connection.transaction():
                for row in rows[start : start + _BATCH_LINES]:
                    _process(connection, queue_id, row)


def _process(connection: Connection, queue_id: object, row: Row) -> None:
    """One line, as the old service went about it."""
    line_id, woo_customer_id, *mapped = row
    values = [Jsonb(value) if isinstance(value, dict) else value for value in mapped]
    connection.execute(_TAKE, [line_id])
    found = connection.execute(_FIND, [ORGANIZATION, mapped[_COLUMNS.index("email")]]).fetchone()
    if found is None:
        created = connection.execute(_CREATE, [ORGANIZATION, *values]).fetchone()
        assert created is not None
        customer_id = created[0]
    else:
        customer_id = found[0]
        connection.execute(_CHANGE, [*values, customer_id])
    connection.execute(
        _LOG,
        [
            queue_id,
            line_id,
            ORGANIZATION,
            "customer_created" if found is None else "customer_updated",
            f"customer {woo_customer_id} synced",
            Jsonb({"woo_customer_id": woo_customer_id, "customer_id": str(customer_id)}),
        ],
    )
    connection.execute(_DONE, [customer_id, found is not None, line_id])
