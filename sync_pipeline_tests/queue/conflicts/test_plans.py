"""Plans where many conflicts are open: a page of the list, and one that is decided about."""

import pytest
from psycopg.types.json import Jsonb

from sync_pipeline.queue.conflicts import Chosen, list_conflicts, one_of
from sync_pipeline.queue.conflicts.choosing import composed
from sync_pipeline_tests.queue.test_plans import explained

CONFLICTS = 2_000
FILL = """
    WITH made AS (
        INSERT INTO customer (org_id, name, phone)
        SELECT 'acme', 'N ' || n, 'here' FROM generate_series(1, %(n)s) AS n
        RETURNING id
    )
    INSERT INTO sync_conflict (
        org_id, connection_id, entity, external_id, queue_no, conflict_type, message, details)
    SELECT 'acme', %(connection_id)s, 'customers', row_number() OVER (), 1, 'DataMismatch', 'm',
        jsonb_build_object('local_id', id, 'base', '{"phone": "1"}'::jsonb,
            'ours', '{"phone": "here"}'::jsonb, 'theirs', '{"phone": "there"}'::jsonb,
            'merged', '{"phone": "here"}'::jsonb, 'fields', '{"phone": {}}'::jsonb)
    FROM made
"""


@pytest.fixture
def scanned(database, shop):
    """Tables that a statement read whole, and the most rows that a node gave."""
    with database.owner() as conn:
        conn.execute(FILL, {"n": CONFLICTS, "connection_id": shop.connection_id})
        conn.execute("ANALYZE customer, sync_conflict")

    def run(name, chosen, target=None, **more):
        values = chosen.values(shop.connection_id if chosen.connection else None, **more)
        with database.organization("acme") as conn:
            plan = explained(conn, composed(name, target), values)
        return (
            {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"},
            max(node["Actual Rows"] for node in plan),
        )

    return run


def test_given_many_conflicts_when_listed_or_decided_about_then_only_what_is_meant_is_read(
    database, scanned
):
    for connection in (None, "shop"):
        whole, most = scanned("list", Chosen(connection=connection), most=50, before_no=1_500)
        assert "sync_conflict" not in whole
        assert most <= 50
    one = one_of([list_conflicts(database, Chosen(), most=1)[0].id])
    line = {"queue_no": 1, "decision": "source", "fields": [], "by": "ann"}
    line |= {"why": "w", "why_of_undo": "w"}

    for name, more in (
        ("hold", {}),
        ("refresh", {"policies": Jsonb({})}),
        ("lines", line | {"values": Jsonb({})}),
    ):
        whole, most = scanned(name, one, "customer", **more)
        assert not whole & {"customer", "sync_conflict"}, name
        assert most <= 2, name
