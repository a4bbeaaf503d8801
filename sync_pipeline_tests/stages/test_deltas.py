"""Reading only what changed: what it costs, what it must not miss, and when everything is read."""

from itertools import count

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.queue import actions
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline_tests.factories import (
    full_order,
    make_connection,
    make_queue,
    open_store,
    quick_source_settings,
    row,
    rows,
    run_sync,
    store,
)

MOMENT = "2026-02-03T12:00:00"
_WATERMARK = "SELECT watermark_utc, queue_no FROM sync_watermark WHERE listing = 'entity:orders'"


def selling(*orders, **options):
    return DemoServer(store([], orders), **options)


@pytest.fixture
def server():
    """250 orders on 3 pages, each a minute apart."""
    orders = [
        full_order(n, date_modified_gmt=f"2026-02-{n // 60 + 1:02}T04:{n % 60:02}:00")
        for n in range(1, 251)
    ]
    with selling(*orders) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url)


@pytest.fixture
def synced(database, shop, server):
    """A store that was read whole once; how to sync it again, and what that asked."""
    first = run_sync(database, shop, server, entity=ORDERS)
    assert (first.coverage.scanned, first.verdict.agree) == (250, True)

    def again(**settings):
        server.log.clear()
        return run_sync(database, shop, server, entity=ORDERS, **settings)

    return again


def changed(database, sync):
    return {
        one["external_id"]
        for one in rows(
            database, "SELECT external_id FROM sync_line WHERE queue_no = %s", sync.queue.queue_no
        )
    }


class TestChanges:
    def test_given_nothing_changed_then_two_calls_and_no_line(self, server, synced):
        again = synced()

        assert (again.enqueued.lines, len(server.requests)) == (0, 2)
        assert again.verdict.in_words == "both sides agree: 250 records by count, 1 had changed"

    def test_given_edited_new_and_refunded_orders_then_exactly_those(
        self, database, server, synced
    ):
        server.store.edit_order(5, status="completed")
        server.store.refund_order(6, 900, "2.50")
        server.store.put_order(full_order(300, date_modified_gmt="2026-02-20T00:00:00"))

        again = synced()

        assert changed(database, again) == {"5", "6", "300"}
        assert (again.coverage.is_delta, again.verdict.agree) == (True, True)
        assert len(server.requests) == 2
        assert row(database, "SELECT count(*) AS n FROM sales_order")["n"] == 251

    @pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "UTC"])
    def test_given_53_orders_in_the_second_of_the_watermark_then_none_missed_or_repeated(
        self, database, org_id, zone
    ):
        orders = [full_order(n, date_modified_gmt=MOMENT) for n in range(1, 54)]
        older = [full_order(n, date_modified_gmt="2026-02-03T11:59:00") for n in range(54, 80)]
        with selling(*orders[:40], *older, timezone=zone) as server:
            shop = make_connection(database, org_id, base_url=server.url)
            run_sync(database, shop, server, entity=ORDERS)
            for one in orders[40:]:
                server.store.put_order(one)
            server.store.put_order(orders[3] | {"status": "completed"})

            again = run_sync(database, shop, server, entity=ORDERS)

        assert changed(database, again) == {"4", *(str(one["id"]) for one in orders[40:])}
        assert (again.coverage.is_delta, again.verdict.agree) == (True, True)

    def test_given_an_order_that_comes_between_changes_and_total_then_no_whole_reading(
        self, database, server, synced
    ):
        def sell(shop):
            shop.put_order(full_order(400, date_modified_gmt="2026-02-21T00:00:00"))

        server.faults = [Fault("change", path="/orders$", nth=2, times=1, change=sell)]

        again = synced()

        assert (again.coverage.is_delta, len(server.requests)) == (True, 4)
        assert changed(database, again) == {"400"}


class TestEverything:
    """When changes are not enough, all is read; unchanged records make no line even then."""

    def test_given_a_deleted_order_then_it_is_looked_for_twice_and_changes_are_read_again(
        self, server, synced
    ):
        server.store.delete_order(7)

        after, again, later = synced(), synced(), synced()

        assert (after.coverage.is_delta, after.verdict.extra_ids) == (False, ("7",))
        assert (again.coverage.is_delta, again.verdict.tombstoned) == (False, 1)
        assert (later.coverage.is_delta, later.verdict.agree) == (True, True)

    def test_given_as_many_new_as_gone_then_the_total_does_not_hide_it(self, server, synced):
        server.store.delete_order(7)
        server.store.put_order(full_order(300, date_modified_gmt="2026-02-20T00:00:00"))

        assert synced().verdict.extra_ids == ("7",)

    def test_given_another_mapping_then_everything_comes_back(self, database, synced):
        again = synced()
        with database.owner() as conn:
            conn.execute("UPDATE sync_watermark SET salt = 'of another mapping'")

        whole = synced()

        assert (again.coverage.is_delta, whole.coverage.is_delta) == (True, False)

    def test_given_a_cancelled_sync_then_what_it_had_read_is_read_again(
        self, database, shop, server, synced
    ):
        server.store.edit_order(5, status="completed")
        queue = make_queue(database, shop, entity=ORDERS)
        with open_store(server) as source:
            extract(database, queue, shop, ORDERS, source, quick_source_settings())
        enqueue(database, queue, ORDERS)
        actions.cancel(database, str(queue.id), by="ann")

        again = synced()

        assert (again.coverage.is_delta, changed(database, again)) == (False, {"5"})
        assert again.verdict.agree is True

    def test_given_a_row_that_was_deleted_here_then_it_comes_back(self, database, synced):
        with database.owner() as conn:
            conn.execute("DELETE FROM sales_order WHERE external_id = '9'")

        found = synced()
        mended = synced()

        assert (found.verdict.lost, found.verdict.agree) == (1, False)
        assert (mended.outcome.created, mended.verdict.agree) == (1, True)

    def test_given_an_incomplete_reading_then_the_watermark_stays(self, database, server, synced):
        before = row(database, _WATERMARK)
        server.store.edit_order(5, status="completed")
        going = count(100)
        server.faults = [
            Fault("change", path="/orders$", change=lambda shop: shop.delete_order(next(going)))
        ]

        again = synced()

        assert again.verdict.is_complete is False
        assert row(database, _WATERMARK) == before


def test_given_an_order_that_fails_then_the_next_sync_still_reads_changes_only(database, org_id):
    bad = full_order(2, total="a lot")
    with selling(full_order(1), bad, full_order(3)) as server:
        shop = make_connection(database, org_id, base_url=server.url)
        first = run_sync(database, shop, server, entity=ORDERS)
        again = run_sync(database, shop, server, entity=ORDERS)

    assert (first.verdict.missing, first.verdict.failed) == (1, 1)
    assert again.coverage.is_delta
    assert (again.verdict.missing, again.verdict.failed, again.verdict.agree) == (1, 1, False)
