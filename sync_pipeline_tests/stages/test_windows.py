"""Orders of a span of time, read beside the sync of what changed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.entities import entity_of
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.errors import InputError, PermanentError
from sync_pipeline.queue import actions
from sync_pipeline.queue.due import connections_at
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import QueueOpenError
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.queue.reverting import revert
from sync_pipeline.queue.situations import situations
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract, filtered
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    end_extract,
    fill_queue,
    full_order,
    land_records,
    make_connection,
    make_queue,
    open_store,
    queue_settings,
    quick_source_settings,
    row,
    rows,
    run_sync,
    status,
    store,
)

JANUARY = Filters.from_dict({"created_after": "2024-01-01", "created_before": "2024-02-01"})
EDGES = ("2023-12-31T23:59:59", "2024-01-01T00:00:00", "2024-01-31T23:59:59", "2024-02-01T00:00:00")


def created(order_id, moment, **changes):
    return full_order(order_id, date_created_gmt=moment, date_modified_gmt=moment, **changes) | {
        "date_created": moment,
        "date_modified": moment,
    }


def in_january(order_id, minute=None):
    moment = datetime(2024, 1, 2, tzinfo=UTC) + timedelta(minutes=minute or order_id)
    return created(order_id, f"{moment:%Y-%m-%dT%H:%M:%S}")


@pytest.fixture
def server():
    """25 orders of January 2024 on 3 pages, four at its edges, 20 of later."""
    orders = [in_january(n) for n in range(1, 26)]
    edges = [created(300 + n, moment) for n, moment in enumerate(EDGES)]
    later = [created(n, "2024-05-01T00:00:00") for n in range(400, 420)]
    with DemoServer(store([], [*orders, *edges, *later])) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return replace(make_connection(database, org_id, base_url=server.url), page_records=10)


def order_ids(database):
    return {
        int(one["external_id"]) for one in rows(database, "SELECT external_id FROM sales_order")
    }


def orders_now(database):
    with database.control() as conn:
        (found,) = situations(conn)
    return found


def read(database, queue, shop, server, **settings):
    with open_store(server, **settings) as source:
        return extract(database, queue, shop, ORDERS, source, quick_source_settings(**settings))


class TestWhatIsRead:
    @pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "UTC"])
    def test_given_a_month_then_its_first_second_is_read_and_the_first_after_it_is_not(
        self, database, org_id, zone
    ):
        edges = [created(n, moment) for n, moment in enumerate(EDGES, start=1)]
        with DemoServer(store([], edges), timezone=zone) as server:
            shop = make_connection(database, org_id, base_url=server.url)
            sync = run_sync(database, shop, server, entity=ORDERS, filters=JANUARY)

        assert order_ids(database) == {2, 3}
        assert (sync.coverage.total, sync.coverage.is_complete) == (2, True)

    def test_given_one_bound_then_the_other_side_is_open(self, database, shop, server):
        later = Filters.from_dict({"created_after": "2024-02-01"})

        run_sync(database, shop, server, entity=ORDERS, filters=later)

        assert order_ids(database) == {303, *range(400, 420)}

    def test_given_a_window_when_read_then_proven_by_its_own_total_and_compared(
        self, database, shop, server
    ):
        sync = run_sync(database, shop, server, entity=ORDERS, filters=JANUARY)

        assert (sync.coverage.scanned, sync.coverage.total) == (27, 27)
        assert (sync.coverage.is_complete, sync.verdict.agree) == (True, True)
        assert sync.verdict.in_words == "all 27 records of the window are here"
        assert status(database, sync.queue)["state"] == "done"
        # The highest id, and three pages.
        assert len(server.requests) == 4

    def test_given_orders_that_go_and_come_between_its_pages_then_none_slips(
        self, database, shop, server
    ):
        def meddle(shop):
            shop.delete_order(10)
            shop.put_order(in_january(900, minute=9))

        server.faults = [Fault("change", path="/orders$", nth=3, times=1, change=meddle)]

        sync = run_sync(
            database,
            shop,
            server,
            entity=ORDERS,
            filters=JANUARY,
            source_settings={"max_parallel_requests": 1},
        )

        assert sync.coverage.is_complete is True
        assert order_ids(database) >= {*range(1, 26), 900, 301, 302} - {10}

    def test_given_a_window_that_was_stopped_when_started_again_then_it_goes_on(
        self, database, shop, server
    ):
        queue = make_queue(database, shop, JANUARY, entity=ORDERS)
        server.faults = [Fault("no_route", path="/orders$", nth=4)]
        with pytest.raises(PermanentError):
            read(database, queue, shop, server, max_parallel_requests=1)
        server.faults = ()
        server.log.clear()

        found = read(database, make_queue(database, shop, JANUARY, entity=ORDERS), shop, server)

        assert (found.scanned, found.is_complete) == (27, True)
        assert len(server.requests) == 1


class TestBesideTheRunningSync:
    def test_given_a_window_then_the_watermark_stays_and_nothing_else_is_taken_for_gone(
        self, database, shop, server
    ):
        run_sync(database, shop, server, entity=ORDERS)
        before = rows(database, "SELECT * FROM sync_watermark ORDER BY listing")

        window = run_sync(database, shop, server, entity=ORDERS, filters=JANUARY)
        after = rows(database, "SELECT * FROM sync_watermark ORDER BY listing")
        delta = run_sync(database, shop, server, entity=ORDERS)

        assert after == before
        assert (window.enqueued.lines, window.verdict.extra) == (0, 0)
        assert len(order_ids(database)) == 49
        assert (
            row(database, "SELECT count(*) AS n FROM sync_record WHERE tombstoned_at IS NULL")["n"]
            == 49
        )
        assert (delta.coverage.is_delta, delta.verdict.agree) == (True, True)

    @pytest.mark.parametrize(
        "filters",
        [Filters.from_dict({"created_after": "2026-02-01"}), Filters(external_id="500")],
        ids=["window", "one"],
    )
    def test_given_a_new_order_that_a_window_brought_then_the_next_sync_still_reads_changes(
        self, database, shop, server, filters
    ):
        run_sync(database, shop, server, entity=ORDERS)
        server.store.put_order(full_order(500, date_modified_gmt="2026-03-01T00:00:00"))

        brought = run_sync(database, shop, server, entity=ORDERS, filters=filters)
        delta = run_sync(database, shop, server, entity=ORDERS)

        assert brought.outcome.created == 1
        assert (delta.coverage.is_delta, delta.coverage.store_total) == (True, 50)
        assert (delta.verdict.agree, delta.verdict.ours) == (True, 50)

    @pytest.mark.parametrize("is_first", [True, False])
    def test_given_a_window_that_brings_what_came_since_a_sync_read_then_that_is_not_gone(
        self, database, shop, server, is_first
    ):
        if not is_first:
            run_sync(database, shop, server, entity=ORDERS)
        queue = make_queue(database, shop, entity=ORDERS)
        found = read(database, queue, shop, server)
        server.store.put_order(full_order(500, date_modified_gmt="2026-03-01T00:00:00"))
        later = Filters.from_dict({"created_after": "2026-02-01"})
        run_sync(database, shop, server, entity=ORDERS, filters=later)

        enqueue(database, queue, ORDERS)
        upsert(database, queue, ORDERS, queue_settings())
        verdict = reconcile(database, queue, ORDERS)

        assert found.is_delta is not is_first
        assert (verdict.agree, verdict.extra, verdict.missing) == (True, 0, 0)

    def test_given_an_open_sync_when_a_window_is_opened_then_both_stand_and_each_is_joined(
        self, database, shop
    ):
        delta = make_queue(database, shop, entity=ORDERS)
        window = make_queue(database, shop, JANUARY, entity=ORDERS)

        assert window.queue_no != delta.queue_no
        assert make_queue(database, shop, entity=ORDERS).id == delta.id
        assert make_queue(database, shop, JANUARY, entity=ORDERS).id == window.id

    def test_given_an_open_window_when_another_is_opened_then_it_is_refused_and_named(
        self, database, shop
    ):
        make_queue(database, shop, JANUARY, entity=ORDERS)
        march = Filters.from_dict({"created_after": "2024-03-01"})

        with pytest.raises(QueueOpenError) as refused:
            make_queue(database, shop, march, entity=ORDERS)

        assert refused.value.remedy == (
            "Finish it first: sync-pipeline sync shop --entity orders"
            " --created-after 2024-01-01T00:00:00Z --created-before 2024-02-01T00:00:00Z."
        )

    def test_given_an_open_window_then_the_schedule_starts_what_is_due_all_the_same(
        self, database, shop
    ):
        window = make_queue(database, shop, JANUARY, entity=ORDERS)

        (due,) = connections_at(database, system="woocommerce", entity="orders")

        assert (due.is_open, due.last_started_at) == (False, None)
        assert due.window_id == str(window.id)

    def test_given_a_window_beside_a_sync_then_health_has_one_row_with_the_lines_of_both(
        self, database, shop
    ):
        fill_queue(database, shop, [full_order(1)], entity=ORDERS)
        window = make_queue(database, shop, JANUARY, entity=ORDERS)
        land_records(database, window, ORDERS.listing.name, [full_order(2), full_order(3)])
        end_extract(database, window, scanned=2)
        enqueue(database, window, ORDERS)

        found = orders_now(database)

        assert (found.draft_lines, found.failed_lines) == (3, 0)
        upsert(database, window, ORDERS, queue_settings())
        found = orders_now(database)
        assert (found.draft_lines, found.counters.get("complete_at")) == (1, None)
        assert found.total("lines_created") == 2

    def test_given_an_undo_beside_both_then_health_still_has_one_row_with_the_lines_of_all(
        self, database, shop
    ):
        done, _ = apply_records(database, shop, [full_order(9)], entity=ORDERS)
        fill_queue(database, shop, [full_order(1)], entity=ORDERS)
        make_queue(database, shop, JANUARY, entity=ORDERS)
        done = find_queue(database, str(done.id))
        undo = revert(database, done, by="ann", settings=queue_settings()).queue

        found = orders_now(database)

        assert (found.draft_lines, found.open_queue_id == str(undo.id)) == (2, False)
        (due,) = connections_at(database, system="woocommerce", entity="orders")
        assert due.is_open
        upsert(database, undo, ORDERS, queue_settings())
        found = orders_now(database)
        assert (found.draft_lines, found.total("lines_created")) == (1, 1)

    def test_given_a_finished_sync_with_failures_when_retried_beside_a_window_then_it_opens(
        self, database, shop
    ):
        bad = full_order(1, total="a lot")
        queue, outcome = apply_records(database, shop, [bad], entity=ORDERS)
        make_queue(database, shop, JANUARY, entity=ORDERS)

        retried = actions.retry(database, str(queue.id), by="ann")

        assert (outcome.failed, retried.retried_lines) == (1, 1)


class TestWhoReadLater:
    """A window and a sync that have read the same order, at different moments."""

    def lined(self, database, shop, record, filters=None):
        queue = make_queue(database, shop, filters, entity=ORDERS)
        land_records(database, queue, ORDERS.listing.name, [record])
        end_extract(database, queue, scanned=1)
        enqueue(database, queue, ORDERS)
        return queue

    def applied(self, database, queue):
        return upsert(database, queue, ORDERS, queue_settings())

    def total(self, database):
        return str(row(database, "SELECT total FROM sales_order")["total"])

    def test_given_a_window_that_read_before_an_edit_when_applied_last_then_the_edit_stays(
        self, database, shop
    ):
        old = full_order(1, total="1.00", date_modified_gmt="2026-03-01T00:00:00")
        new = full_order(1, total="2.00", date_modified_gmt="2026-03-01T00:00:01")
        apply_records(database, shop, [old | {"total": "0.50"}], entity=ORDERS)
        window = self.lined(database, shop, old, JANUARY)
        delta = self.lined(database, shop, new)

        self.applied(database, delta)
        outcome = self.applied(database, window)

        assert self.total(database) == "2.00"
        assert (outcome.unchanged, outcome.updated) == (1, 0)
        said = row(
            database,
            "SELECT activity_type, status, message FROM sync_activity"
            " WHERE queue_no = %s AND line_no IS NOT NULL",
            window.queue_no,
        )
        assert tuple(said.values()) == (
            "record_superseded",
            "info",
            "a later sync applied the record",
        )
        record = row(database, "SELECT applied_queue_no FROM sync_record")
        assert record["applied_queue_no"] == delta.queue_no

    def test_given_a_window_that_read_after_an_edit_when_applied_first_then_the_edit_stays(
        self, database, shop
    ):
        old = full_order(1, total="1.00", date_modified_gmt="2026-03-01T00:00:00")
        new = full_order(1, total="2.00", date_modified_gmt="2026-03-01T00:00:01")
        apply_records(database, shop, [old | {"total": "0.50"}], entity=ORDERS)
        delta = self.lined(database, shop, old)
        window = self.lined(database, shop, new, JANUARY)

        self.applied(database, window)
        self.applied(database, delta)

        assert self.total(database) == "2.00"

    def test_given_a_new_order_in_both_then_it_is_there_once_and_as_it_was_last(
        self, database, shop
    ):
        old = full_order(1, total="1.00", date_modified_gmt="2026-03-01T00:00:00")
        new = full_order(1, total="2.00", date_modified_gmt="2026-03-01T00:00:01")
        window = self.lined(database, shop, old, JANUARY)
        delta = self.lined(database, shop, new)

        self.applied(database, delta)
        self.applied(database, window)

        assert self.total(database) == "2.00"

    def test_given_a_store_that_was_restored_from_a_backup_then_its_older_content_is_applied(
        self, database, shop
    ):
        new = full_order(1, total="2.00", date_modified_gmt="2026-03-01T00:00:01")
        old = full_order(1, total="1.00", date_modified_gmt="2026-02-01T00:00:00")
        apply_records(database, shop, [new], entity=ORDERS)

        _, outcome = apply_records(database, shop, [old], entity=ORDERS)

        assert (outcome.updated, self.total(database)) == (1, "1.00")


class TestFilters:
    @pytest.mark.parametrize(
        ("given", "asked"),
        [
            (
                {"created_after": "2024-01-01"},
                {"after": "2023-12-31T23:59:59", "dates_are_gmt": "true"},
            ),
            (
                {"created_before": "2024-01-01T12:00:00+01:00"},
                {"before": "2024-01-01T11:00:00", "dates_are_gmt": "true"},
            ),
            (
                {"created_after": "2024-01-01T00:00:00.5Z"},
                {"after": "2024-01-01T00:00:00", "dates_are_gmt": "true"},
            ),
        ],
    )
    def test_given_bounds_then_the_store_is_asked_in_naive_gmt_one_second_earlier(
        self, given, asked
    ):
        assert filtered(ORDERS, Filters.from_dict(given), {}).params == asked

    @pytest.mark.parametrize(
        "bad",
        [
            {"created_after": "yesterday"},
            {"created_after": "0024-01-31"},
            {"created_after": "0001-01-01T00:00:00+05:00"},
            {"created_before": "9999-12-31T23:59:59.5Z"},
            {"created_after": "2024-02-01", "created_before": "2024-02-01"},
            {"created_after": "2024-02-01", "limit": 5},
            {"replay": True, "created_before": "2024-02-01"},
            {"replay_of": "0e34"},
        ],
    )
    def test_given_a_window_that_can_hold_nothing_then_an_input_error(self, bad):
        with pytest.raises(InputError):
            Filters.from_dict(bad)

    @pytest.mark.parametrize("name", ["customers", "products", "inventory", "payments"])
    def test_given_an_entity_without_windows_then_they_are_refused(self, name):
        with pytest.raises(InputError) as refused:
            JANUARY.require_fit(entity_of("woocommerce", name))

        assert refused.value.message == (
            f"{name} cannot be chosen by created_after, created_before."
        )
