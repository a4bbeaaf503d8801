"""Kill -9 while a sync is taken back, and while that is taken back: exactly once all the same."""

import random

import pytest

from sync_pipeline_tests.chaos.processes import IS_FULL, KILLS, SyncProcess, note
from sync_pipeline_tests.factories import apply_records, customer, make_connection, row, rows

CUSTOMERS = 400 if IS_FULL else 120
LONGEST_LIFE_SECONDS = 1.0 if IS_FULL else 0.4


def table(database):
    found = rows(
        database, "SELECT to_jsonb(c) - 'updated_at' AS row FROM customer AS c ORDER BY id"
    )
    return [one["row"] for one in found]


def taken_back_under_kills(database, queue_id):
    """Take a queue back until nobody is killed; the id of the queue that did."""
    dice = random.Random()
    seed = dice.randrange(10**6)
    dice.seed(seed)
    note(f"seed {seed}")
    for _ in range(KILLS // 4):
        with SyncProcess(database, str(queue_id), "--revert") as process:
            process.wait_until_started()
            if process.kill_after(dice.uniform(0, LONGEST_LIFE_SECONDS)):
                break
    with SyncProcess(database, str(queue_id), "--revert") as process:
        assert process.result()["state"] == "done"
    found = row(
        database, "SELECT id, queue_no FROM sync_queue WHERE filters ->> 'reverts' = %s",
        str(queue_id),
    )  # fmt: skip
    audited = row(
        database,
        "SELECT count(line_no) AS audited, count(DISTINCT line_no) AS lines FROM sync_activity"
        " WHERE queue_no = %s",
        found["queue_no"],
    )
    assert set(audited.values()) == {CUSTOMERS}
    return found["id"]


@pytest.mark.chaos
def test_given_kill_9_while_a_sync_is_taken_back_when_started_again_then_exactly_once(
    database, org_id
):
    shop = make_connection(database, org_id)
    half = CUSTOMERS // 2
    apply_records(database, shop, [customer(n) for n in range(half)])
    before = table(database)
    queue, _ = apply_records(
        database, shop, [customer(n, last_name="Changed") for n in range(CUSTOMERS)]
    )
    synced = table(database)
    assert len(synced) == CUSTOMERS

    undone = taken_back_under_kills(database, queue.id)

    assert table(database) == before
    if IS_FULL:
        taken_back_under_kills(database, undone)
        assert table(database) == synced
