"""The recorded store: what it deletes, whose role changes, and a day on which it tells of 40 %."""

import pytest

from sync_pipeline.demo import DemoServer, recorded_store
from sync_pipeline_tests.factories import make_connection, row, rows, run_sync, status


@pytest.fixture
def server():
    with DemoServer(recorded_store()) as running:
        yield running


@pytest.fixture
def synced(database, org_id, server):
    """A store of 1,000 customers that was read once; how to sync it again."""
    shop = make_connection(database, org_id, base_url=server.url)
    assert run_sync(database, shop, server).verdict.agree

    def again():
        server.log.clear()
        return run_sync(database, shop, server)

    return again


def listed(server, how_many):
    return list(server.store.customers.matching([]))[10 : 10 + how_many]


def test_given_five_deleted_three_of_another_role_and_a_day_of_forty_percent_then_five_tombstones(
    database, server, synced
):
    of_role = [
        one for one in listed(server, 100) if server.store.customer(one)["role"] == "customer"
    ]
    deleted, changed = of_role[:5], of_role[5:8]
    for customer_id in deleted:
        server.store.delete_customer(customer_id)
    for customer_id in changed:
        server.store.edit_customer(customer_id, role="subscriber")

    first, second = synced(), synced()
    calls = [one.path for one in server.requests if "/customers" in one.path]
    third = synced()

    assert (first.verdict.waiting, first.verdict.tombstoned) == (8, 0)
    assert (second.verdict.elsewhere, second.verdict.tombstoned) == (3, 5)
    retired = rows(
        database,
        "SELECT external_id, tombstone_reason FROM sync_record WHERE tombstoned_at IS NOT NULL",
    )
    assert {int(one["external_id"]) for one in retired} == set(deleted)
    assert {one["tombstone_reason"] for one in retired} == {"deleted"}
    # The listing, its highest id, the eight with role=all in one call, each that is gone alone.
    assert len(calls) == 10 + 1 + 1 + 5
    assert status(database, second.queue)["deleted_count"] == 5
    assert second.verdict.in_words == (
        "both sides agree: 992 records; 5 were taken for deleted; "
        "3 more are there, but not listed: another role or status"
    )
    assert (third.verdict.agree, third.enqueued.lines, third.enqueued.deletions) == (True, 0, 0)
    assert row(database, "SELECT count(*) AS n FROM customer")["n"] == 1000

    _tell_of_forty_percent(server)
    refused = synced()

    said = status(database, refused.queue)
    assert (said["state"], said["is_action_required"], said["deleted_count"]) == (
        "partial",
        True,
        0,
    )
    assert "customers are missing from the store's answer (60 %)" in said["action_required_reason"]
    assert "nothing was deleted" in said["action_required_reason"]
    counted = row(
        database,
        "SELECT count(tombstoned_at) AS gone, sum(absence_count) AS absences FROM sync_record",
    )
    # The three of another role were looked for by the third sync, and nobody by this one.
    assert (counted["gone"], counted["absences"]) == (5, 3)
    assert not [one for one in server.requests if one.path[-1].isdigit()]


def _tell_of_forty_percent(server):
    for customer_id in list(server.store.customers.matching([])):
        if customer_id % 5 > 1:
            server.store.customers.remove(customer_id)
