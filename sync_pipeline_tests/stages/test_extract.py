"""Extract: what is read, in which order, and the proof that it was everything."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.errors import PermanentError, TransientError
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.stops import QueueStoppedError
from sync_pipeline.sources.connections import find_connection
from sync_pipeline.sources.protocol import PageRequest
from sync_pipeline.sources.woocommerce.source import WooCommerceSource
from sync_pipeline.stages import turns
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.extract import extract, filtered
from sync_pipeline.stages.extracted import incomplete_reason
from sync_pipeline_tests.factories import (
    customer,
    make_connection,
    make_queue,
    open_store,
    order,
    quick_source_settings,
    row,
    rows,
    run_sync,
    store,
)


@pytest.fixture
def server():
    """350 customers on 4 pages, 250 orders on 3."""
    customers = [customer(n) for n in range(1, 351)]
    orders = [order(n, n % 350 + 1) for n in range(1, 251)]
    with DemoServer(store(customers, orders)) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url)


def read(database, shop, server, filters=None, **settings):
    queue = make_queue(database, shop, filters)
    with open_store(server, **settings) as source:
        found = extract(database, queue, shop, CUSTOMERS, source, quick_source_settings(**settings))
    return queue, found


def pages_read(server, path):
    return [
        one
        for one in server.requests
        if one.path.endswith(path) and one.query.get("order") == "asc"
    ]


def bounds_asked(server, path):
    """Requests for a highest id."""
    return [
        one
        for one in server.requests
        if one.path.endswith(path) and one.query.get("order") == "desc"
    ]


def landed_ids(database, listing="customers"):
    found = rows(
        database,
        "SELECT DISTINCT item ->> 'id' AS id FROM sync_page,"
        " jsonb_array_elements(body) AS item WHERE listing = %s",
        listing,
    )
    return {int(one["id"]) for one in found}


class TestWholeScan:
    def test_given_a_store_when_read_then_every_page_once_and_the_proof(
        self, database, shop, server
    ):
        _queue, found = read(database, shop, server)

        assert found == Coverage(scanned=350, total=350, is_complete=True)
        assert len(pages_read(server, "/customers")) == 4
        assert len(pages_read(server, "/orders")) == 3
        assert len(bounds_asked(server, "/customers")) == len(bounds_asked(server, "/orders")) == 1
        assert landed_ids(database) == set(range(1, 351))

    def test_given_an_extract_that_is_done_when_called_again_then_nothing_is_read(
        self, database, shop, server
    ):
        _, first = read(database, shop, server)
        server.log.clear()

        _, again = read(database, shop, server)

        assert (again, len(server.requests)) == (first, 0)

    def test_given_a_store_that_went_down_when_started_again_then_only_missing_pages_are_read(
        self, database, shop, server
    ):
        server.faults = [Fault("no_route", path="customers", nth=4)]
        with pytest.raises(PermanentError):
            read(database, shop, server, max_parallel_requests=1)
        server.faults = ()
        server.log.clear()

        _, found = read(database, shop, server, max_parallel_requests=1)

        assert found.is_complete is True
        assert [one.query.get("page") for one in pages_read(server, "/customers")] == ["3", "4"]

    def test_given_an_empty_store_then_nothing_is_missing(self, database, org_id):
        with DemoServer(store([])) as empty:
            shop = make_connection(database, org_id, base_url=empty.url)
            _, found = read(database, shop, empty)

        assert found == Coverage(scanned=0, total=0, is_complete=True)

    def test_given_a_paused_queue_when_a_page_lands_then_the_read_stops_and_resumes(
        self, database, shop, server
    ):
        server.faults = [
            Fault("change", path="customers", nth=2, times=1, change=lambda _: pause(database))
        ]
        with pytest.raises(QueueStoppedError):
            read(database, shop, server, max_parallel_requests=1)
        landed = len(pages_read(server, "/customers"))
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET is_paused = false")

        _, found = read(database, shop, server)

        assert landed < 4
        assert found.is_complete is True

    def test_given_progress_is_asked_for_then_each_range_is_told(self, database, shop, server):
        told = []
        queue = make_queue(database, shop)
        with open_store(server) as source:
            extract(
                database,
                queue,
                shop,
                CUSTOMERS,
                source,
                quick_source_settings(),
                lambda *what: told.append(what),
            )

        assert sum(n for name, n, _ in told if name == "customers") == 350
        assert {total for name, _, total in told if name == "customers"} == {350}

    def test_given_a_slow_host_when_read_then_the_page_size_that_works_is_remembered(
        self, database, shop, server
    ):
        server.faults = [Fault("server_error", path="customers", per_page_above=25)]

        _, found = read(database, shop, server)

        assert found.is_complete is True
        assert find_connection(database, "shop").page_records in (10, 25)


def pause(database):
    with database.owner() as conn:
        conn.execute("UPDATE sync_queue SET is_paused = true")


class TestDrift:
    @pytest.mark.parametrize("nth", [2, 3, 4, 5])
    def test_given_a_record_deleted_between_pages_then_the_skipped_one_is_fetched(
        self, database, shop, server, nth
    ):
        server.faults = [
            Fault("delete_customer", path="/customers$", nth=nth, times=1, record_id=10)
        ]

        sync = run_sync(database, shop, server, source_settings={"max_parallel_requests": 1})

        assert sync.coverage.is_complete is True
        assert sync.coverage.is_swept is True
        assert sync.coverage.scanned == 349
        assert applied_ids(database) == set(range(1, 351)) - {10}
        assert sync.verdict.agree is True

    @pytest.mark.parametrize(("gone", "nth"), [(10, 3), (10, 5), (101, 4), (340, 3)])
    def test_given_one_gone_and_one_new_between_two_pages_then_the_total_does_not_hide_it(
        self, database, shop, server, gone, nth
    ):
        def meddle(shop):
            shop.delete_customer(gone)
            shop.put_customer(customer(999) | {"_links": {}})

        server.faults = [Fault("change", path="/customers$", nth=nth, times=1, change=meddle)]

        sync = run_sync(database, shop, server, source_settings={"max_parallel_requests": 1})

        totals = {one["total"] for one in rows(database, "SELECT total FROM sync_page")}
        assert totals >= {350}
        assert applied_ids(database) >= {*range(1, 351), 999} - {gone}
        assert (sync.coverage.is_complete, sync.coverage.is_swept) == (True, True)
        assert (sync.coverage.scanned, sync.coverage.total) == (350, 350)

    def test_given_pages_that_landed_before_highest_ids_were_asked_for_then_ids_are_swept(
        self, database, shop, server
    ):
        server.faults = [Fault("no_route", path="/customers$", nth=4)]
        with pytest.raises(PermanentError):
            read(database, shop, server, max_parallel_requests=1)
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_page WHERE listing = 'customers:highest'")
        server.faults = ()

        _, found = read(database, shop, server)

        assert (found.is_complete, found.is_swept) == (True, True)

    def test_given_a_store_that_ignores_the_order_then_steady_totals_prove(
        self, database, shop, server, monkeypatch
    ):
        def lowest(source, listing):
            return source.read(listing, PageRequest(0, 1), ids_only=True)

        monkeypatch.setattr(WooCommerceSource, "highest", lowest)

        _, found = read(database, shop, server)

        assert (found.is_complete, found.is_swept) == (True, False)

    @pytest.mark.parametrize("nth", [2, 3, 5])
    def test_given_a_record_created_while_reading_then_it_is_read_too_without_a_sweep(
        self, database, shop, server, nth
    ):
        server.faults = [
            Fault(
                "change",
                path="/customers$",
                nth=nth,
                times=1,
                change=lambda shop: shop.put_customer(customer(999) | {"_links": {}}),
            )
        ]

        sync = run_sync(database, shop, server, source_settings={"max_parallel_requests": 1})

        assert (sync.coverage.is_complete, sync.coverage.is_swept) == (True, False)
        assert applied_ids(database) == {*range(1, 351), 999}

    def test_given_several_deletions_while_reading_and_sweeping_then_nothing_live_is_lost(
        self, database, shop, server
    ):
        server.faults = [
            Fault("delete_customer", path="/customers$", nth=nth, times=1, record_id=nth * 10)
            for nth in (3, 4, 5, 8, 10)
        ]

        sync = run_sync(database, shop, server, source_settings={"max_parallel_requests": 1})

        assert applied_ids(database) == set(range(1, 351)) - {30, 40, 50, 80, 100}
        assert sync.coverage.is_complete is True

    def test_given_totals_that_never_settle_then_partial_with_the_reason_and_no_watermark(
        self, database, shop, server
    ):
        going = iter(range(1, 351))
        server.faults = [
            Fault(
                "change",
                path="/customers$",
                change=lambda shop: shop.delete_customer(next(going)),
            )
        ]

        sync = run_sync(database, shop, server)

        found = row(
            database,
            "SELECT state, is_complete, is_action_required, action_required_reason"
            " FROM sync_queue_status",
        )
        assert sync.coverage.is_complete is False
        assert (found["state"], found["is_complete"]) == ("partial", False)
        assert found["is_action_required"] is True
        assert "customers were read" in found["action_required_reason"]
        assert rows(database, "SELECT * FROM sync_watermark") == []
        assert sync.verdict.agree is False

    def test_given_orders_deleted_between_pages_then_their_figures_are_those_of_the_store(
        self, database, shop, server
    ):
        server.faults = [Fault("delete_order", path="/orders$", nth=2, times=1, record_id=5)]

        sync = run_sync(database, shop, server, source_settings={"max_parallel_requests": 1})

        assert sync.coverage.is_complete is True
        known = {
            one["order_id"] for one in rows(database, "SELECT order_id FROM sync_order_figure")
        }
        assert known == set(range(1, 251)) - {5}

    def test_given_a_stop_while_all_orders_are_read_again_then_no_live_order_is_forgotten(
        self, database, shop, server
    ):
        one_by_one = {"max_parallel_requests": 1}
        run_sync(database, shop, server)
        # Three pages of changes, the total, the highest id, the first page of all; the second is
        # not answered.
        server.faults = [
            Fault("delete_order", path="/orders$", nth=4, times=1, record_id=5),
            Fault("no_route", path="/orders$", nth=7, times=1),
        ]
        with pytest.raises(PermanentError):
            run_sync(database, shop, server, source_settings=one_by_one)
        # As many orders again as are known here: the total alone shows no gap.
        server.faults = [
            Fault(
                "change",
                path="/customers$|/orders$",
                times=1,
                change=lambda shop: shop.put_order(order(999, 1) | {"_links": {}}),
            )
        ]

        run_sync(database, shop, server, source_settings=one_by_one)

        known = {
            one["order_id"] for one in rows(database, "SELECT order_id FROM sync_order_figure")
        }
        assert known == {*range(1, 251), 999} - {5}


class TestTurns:
    def test_given_two_processes_on_one_queue_then_each_page_is_read_by_one_of_them(
        self, database, shop, server
    ):
        server.faults = [Fault("slow", path="/customers$", seconds=0.2)]

        with ThreadPoolExecutor(2) as threads:
            reads = [threads.submit(read, database, shop, server) for _ in range(2)]
            found = [one.result(timeout=60)[1] for one in reads]

        assert found[0] == found[1] == Coverage(scanned=350, total=350, is_complete=True)
        assert len(pages_read(server, "/customers")) == 4
        assert len(pages_read(server, "/orders")) == 3

    def test_given_a_reader_that_shows_no_sign_of_life_then_it_is_not_waited_for(
        self, database, shop, server, monkeypatch
    ):
        monkeypatch.setattr(turns, "_PATIENCE_SECONDS", 0.1)
        queue = make_queue(database, shop)
        with turns.turn(database, queue):
            with database.owner() as conn:
                conn.execute("UPDATE sync_queue SET stage_lease_until = now() - interval '1 s'")

            _, found = read(database, shop, server)

        assert found.is_complete is True


def applied_ids(database):
    found = rows(database, "SELECT external_id FROM sync_record WHERE tombstoned_at IS NULL")
    return {int(one["external_id"]) for one in found}


class TestFilters:
    @pytest.mark.parametrize("limit", [1, 7, 100, 101, 150, 350, 9999])
    def test_given_a_limit_then_the_first_records_by_id_and_no_page_too_many(
        self, database, shop, server, limit
    ):
        _, found = read(database, shop, server, Filters(limit=limit))

        expected = min(limit, 350)
        assert landed_ids(database) == set(range(1, expected + 1))
        assert (found.scanned, found.is_complete) == (expected, None)
        assert len(pages_read(server, "/customers")) == -(-expected // 100)

    def test_given_an_email_then_that_one_account(self, database, shop, server):
        read(database, shop, server, Filters(email="C7@example.test"))

        assert landed_ids(database) == {7}

    def test_given_an_email_that_nobody_has_then_nothing(self, database, shop, server):
        _, found = read(database, shop, server, Filters(email="nobody@example.test"))

        assert (landed_ids(database), found.scanned) == (set(), 0)

    def test_given_an_external_id_then_that_one_record(self, database, shop, server):
        read(database, shop, server, Filters(external_id="33"))

        assert landed_ids(database) == {33}

    def test_given_a_filtered_sync_then_done_and_no_verdict_about_the_whole(
        self, database, shop, server
    ):
        sync = run_sync(database, shop, server, filters=Filters(limit=5))

        assert sync.verdict.agree is None
        assert sync.outcome.created == 5
        assert row(database, "SELECT state FROM sync_queue_status")["state"] == "done"

    def test_given_a_role_of_the_connection_then_the_listing_asks_for_it(self):
        listing = filtered(CUSTOMERS, Filters(email="a@b.de"), {"customer_role": "all"})

        assert listing.params == {"role": "all", "email": "a@b.de"}


class TestPoison:
    def test_given_a_record_the_store_cannot_serve_then_it_fails_alone_with_the_reason(
        self, database, shop, server
    ):
        server.faults = [Fault("poison", path="/customers$", record_id=120)]

        sync = run_sync(database, shop, server)

        assert (sync.outcome.created, sync.outcome.failed) == (349, 1)
        line = row(
            database,
            "SELECT woo_customer_id, error_message FROM woo_customer_sync_queue_line"
            " WHERE state = 'failed'",
        )
        assert line["woo_customer_id"] == 120
        assert line["error_message"]
        assert row(database, "SELECT state FROM sync_queue_status")["state"] == "partial"
        assert (sync.verdict.missing, sync.verdict.failed) == (1, 1)

    def test_given_a_poisoned_order_then_every_other_order_counts_and_it_is_said(
        self, database, shop, server
    ):
        server.faults = [Fault("poison", path="/orders$", record_id=7)]

        sync = run_sync(database, shop, server)

        assert sync.enqueued.unreadable_orders == 1
        assert row(database, "SELECT count(*) AS n FROM sync_order_figure")["n"] == 249
        said = row(
            database,
            "SELECT message FROM sync_activity WHERE activity_type = 'orders_unreadable'",
        )
        assert said["message"].endswith(": 7")

    def test_given_poison_and_drift_together_then_the_rest_is_applied_and_one_line_fails(
        self, database, shop, server
    ):
        server.faults = [
            Fault("poison", path="/customers$", record_id=120),
            Fault("delete_customer", path="/customers$", nth=3, times=1, record_id=10),
        ]

        sync = run_sync(database, shop, server, source_settings={"max_parallel_requests": 1})

        assert (sync.outcome.created, sync.outcome.failed) == (348, 1)
        assert applied_ids(database) == set(range(1, 351)) - {10, 120}

    def test_given_the_poisoned_record_slips_between_pages_then_it_alone_fails(
        self, database, shop, server
    ):
        server.faults = [
            Fault("delete_customer", path="/customers$", nth=3, times=1, record_id=10),
            Fault("poison", path="/customers$", record_id=101),
        ]

        sync = run_sync(database, shop, server, source_settings={"max_parallel_requests": 1})

        assert (sync.outcome.created, sync.outcome.failed) == (348, 1)
        line = row(database, "SELECT external_id FROM sync_line_status WHERE state = 'failed'")
        assert line["external_id"] == "101"
        assert sync.coverage.is_complete is True

    def test_given_the_store_goes_down_while_slipped_records_are_fetched_then_a_typed_error(
        self, database, shop, server
    ):
        server.faults = [
            Fault("delete_customer", path="/customers$", nth=3, times=1, record_id=10),
            # The highest id and four pages, twice; then what slipped.
            Fault("server_error", path="/customers$", nth=11),
        ]

        with pytest.raises(TransientError):
            read(database, shop, server, max_parallel_requests=1)

        assert landed_ids(database) == set(range(1, 351)) - {101}

    def test_given_a_store_that_names_no_record_even_alone_then_one_nameless_line_fails(
        self, database, shop, server
    ):
        server.faults = [
            Fault("server_error", path="/customers$", query={"offset": "119", "per_page": "1"}),
            Fault("server_error", path="/customers$", query={"page": "120", "per_page": "1"}),
            Fault("poison", path="/customers$", record_id=120),
        ]

        sync = run_sync(database, shop, server)

        assert (sync.outcome.created, sync.outcome.failed) == (349, 1)
        line = row(database, "SELECT external_id FROM sync_line_status WHERE state = 'failed'")
        assert line["external_id"] == "offset:119"

    def test_given_the_store_is_down_from_the_first_call_then_a_typed_error_and_nothing_landed(
        self, database, shop, server
    ):
        server.faults = [Fault("unavailable")]

        with pytest.raises(TransientError):
            read(database, shop, server)

        assert rows(database, "SELECT * FROM sync_page") == []


@pytest.mark.parametrize(
    ("coverage", "reason"),
    [
        (Coverage(5, 5, True), None),
        (Coverage(5, None, None), None),
        (Coverage(5, None, False), "names no total"),
        (Coverage(4, 5, False), "4 of 5 customers were read"),
    ],
)
def test_given_what_a_scan_saw_then_why_it_proves_nothing_in_words(coverage, reason):
    said = incomplete_reason("customers", coverage)

    assert said is None if reason is None else reason in said
