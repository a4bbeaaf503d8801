"""Plans of the statements that every batch pays for: which index serves them, what they read."""

import pytest
from psycopg import sql

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.completion import LeaseLostError, complete
from sync_pipeline.queue.leases import claim
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    make_queue,
    order,
)

HISTORY_BATCHES = 20_000
BATCH_LINES = 400


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


def explained(conn, query, values):
    """Every node of the plan that ran, as dicts."""
    with conn.transaction(force_rollback=True):
        found = conn.execute(sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + query, values).fetchone()
    (plans,) = found.values()
    return list(nodes(plans[0]["Plan"]))


def nodes(node):
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def filtered_rows(node):
    return node.get("Rows Removed by Filter", 0) * node.get("Actual Loops", 1)


@pytest.mark.parametrize("is_analyzed", [False, True])
def test_given_a_long_history_when_claimed_then_the_partial_index_finds_the_one_open_batch(
    database, shop, is_analyzed
):
    queue = make_queue(database, shop)
    with database.owner() as conn:
        conn.execute(
            "INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total,"
            " state) SELECT %s, n, 'acme', n, n, 1,"
            " CASE WHEN n = %s THEN 'ready' ELSE 'done' END FROM generate_series(1, %s) AS n",
            [queue.queue_no, HISTORY_BATCHES, HISTORY_BATCHES],
        )
        if is_analyzed:
            conn.execute("ANALYZE sync_batch")

    with database.organization("acme") as conn:
        plan = explained(
            conn,
            sql.SQL(statement("queue/claim")),
            {
                "queue_no": queue.queue_no,
                "worker": "a",
                "lease_seconds": 60,
                "now_utc": None,
            },
        )

    assert any(node.get("Index Name") == "sync_batch_open_idx" for node in plan)
    assert sum(filtered_rows(node) for node in plan) <= 1


class Explaining:
    """A connection that explains what complete() runs, and answers as if the lease was lost."""

    def __init__(self, conn, queue):
        self._conn = conn
        self._explained = CUSTOMERS.complete_statement(queue.queue_no)
        self.plan = []

    def execute(self, query, values=None, **_):
        if query is not self._explained:
            return self._conn.execute(query, values)
        self.plan = explained(self._conn, query, values)
        return self._conn.execute("SELECT WHERE false")


def plan_of_complete(database, queue):
    with database.organization("acme") as conn:
        lease = claim(conn, queue.queue_no, worker="a", lease_seconds=60)
        explaining = Explaining(conn, queue)
        with pytest.raises(LeaseLostError):
            complete(explaining, lease, queue, CUSTOMERS, backoff_seconds=0)
    return explaining.plan


def assert_no_batch_squared(plan):
    """Nothing that joins, filters or loops over more than a few times the batch."""
    for node in plan:
        removed = node.get("Rows Removed by Join Filter", 0) * node["Actual Loops"]
        assert removed <= 4 * BATCH_LINES, node
        # The fields of a line that did not change come out of a function.
        times = 12 if node["Node Type"] == "Function Scan" else 4
        assert filtered_rows(node) <= times * BATCH_LINES, node
        assert node["Actual Rows"] * node["Actual Loops"] <= 20 * BATCH_LINES, node


@pytest.mark.parametrize("is_analyzed", [False, True])
class TestComplete:
    def test_given_new_records_when_completed_then_no_batch_squared(
        self, database, shop, is_analyzed
    ):
        records = [customer(n) for n in range(1, 3 * BATCH_LINES)]
        orders = [order(n, n) for n in range(1, 3 * BATCH_LINES)]
        queue = fill_queue(database, shop, records, orders, batch_size=BATCH_LINES)
        if is_analyzed:
            analyze(database)

        assert_no_batch_squared(plan_of_complete(database, queue))

    def test_given_known_records_that_changed_when_completed_then_no_batch_squared(
        self, database, shop, is_analyzed
    ):
        records = [customer(n) for n in range(1, 3 * BATCH_LINES)]
        apply_records(database, shop, records)
        if is_analyzed:
            analyze(database)
        changed = [one | {"first_name": "Eve"} for one in records]
        queue = fill_queue(database, shop, changed, batch_size=BATCH_LINES)

        plan = plan_of_complete(database, queue)

        assert_no_batch_squared(plan)
        # 300 us a line, for lines that nobody edited.
        merging = [one["Actual Loops"] for one in plan if one.get("Function Name") == "sync_merge"]
        assert merging == [0]

    def test_given_a_batch_of_failures_when_completed_then_no_batch_squared(
        self, database, shop, is_analyzed
    ):
        records = [customer(n, email="bad") for n in range(1, 2 * BATCH_LINES)]
        queue = fill_queue(database, shop, records, batch_size=BATCH_LINES)
        if is_analyzed:
            analyze(database)

        assert_no_batch_squared(plan_of_complete(database, queue))


def test_given_statistics_of_small_queues_when_a_large_one_fails_then_no_batch_squared(
    database, shop, monkeypatch
):
    monkeypatch.setattr("sync_pipeline.stages.enqueue._ANALYZE_FROM_LINES", 2)
    apply_records(database, shop, [customer(1)])
    analyze(database)
    records = [customer(n, email="bad") for n in range(1, 4 * BATCH_LINES)]
    queue = fill_queue(database, shop, records, batch_size=BATCH_LINES)

    assert_no_batch_squared(plan_of_complete(database, queue))


def analyze(database):
    with database.owner() as conn:
        conn.execute("ANALYZE sync_line, sync_batch, sync_record, customer, sync_queue")
