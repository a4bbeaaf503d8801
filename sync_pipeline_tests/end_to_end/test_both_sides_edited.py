"""The recorded store, edited on both sides at once: who is asked, what is merged, who is gone."""

import pytest

from sync_pipeline.demo import DemoServer, recorded_store
from sync_pipeline_tests.factories import make_connection, row, rows, run_sync, status


@pytest.fixture
def server():
    with DemoServer(recorded_store()) as running:
        yield running


def edit_here(database, external_ids, phone):
    with database.organization("acme") as conn:
        conn.execute(
            "UPDATE customer AS c SET phone = %s, updated_at = now() FROM sync_record AS r"
            " WHERE r.local_id = c.id AND r.external_id = ANY (%s)",
            [phone, [str(one) for one in external_ids]],
        )


def ours(database, external_ids):
    return rows(
        database,
        "SELECT c.name, c.phone FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id"
        " WHERE r.external_id = ANY (%s)",
        [str(one) for one in external_ids],
    )


def test_given_both_sides_edited_then_only_what_nobody_can_tell_is_asked(database, org_id, server):
    shop = make_connection(database, org_id, base_url=server.url)
    run_sync(database, shop, server)
    listed = [
        one for one in server.store.customers.matching([])
        if server.store.customer(one)["role"] == "customer"
    ]  # fmt: skip
    same_field, other_field, equal, gone, other_role = (
        listed[:20], listed[20:30], listed[30:50], listed[50:55], listed[55:58],
    )  # fmt: skip
    for one in same_field:
        server.store.edit_customer(one, billing={"phone": "030 1"})
    for one in other_field:
        server.store.edit_customer(one, first_name="Renamed", last_name="There")
    for one in equal:
        server.store.edit_customer(one, billing={"phone": "040 2"})
    for one in gone:
        server.store.delete_customer(one)
    for one in other_role:
        server.store.edit_customer(one, role="subscriber")
    edit_here(database, [*same_field, *other_field, *equal], "040 2")

    first = run_sync(database, shop, server)

    conflicts = rows(database, "SELECT * FROM sync_conflict ORDER BY external_id::bigint")
    assert [int(one["external_id"]) for one in conflicts] == sorted(same_field)
    assert {one["conflict_type"] for one in conflicts} == {"DataMismatch"}
    assert [sorted(one["details"]["fields"]) for one in conflicts] == [["phone"]] * 20
    merged = {"name": "Renamed There", "phone": "040 2"}
    assert ours(database, other_field) == [merged] * 10
    found = status(database, first.queue)
    assert (found["state"], found["failed_count"], found["is_action_required"]) == (
        "partial", 20, True,
    )  # fmt: skip
    assert found["deleted_count"] == 0

    second = run_sync(database, shop, server)

    told = row(
        database,
        "SELECT count(*) FILTER (WHERE tombstone_reason = 'deleted') AS n_deleted,"
        " array_agg(external_id::bigint ORDER BY external_id::bigint)"
        " FILTER (WHERE tombstoned_at IS NOT NULL) AS tombstones FROM sync_record",
    )
    assert told == {"n_deleted": 5, "tombstones": sorted(gone)}
    assert status(database, second.queue)["deleted_count"] == 5
    assert len(rows(database, "SELECT FROM sync_conflict WHERE state = 'open'")) == 20
