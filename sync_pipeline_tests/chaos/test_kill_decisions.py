"""Kill -9 while decisions are applied, and while what is gone is retired: exactly once as well."""

import random

import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline_tests.chaos.processes import IS_FULL, KILLS, SyncProcess, note
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    row,
    run_sync,
    store,
)

CUSTOMERS = 400 if IS_FULL else 120
GONE = range(1, CUSTOMERS // 8)


def dice():
    seed = random.randrange(10**6)
    note(f"seed {seed}")
    return random.Random(seed)


@pytest.mark.chaos
def test_given_kill_9_while_conflicts_are_resolved_when_decided_again_then_each_is_applied_once(
    database, org_id
):
    shop = make_connection(database, org_id, name="shop")
    everybody = range(CUSTOMERS)
    apply_records(database, shop, [customer(n, last_name="Before") for n in everybody])
    with database.organization(org_id) as conn:
        conn.execute("UPDATE customer SET name = 'Ours'")
    apply_records(database, shop, [customer(n, last_name="Theirs") for n in everybody])
    conflicts = "SELECT count(*) FILTER (WHERE state = 'open') AS open FROM sync_conflict"
    assert row(database, conflicts) == {"open": CUSTOMERS}

    thrown = dice()
    for _ in range(KILLS // 2):
        with SyncProcess(database, "shop", "--resolve") as process:
            process.wait_until_started()
            if process.kill_after(thrown.uniform(0, 0.5)):
                break
    with SyncProcess(database, "shop", "--resolve") as process:
        process.result()

    assert row(database, conflicts) == {"open": 0}
    assert row(
        database,
        "SELECT array_agg(DISTINCT name) AS names, count(*) AS customers FROM customer",
    ) == {"names": ["Ann Theirs"], "customers": CUSTOMERS}
    assert row(
        database,
        "SELECT count(*) AS audited, count(DISTINCT a.details ->> 'external_id') AS records"
        " FROM sync_activity AS a JOIN sync_queue AS q USING (queue_no)"
        " WHERE q.filters ? 'resolves' AND a.activity_type = 'record_updated'",
    ) == {"audited": CUSTOMERS, "records": CUSTOMERS}


@pytest.mark.chaos
def test_given_kill_9_while_what_is_gone_is_retired_when_started_again_then_each_once(
    database, org_id
):
    served = store([customer(n) for n in range(1, CUSTOMERS + 1)], [])
    with DemoServer(served) as server:
        shop = make_connection(
            database,
            org_id,
            name="shop",
            base_url=server.url,
            options={"deletion_limit_percent": 50},
        )
        run_sync(database, shop, server)
        for number in GONE:
            served.delete_customer(number)
        run_sync(database, shop, server)

        thrown = dice()
        for _ in range(KILLS // 2):
            with SyncProcess(database, "second absence") as process:
                process.wait_until_started()
                if process.kill_after(thrown.uniform(0, 0.8)):
                    break
        with SyncProcess(database, "second absence") as process:
            assert process.result()["state"] == "done"

    assert row(
        database,
        "SELECT count(*) AS retired, array_agg(DISTINCT tombstone_reason) AS reasons"
        " FROM sync_record WHERE tombstoned_at IS NOT NULL",
    ) == {"retired": len(GONE), "reasons": ["deleted"]}
    assert row(
        database,
        "SELECT count(*) AS audited, count(DISTINCT line_no) AS lines FROM sync_activity"
        " WHERE activity_type = 'record_deleted'",
    ) == {"audited": len(GONE), "lines": len(GONE)}
