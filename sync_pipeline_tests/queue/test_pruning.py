"""Work on one queue reads the tables of its own range and of no other, however many there are.

Nothing is listed by hand: PostgreSQL counts the rows read of every table while a whole sync runs.
"""

import time

import psycopg
import pytest

from sync_pipeline.demo.server import DemoServer
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.ranges import QUEUES_PER_RANGE
from sync_pipeline.queue.progress import failed_lines, milestones, standing
from sync_pipeline.queue.story import gather as explain
from sync_pipeline_tests.conftest import make_organization, settings_for
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    order,
    rows,
    run_sync,
    store,
)

OLD_QUERIES = (
    "SELECT activity_type, message FROM woo_sync_activity WHERE queue_id = %s"
    " ORDER BY created_at DESC LIMIT 100",
    "SELECT woo_customer_id, error_message FROM woo_customer_sync_queue_line"
    " WHERE queue_id = %s AND state = 'failed' ORDER BY last_error_timestamp DESC",
    "SELECT DATE_PART('hour', created_at) AS hour, count(*) FROM woo_sync_activity"
    " WHERE queue_id = %s GROUP BY hour",
)

# As ranges are: many queues in each, and more lines than it takes no time to read.
MUCH_HISTORY = """
    INSERT INTO sync_queue (queue_no, org_id, connection_id, entity, queue_name, source_system,
        batch_size, batch_delay_ms, max_retries, initial_backoff_ms, lifetime_value_rule, stage,
        finished_at)
    OVERRIDING SYSTEM VALUE
    SELECT queue_no + n, org_id, connection_id, entity, queue_name, source_system, batch_size,
        batch_delay_ms, max_retries, initial_backoff_ms, lifetime_value_rule, stage, finished_at
    FROM sync_queue, generate_series(1, 200) AS n;
    INSERT INTO sync_batch
    SELECT (jsonb_populate_record(b, jsonb_build_object('queue_no', b.queue_no + n))).*
    FROM sync_batch AS b, generate_series(1, 200) AS n;
    INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
    SELECT queue_no + n, line_no, org_id, external_id, content_hash, payload
    FROM sync_line, generate_series(1, 200) AS n;
    INSERT INTO sync_activity (queue_no, line_no, org_id, activity_type, status)
    SELECT queue_no + n, line_no, org_id, activity_type, status
    FROM sync_activity, generate_series(1, 200) AS n
"""


@pytest.fixture
def ranges_with_history(own_database_url):
    """A database whose ranges 0 and 2 hold a sync each of other connections; range 1 is next."""
    with Database.open(settings_for(own_database_url)) as database:
        make_organization(database, "acme")
        for range_no, name in ((0, "older"), (2, "newer"), (1, None)):
            with database.owner() as conn:
                conn.execute(
                    "SELECT setval('sync_queue_queue_no_seq', %s, false)",
                    [max(range_no * QUEUES_PER_RANGE, 1)],
                )
            if name is not None:
                records = [customer(n, email=f"{name}{n}@example.test") for n in range(1, 40)]
                apply_records(
                    database, make_connection(database, name=name), records, [order(1, 1)]
                )
        with database.owner() as conn:
            conn.execute(MUCH_HISTORY)
            conn.execute("ANALYZE")
    return own_database_url


def test_given_other_ranges_when_a_queue_is_worked_and_looked_at_then_none_of_them_is_read(
    ranges_with_history,
):
    with psycopg.connect(ranges_with_history, autocommit=True) as conn:
        wait_until_alone(conn)
        conn.execute("SELECT pg_stat_reset()")

    with Database.open(settings_for(ranges_with_history)) as database:
        shop = make_connection(database)
        people = [customer(n, email="bad" if n == 3 else f"c{n}@a.test") for n in range(1, 60)]
        with DemoServer(store(people, [order(1, 1)])) as server:
            sync = run_sync(database, shop, server, batch_size=10)
        assert sync.queue.queue_no // QUEUES_PER_RANGE == 1
        assert sync.outcome.failed == 1
        standing(database, sync.queue)
        failed_lines(database, sync.queue, most=10)
        milestones(database, sync.queue)
        explain(database, shop, CUSTOMERS, "3")
        for query in OLD_QUERIES:
            rows(database, query, str(sync.queue.id))

    assert ranges_read(ranges_with_history) == {1}


def wait_until_alone(conn):
    """A session tells what it read when it ends, which is after whoever closed it went on."""
    for _ in range(500):
        (others,) = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()"
        ).fetchone()
        if not others:
            return
        time.sleep(0.01)
    raise TimeoutError


def ranges_read(url):
    """Ranges of which a row was read."""
    with psycopg.connect(url, autocommit=True) as conn:
        found = conn.execute(
            "SELECT DISTINCT substring(relname from '_r([0-9]+)$')::int FROM pg_stat_user_tables"
            " WHERE relname ~ '^sync_(line|activity|page)_r' AND seq_tup_read + idx_tup_fetch > 0"
        ).fetchall()
    return {range_no for (range_no,) in found}
