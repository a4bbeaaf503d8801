"""Kill -9 at random instants, workers that stall past their lease: exactly once all the same."""

import random
import signal

import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline_tests.chaos.processes import KILLS, SyncProcess, note
from sync_pipeline_tests.factories import customer, make_connection, order, row, rows, store

CUSTOMERS = 300
# Longer than a whole sync takes, so that some end before they are killed.
LONGEST_LIFE_SECONDS = 1.2


@pytest.fixture
def server():
    customers = [customer(n) for n in range(1, CUSTOMERS + 1)]
    orders = [order(n, n) for n in range(1, CUSTOMERS + 1)]
    with DemoServer(store(customers, orders)) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url)


def rename_everybody(server, first_name):
    for customer_id in range(1, CUSTOMERS + 1):
        server.store.edit_customer(customer_id, bump=False, first_name=first_name)


def assert_exactly_once(database, n_queues):
    """Every customer once, and of every queue every line once in the audit."""
    counted = row(
        database,
        "SELECT (SELECT count(*) FROM customer) AS customers,"
        " (SELECT count(*) FROM sync_record) AS records,"
        " (SELECT count(DISTINCT local_id) FROM sync_record) AS owned",
    )
    assert set(counted.values()) == {CUSTOMERS}
    queues = rows(
        database,
        "SELECT s.state, s.total_count, s.done_count, a.audited, a.lines, a.read, a.enqueued,"
        " a.finished FROM sync_queue_status AS s CROSS JOIN LATERAL ("
        " SELECT count(line_no) AS audited, count(DISTINCT line_no) AS lines,"
        " count(*) FILTER (WHERE activity_type = 'extract_completed') AS read,"
        " count(*) FILTER (WHERE activity_type = 'enqueue_completed') AS enqueued,"
        " count(*) FILTER (WHERE activity_type = 'queue_finished') AS finished"
        " FROM sync_activity WHERE queue_no = s.queue_no) AS a",
    )
    assert len(queues) == n_queues
    for queue in queues:
        assert queue["state"] == "done"
        assert {queue["done_count"], queue["audited"], queue["lines"]} == {queue["total_count"]}
        assert (queue["read"], queue["enqueued"], queue["finished"]) == (1, 1, 1)


@pytest.mark.chaos
def test_given_kill_9_at_random_instants_when_started_again_then_everything_exactly_once(
    database, shop, server
):
    dice = random.Random()
    seed = dice.randrange(10**6)
    dice.seed(seed)
    note(f"seed {seed}")
    n_queues = 1
    for _ in range(KILLS):
        with SyncProcess(database, f"sync {n_queues}") as process:
            process.wait_until_started()
            if process.kill_after(dice.uniform(0, LONGEST_LIFE_SECONDS)):
                n_queues += 1
                rename_everybody(server, f"Name {n_queues}")
    with SyncProcess(database, f"sync {n_queues}") as process:
        assert process.result()["state"] == "done"

    assert_exactly_once(database, n_queues)
    names = row(
        database,
        "SELECT count(*) AS n FROM customer AS c JOIN sync_record AS r ON r.local_id = c.id"
        " WHERE c.name = %s || ' Number ' || r.external_id",
        "Ann" if n_queues == 1 else f"Name {n_queues}",
    )
    assert names["n"] == CUSTOMERS


@pytest.mark.chaos
def test_given_a_worker_that_stalls_past_its_lease_when_it_wakes_then_its_completion_is_refused(
    database, shop
):
    with SyncProcess(database, "one", "--workers", 1, "--stop-at", 3) as stalled:
        stalled.wait_until_stopped()
        with SyncProcess(database, "one") as other:
            assert other.result()["state"] == "done"
        stalled.signal(signal.SIGCONT)
        result = stalled.result()

    assert result == result | {"state": "done", "refused": 1}
    assert_exactly_once(database, 1)


@pytest.mark.chaos
def test_given_two_processes_on_one_queue_when_one_is_killed_then_the_other_does_the_rest(
    database, shop
):
    with (
        SyncProcess(database, "one", "--stop-at", 2) as first,
        SyncProcess(database, "one", "--lease-seconds", 2) as second,
    ):
        first.wait_until_stopped()
        first.signal(signal.SIGKILL)
        assert second.result()["state"] == "done"

    assert_exactly_once(database, 1)
