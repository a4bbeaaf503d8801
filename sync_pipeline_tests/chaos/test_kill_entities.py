"""Kill -9 while variations are read under their products, and while payments are derived."""

import random

import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline.demo.records import Records
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline_tests.chaos.processes import IS_FULL, KILLS, SyncProcess, note
from sync_pipeline_tests.factories import (
    apply_records,
    full_order,
    make_connection,
    product,
    row,
    rows,
)

SIMPLE, VARIABLE = range(1, 101), range(101, 161 if IS_FULL else 116)
PAID = 300 if IS_FULL else 120
LONGEST_LIFE_SECONDS = 1.0 if IS_FULL else 0.4
KILLS_OF_EACH = KILLS // 5


@pytest.fixture
def server():
    """100 simple products, and others with two variations each."""
    shop = DemoStore(
        customers=Records(()),
        orders=Records(()),
        products=Records(
            product(n, variations=[10 * n, 10 * n + 1] if n in VARIABLE else []) | {"_links": {}}
            for n in (*SIMPLE, *VARIABLE)
        ),
        variations={
            n: Records(
                product(10 * n + k, type="variation", parent_id=n) | {"_links": {}} for k in (0, 1)
            )
            for n in VARIABLE
        },
        newest_change_gmt="2026-02-03T04:05:06",
    )
    with DemoServer(shop) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url)


def synced_under_kills(database, entity):
    """Sync until one ends that is not killed; how many queues that made."""
    dice = random.Random()
    seed = dice.randrange(10**6)
    dice.seed(seed)
    note(f"seed {seed}")
    n_queues = 1
    for _ in range(KILLS_OF_EACH):
        with SyncProcess(database, f"sync {n_queues}", "--entity", entity) as process:
            process.wait_until_started()
            if process.kill_after(dice.uniform(0, LONGEST_LIFE_SECONDS)):
                n_queues += 1
    with SyncProcess(database, f"sync {n_queues}", "--entity", entity) as process:
        assert process.result()["state"] == "done"
    return n_queues


def assert_each_once(database, entity, n_records, n_queues):
    """Of every record one row and one identity, of every line one row of audit."""
    found = rows(
        database,
        "SELECT s.state, s.total_count, s.is_complete, a.audited, a.lines, a.finished"
        " FROM sync_queue_status AS s CROSS JOIN LATERAL ("
        " SELECT count(line_no) AS audited, count(DISTINCT line_no) AS lines,"
        " count(*) FILTER (WHERE activity_type = 'queue_finished') AS finished"
        " FROM sync_activity WHERE queue_no = s.queue_no) AS a WHERE s.entity = %s",
        entity,
    )
    assert len(found) == n_queues
    for one in found:
        assert (one["state"], one["is_complete"], one["finished"]) == ("done", True, 1)
        assert {one["audited"], one["lines"]} == {one["total_count"]}
    owned = row(
        database,
        "SELECT count(*) AS records, count(DISTINCT local_id) AS owned FROM sync_record"
        " WHERE entity = %s",
        entity,
    )
    assert set(owned.values()) == {n_records}


@pytest.mark.chaos
def test_given_kill_9_while_variations_are_read_when_started_again_then_each_is_there_once(
    database, shop
):
    n_queues = synced_under_kills(database, "products")

    assert_each_once(database, "products", 100 + 3 * len(VARIABLE), n_queues)
    placed = row(
        database,
        "SELECT count(*) AS n FROM product AS p JOIN product AS parent ON parent.id = p.parent_id"
        " WHERE parent.external_id = p.parent_external_id",
    )
    assert placed["n"] == 2 * len(VARIABLE)


@pytest.mark.chaos
def test_given_kill_9_while_payments_are_derived_when_started_again_then_each_is_there_once(
    database, shop
):
    paid = [full_order(n, date_paid_gmt="2026-02-03T04:05:06") for n in range(1, PAID + 1)]
    apply_records(database, shop, paid, entity=ORDERS)

    n_queues = synced_under_kills(database, "payments")

    assert_each_once(database, "payments", PAID, n_queues)
    assert row(database, "SELECT count(*) AS n, sum(amount) AS total FROM payment") == {
        "n": PAID,
        "total": PAID * 125 / 10,
    }
