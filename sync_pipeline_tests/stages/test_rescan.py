"""Slices of the whole listing that each reading of changes reads besides, in turn."""

from dataclasses import replace

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.errors import PermanentError
from sync_pipeline.sources.protocol import PageRequest
from sync_pipeline.stages.rescan import slice_requests
from sync_pipeline_tests.factories import (
    full_order,
    make_connection,
    row,
    rows,
    run_sync,
    store,
)

ONE_AT_A_TIME = {"max_parallel_requests": 1}


@pytest.fixture
def server():
    """25 orders on 3 pages, each a minute apart."""
    orders = [
        full_order(n, date_modified_gmt=f"2026-02-{n // 60 + 1:02}T04:{n % 60:02}:00")
        for n in range(1, 26)
    ]
    with DemoServer(store([], orders)) as running:
        yield running


@pytest.fixture
def synced(database, org_id, server):
    """A store that was read whole once; how to sync it again."""
    shop = replace(make_connection(database, org_id, base_url=server.url), page_records=10)
    run_sync(database, shop, server, entity=ORDERS)

    def again(rescan_pages=1, **settings):
        server.log.clear()
        return run_sync(
            database,
            shop,
            server,
            entity=ORDERS,
            source_settings={"rescan_pages": rescan_pages} | settings,
        )

    return again


def next_place(database):
    found = row(
        database, "SELECT rescan_offset FROM sync_watermark WHERE listing = 'entity:orders'"
    )
    return found["rescan_offset"]


def edit_quietly(server, order_id, **changes):
    """As an edit that bumps no date."""
    server.store.put_order(server.store.order(order_id) | changes)


def our_total(database, order_id):
    found = row(database, "SELECT total FROM sales_order WHERE external_id = %s", str(order_id))
    return str(found["total"])


class TestSlices:
    def test_given_an_edit_that_bumps_no_date_then_it_is_found_when_the_slices_went_round(
        self, database, server, synced
    ):
        edit_quietly(server, 15, total="77.00")

        totals = []
        for _ in range(3):
            found = synced()
            totals.append((our_total(database, 15), found.enqueued.lines, found.verdict.agree))

        assert totals == [("12.50", 0, True), ("77.00", 1, True), ("77.00", 0, True)]

    def test_given_slices_of_some_pages_then_the_first_takes_the_place_of_the_total(
        self, database, server, synced
    ):
        for pages, calls in ((0, 2), (1, 2), (2, 3), (3, 4), (9, 4)):
            with database.owner() as conn:
                conn.execute("UPDATE sync_watermark SET rescan_offset = 0")

            again = synced(rescan_pages=pages)

            assert (len(server.requests), again.enqueued.lines) == (calls, 0)
            assert (again.coverage.is_delta, again.coverage.store_total) == (True, 25)
            assert again.coverage.rescanned == min(pages * 10, 25)

    def test_given_syncs_then_the_place_goes_round_and_each_record_comes_once(
        self, database, synced
    ):
        places = []
        for _ in range(4):
            synced()
            places.append(next_place(database))

        assert places == [10, 20, 0, 10]
        landed = rows(
            database,
            "SELECT item ->> 'id' AS id FROM sync_page, jsonb_array_elements(body) AS item"
            " WHERE listing = 'orders:rescan' AND queue_no < 5",
        )
        assert sorted(int(one["id"]) for one in landed) == list(range(1, 26))

    def test_given_an_order_in_the_changes_and_in_the_slice_then_it_makes_one_line(
        self, database, server, synced
    ):
        server.store.edit_order(5, total="55.00")

        again = synced()

        assert (again.enqueued.lines, our_total(database, 5)) == (1, "55.00")

    def test_given_an_order_that_comes_with_the_slice_then_changes_are_read_once_more(
        self, database, server, synced
    ):
        def sell(shop):
            shop.put_order(full_order(400, date_modified_gmt="2026-02-21T00:00:00"))

        server.faults = [Fault("change", path="/orders$", nth=2, times=1, change=sell)]

        again = synced()

        assert (again.coverage.is_delta, again.coverage.store_total) == (True, 26)
        assert len(server.requests) == 4
        assert again.verdict.agree is True

    def test_given_an_order_that_is_gone_then_all_is_read_and_the_slice_does_not_count(
        self, database, server, synced
    ):
        server.store.delete_order(7)
        before = next_place(database)

        again = synced()

        assert (again.coverage.is_delta, again.coverage.rescanned) == (False, 0)
        assert (again.verdict.extra_ids, next_place(database)) == (("7",), before)

    def test_given_a_stop_while_slices_are_read_then_the_next_start_reads_what_is_missing(
        self, database, server, synced
    ):
        server.faults = [Fault("no_route", path="/orders$", nth=3)]
        with pytest.raises(PermanentError):
            synced(rescan_pages=2, **ONE_AT_A_TIME)
        assert next_place(database) == 0
        server.faults = ()

        again = synced(rescan_pages=2, **ONE_AT_A_TIME)

        assert (again.coverage.rescanned, next_place(database)) == (20, 20)
        assert len(server.requests) == 1

    def test_given_a_stop_after_smaller_pages_then_what_is_left_of_the_slice_is_read(
        self, database, server, synced
    ):
        server.faults = [Fault("no_route", path="/orders$", nth=3)]
        with pytest.raises(PermanentError):
            synced(rescan_pages=2, page_records=4, **ONE_AT_A_TIME)
        server.faults = ()

        again = synced(**ONE_AT_A_TIME)

        assert (again.coverage.rescanned, next_place(database)) == (10, 10)
        assert len(server.requests) == 1

    def test_given_a_store_restored_from_a_backup_then_its_slices_go_round_all_the_same(
        self, database, server, synced
    ):
        for order_id in range(1, 26):
            then = "2026-01-04T00:00:00"
            quietly = {"date_modified": then, "date_modified_gmt": then, "total": "77.00"}
            edit_quietly(server, order_id, **quietly)

        places = []
        for _ in range(3):
            assert synced().coverage.is_delta
            places.append(next_place(database))

        assert places == [10, 20, 0]
        assert {our_total(database, n) for n in (1, 10, 25)} == {"77.00"}

    def test_given_a_record_of_the_slice_that_is_not_served_then_the_rest_is_read_all_the_same(
        self, server, synced
    ):
        server.faults = [Fault("poison", path="/orders$", record_id=5)]

        again = synced()

        assert (again.coverage.rescanned, again.enqueued.lines) == (9, 0)
        assert again.coverage.is_delta


@pytest.mark.parametrize(
    ("offset", "total", "pages", "expected"),
    [
        (0, 0, 1, []),
        (0, 1, 1, [0]),
        (100, 250, 1, [100]),
        (200, 250, 2, [200]),
        (250, 250, 1, [0]),
        (900, 250, 2, [0, 100]),
    ],
)
def test_given_a_place_then_whole_pages_of_the_listing_from_there(offset, total, pages, expected):
    requests = slice_requests(offset, total, 100, pages)

    assert requests == [PageRequest(at, 100) for at in expected]
