"""A long history of orchestrations costs nothing: what is read grows with what is asked."""

import pytest

from sync_pipeline.postgres.statements import statement
from sync_pipeline_tests.factories import make_connection
from sync_pipeline_tests.queue.orchestrations.making import start
from sync_pipeline_tests.queue.test_attention import rows_read_of

TABLES = ("sync_orchestration", "sync_orchestration_item", "sync_queue", "sync_batch")
HISTORY = """
    WITH past AS (
        INSERT INTO sync_orchestration (org_id, request_hash, created_at)
        SELECT 'acme', md5('x')::uuid, now() - n * interval '1 hour'
        FROM generate_series(1, 2000) AS n RETURNING orchestration_no, created_at
    ),
    queue AS (
        INSERT INTO sync_queue (org_id, connection_id, entity, queue_name, source_system,
            batch_size, batch_delay_ms, max_retries, initial_backoff_ms, lifetime_value_rule,
            stage, finished_at, reconciliation, created_at, orchestration_no)
        SELECT 'acme', 1, entity, 'old', 'woocommerce', 500, 0, 3, 1000, 'all_orders', 'finished',
            now(), '{}', created_at, orchestration_no
        FROM past CROSS JOIN unnest(ARRAY['customers', 'products', 'orders']) AS entity
        RETURNING queue_no, entity, orchestration_no
    )
    INSERT INTO sync_orchestration_item (orchestration_no, connection_id, entity, org_id, queue_no)
    SELECT orchestration_no, 1, entity, 'acme', queue_no FROM queue
"""


@pytest.fixture
def orchestration(database):
    make_connection(database, "acme", name="shop")
    made = start(database)
    with database.owner() as conn:
        conn.execute(HISTORY)
        for table in TABLES:
            conn.execute(f"ANALYZE {table}")
    return made


def rows_read(database, name, values):
    with database.control() as conn:
        plan = conn.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement(name), values).fetchone()
    return max(rows_read_of(plan["QUERY PLAN"][0]["Plan"], table) for table in TABLES)


def test_given_a_long_history_when_looked_at_then_only_what_is_asked_for_is_read(
    database, orchestration
):
    number = {"orchestration_no": orchestration.orchestration_no}
    looked_at = {
        "queue/attention": {"after_queue_no": 0, "most": 500, "entities": ["customers"]},
        "queue/together": {"orchestration_ids": [orchestration.id]},
        "orchestrations/status": number,
        "orchestrations/items": number,
        "orchestrations/recent": {"org_id": None, "most": 10},
        "orchestrations/find": {
            "lowest": orchestration.id, "highest": orchestration.id, "org_id": None,
        },
    }  # fmt: skip

    read = {name: rows_read(database, name, values) for name, values in looked_at.items()}

    assert {name: count for name, count in read.items() if count > 100} == {}


def test_given_a_long_history_when_started_then_the_unfinished_one_is_found_by_its_request(
    database, orchestration
):
    with database.organization("acme") as conn:
        plan = conn.execute(
            "EXPLAIN (ANALYZE, FORMAT JSON) " + statement("orchestrations/unfinished"),
            {"org_id": "acme", "request_hash": "9dd4e461-268c-8034-f5c8-564e155c67a6"},
        ).fetchone()

    assert rows_read_of(plan["QUERY PLAN"][0]["Plan"], "sync_orchestration") <= 1
    assert rows_read_of(plan["QUERY PLAN"][0]["Plan"], "sync_queue") <= 10
