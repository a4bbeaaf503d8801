"""Enqueue: from landed pages to lines, figures and watermarks."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.stages.enqueue import enqueue, page_shares
from sync_pipeline.stages.enqueued import Enqueued
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    end_extract,
    fill_queue,
    land_records,
    make_connection,
    make_queue,
    order,
    row,
    rows,
    run_sync,
    store,
    wait_until_somebody_waits,
)

T0 = datetime(2026, 2, 3, tzinfo=UTC)
ONE_BY_ONE = {"max_parallel_requests": 1}


@pytest.fixture
def server():
    """250 customers on 3 pages, 250 orders on 3: order n belongs to customer n."""
    customers = [customer(n) for n in range(1, 251)]
    orders = [order(n, n) | modified_at(T0 + timedelta(minutes=n)) for n in range(1, 251)]
    with DemoServer(store(customers, orders)) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url)


def lifetime_value(database, external_id):
    return row(
        database,
        "SELECT c.lifetime_value FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id"
        " WHERE r.external_id = %s",
        str(external_id),
    )["lifetime_value"]


def changed_ids(database, sync):
    found = rows(
        database,
        "SELECT external_id FROM sync_line WHERE queue_no = %s ORDER BY line_no",
        sync.queue.queue_no,
    )
    return [int(one["external_id"]) for one in found]


class TestLines:
    def test_given_nothing_changed_when_synced_again_then_no_line_and_all_unchanged(
        self, database, shop, server
    ):
        run_sync(database, shop, server)

        again = run_sync(database, shop, server)

        assert (again.enqueued.scanned, again.enqueued.lines, again.enqueued.unchanged) == (
            250,
            0,
            250,
        )

    def test_given_one_edit_that_bumps_no_date_then_exactly_that_record(
        self, database, shop, server
    ):
        run_sync(database, shop, server)
        server.store.edit_customer(7, bump=False, first_name="Eve")

        assert changed_ids(database, run_sync(database, shop, server)) == [7]

    def test_given_a_field_that_is_not_mapped_then_no_line(self, database, shop, server):
        run_sync(database, shop, server)
        server.store.edit_customer(7, avatar_url="https://elsewhere.test")

        assert run_sync(database, shop, server).enqueued.lines == 0

    def test_given_another_rule_then_every_record_comes_back(self, database, shop, server):
        run_sync(database, shop, server)

        again = run_sync(database, shop, server, lifetime_value_rule="paid_net")

        assert again.enqueued.lines == 250

    def test_given_another_mapping_then_every_record_comes_back(
        self, database, shop, server, monkeypatch
    ):
        run_sync(database, shop, server)

        monkeypatch.setattr(type(CUSTOMERS), "hash_salt", lambda _, rule: f"new mapping {rule}")
        again = run_sync(database, shop, server)

        assert again.enqueued.lines == 250
        assert again.outcome.unchanged == 250

    def test_given_a_failed_line_then_it_comes_back_until_it_is_mended(
        self, database, shop, server
    ):
        server.store.edit_customer(7, email="bad")
        states = [run_sync(database, shop, server).outcome.failed for _ in range(2)]
        server.store.edit_customer(7, email="good@x.test")

        mended = run_sync(database, shop, server)

        assert states == [1, 1]
        assert (mended.enqueued.lines, mended.outcome.done) == (1, 1)

    def test_given_a_record_on_two_overlapping_pages_then_one_line(self, database, shop):
        queue = fill_queue(database, shop, [customer(1), customer(2), customer(1)])

        assert row(database, "SELECT count(*) AS n FROM sync_line")["n"] == 2
        totals = row(database, "SELECT sum(n_total) AS n FROM sync_batch")
        assert totals["n"] == 2
        assert queue.stage == "extract"

    @pytest.mark.parametrize("batch_size", [1, 3, 10, 11])
    def test_given_a_batch_size_then_batches_cut_the_lines_without_gap_or_overlap(
        self, database, shop, batch_size
    ):
        fill_queue(database, shop, [customer(n + 1) for n in range(10)], batch_size=batch_size)

        cut = rows(database, "SELECT first_line, last_line, n_total FROM sync_batch ORDER BY 1")
        covered = [n for one in cut for n in range(one["first_line"], one["last_line"] + 1)]
        assert covered == list(range(1, 11))
        assert all(one["n_total"] <= batch_size for one in cut)

    def test_given_an_enqueue_that_is_done_when_called_again_then_the_same_answer(
        self, database, shop
    ):
        queue = fill_queue(database, shop, [customer(1)], [order(1, 1, "3.10")])

        again = enqueue(database, queue, CUSTOMERS)

        assert again == Enqueued(1, 1, 0, 0, Decimal("3.10"), Decimal("3.10"))
        assert row(database, "SELECT count(*) AS n FROM sync_line")["n"] == 1


class TestTwoProcesses:
    def test_given_a_queue_that_moves_on_meanwhile_when_enqueued_then_nothing_old_is_written(
        self, database, shop
    ):
        queue = make_queue(database, shop)
        land_records(database, queue, "customers", [customer(1)])
        land_records(database, queue, "orders", [order(1)])
        end_extract(database, queue, scanned=1)
        with ThreadPoolExecutor(1) as pool:
            with database.organization("acme") as conn:
                conn.execute(statement("enqueue/hold_alone"), {"queue_no": queue.queue_no})
                conn.execute("UPDATE sync_queue SET stage = 'apply'")
                late = pool.submit(enqueue, database, queue, CUSTOMERS)
                wait_until_somebody_waits(database)
            late.result()

        assert rows(database, "SELECT * FROM sync_line") == []
        assert rows(database, "SELECT * FROM sync_order_figure") == []

    def test_given_several_at_once_when_enqueued_then_every_line_once_and_one_answer(
        self, database, shop
    ):
        queue = make_queue(database, shop, batch_size=7)
        for offset in range(0, 300, 100):
            page = [customer(n) for n in range(offset + 1, offset + 101)]
            land_records(database, queue, "customers", page, offset)
        end_extract(database, queue, scanned=300)

        with ThreadPoolExecutor(3) as pool:
            answers = set(pool.map(lambda _: enqueue(database, queue, CUSTOMERS), range(3)))

        assert len(answers) == 1
        counted = row(
            database,
            "SELECT (SELECT count(*) FROM sync_line) AS lines,"
            " (SELECT sum(n_total) FROM sync_batch) AS batched",
        )
        assert set(counted.values()) == {300}


class TestFigures:
    def test_given_an_edited_order_then_exactly_its_customer_changes(self, database, shop, server):
        run_sync(database, shop, server)
        server.log.clear()
        server.store.edit_order(9, total="99.99")

        sync = run_sync(database, shop, server)

        assert changed_ids(database, sync) == [9]
        assert lifetime_value(database, 9) == Decimal("99.99")
        assert len([one for one in server.requests if one.path.endswith("/orders")]) == 2

    def test_given_a_new_order_then_exactly_its_customer_changes(self, database, shop, server):
        run_sync(database, shop, server)
        server.store.put_order(
            order(900, 9, "5.00") | modified_at(datetime.now(UTC)) | {"_links": {}}
        )

        assert changed_ids(database, run_sync(database, shop, server)) == [9]
        assert lifetime_value(database, 9) == Decimal("15.00")

    @pytest.mark.parametrize("what", ["trash_order", "delete_order"])
    def test_given_an_order_that_is_gone_then_the_total_gives_it_away(
        self, database, shop, server, what
    ):
        run_sync(database, shop, server)
        getattr(server.store, what)(9)

        sync = run_sync(database, shop, server)

        assert changed_ids(database, sync) == [9]
        assert lifetime_value(database, 9) == 0

    def test_given_an_order_gone_and_another_new_then_both_are_noticed(
        self, database, shop, server
    ):
        run_sync(database, shop, server)
        server.store.delete_order(9)
        server.store.put_order(
            order(900, 10, "5.00") | modified_at(datetime.now(UTC)) | {"_links": {}}
        )

        assert changed_ids(database, run_sync(database, shop, server)) == [9, 10]

    def test_given_a_refund_when_net_is_the_rule_then_it_is_taken_off(self, database, shop, server):
        server.store.edit_order(9, refunds=[{"total": "-4.00"}, {"total": "-0.50"}])

        run_sync(database, shop, server, lifetime_value_rule="paid_net")

        assert lifetime_value(database, 9) == Decimal("5.50")

    def test_given_a_filtered_sync_before_then_a_whole_one_still_brings_every_figure(
        self, database, shop, server
    ):
        run_sync(database, shop, server)
        server.store.edit_order(200, total="77.00")
        run_sync(database, shop, server, filters=Filters(limit=3))

        assert changed_ids(database, run_sync(database, shop, server)) == [200]
        assert lifetime_value(database, 200) == Decimal("77.00")

    def test_given_an_order_edited_behind_the_reader_then_the_next_sync_has_it(
        self, database, shop, server
    ):
        # Order 5 is on a page that was read; order 240, edited two seconds later, is on a page
        # that was not, and bears the newest date: a watermark at that date would hide order 5.
        settings = ONE_BY_ONE | {"watermark_overlap_seconds": 0.1}
        server.faults = [
            Fault("change", path="/orders$", nth=2, times=1, change=edit_behind_the_reader),
            Fault("slow", path="/orders$", nth=2, times=1, seconds=2.2),
        ]
        run_sync(database, shop, server, source_settings=settings)

        run_sync(database, shop, server, source_settings=settings)

        assert lifetime_value(database, 5) == Decimal("55.00")


def edit_behind_the_reader(shop):
    shop.edit_order(5, total="55.00")
    edited = datetime.fromisoformat(shop.order(5)["date_modified_gmt"])
    shop.put_order(shop.order(240) | modified_at(edited + timedelta(seconds=2)))


def modified_at(moment):
    text = f"{moment:%Y-%m-%dT%H:%M:%S}"
    return {"date_modified": text, "date_modified_gmt": text}


class TestBadOrders:
    @pytest.mark.parametrize(
        "bad",
        [
            {"total": "12,50"},
            {"total": None},
            {"total": "NaN"},
            {"total": "1e5"},
            {"customer_id": "x"},
            {"customer_id": None},
            {"status": None},
            {"date_created_gmt": "2026-02-30T00:00:00"},
            {"date_created_gmt": "2026-04-31T00:00:00"},
            {"date_created_gmt": "2025-02-29T00:00:00"},
            {"date_created_gmt": "0000-01-01T00:00:00"},
            {"date_modified_gmt": "soon"},
            {"refunds": ["x"]},
            {"refunds": [{"total": "x"}]},
            {"refunds": [{}]},
            {"refunds": "x"},
        ],
    )
    def test_given_an_order_that_cannot_be_read_then_it_alone_counts_in_no_figure(
        self, database, shop, bad
    ):
        _, outcome = apply_records(
            database, shop, [customer(1)], [order(1, 1, "1.00"), order(2, 1, "2.00") | bad]
        )

        assert outcome.created == 1
        assert lifetime_value(database, 1) == Decimal("1.00")
        said = row(
            database,
            "SELECT status, message FROM sync_activity WHERE activity_type = 'orders_unreadable'",
        )
        assert (said["status"], said["message"][-3:]) == ("warning", ": 2")

    @pytest.mark.parametrize(
        "fine",
        [
            {"date_created_gmt": "2024-02-29T23:59:59"},
            {"date_created_gmt": "2000-02-29T00:00:00"},
            {"date_created_gmt": "2026-12-31T00:00:00"},
            {"date_created_gmt": "2026-11-30T00:00:00"},
            {"date_created_gmt": None},
            {"refunds": []},
            {"refunds": None},
            {"refunds": {}},
            {"total": "-2.00"},
            {"total": "2.0000000001"},
        ],
    )
    def test_given_an_order_that_only_looks_odd_then_it_counts(self, database, shop, fine):
        one = order(2, 1, "2.00") | fine

        apply_records(database, shop, [customer(1)], [one])

        assert lifetime_value(database, 1) == Decimal(one["total"])

    def test_given_guests_then_their_orders_belong_to_nobody(self, database, shop):
        apply_records(database, shop, [customer(1)], [order(1, 0), order(2, 1, "2.00")])

        assert lifetime_value(database, 1) == Decimal("2.00")

    def test_given_two_currencies_then_the_activity_warns(self, database, shop):
        apply_records(database, shop, [customer(1)], [order(1), order(2, currency="USD")])

        said = row(
            database,
            "SELECT status, message FROM sync_activity WHERE activity_type = 'currencies_mixed'",
        )
        assert said["status"] == "warning"
        assert "EUR" in said["message"]
        assert "USD" in said["message"]


@given(reach=st.integers(1, 100_000), workers=st.integers(1, 8))
def test_any_shares_of_the_pages_cover_every_place_once(reach, workers):
    shares = page_shares(reach, workers)

    assert 1 <= len(shares) <= workers
    assert shares[0][0] < -1000
    assert shares[-1][1] == reach
    assert all(start < end for start, end in shares)
    assert [end for _, end in shares[:-1]] == [start for start, _ in shares[1:]]


def test_given_an_entity_without_figures_then_its_lines_need_no_order(database, shop):
    plain = replace(CUSTOMERS, figures_listing=None, enrichment=None)
    queue = make_queue(database, shop)
    land_records(database, queue, "customers", [customer(1), customer(2)])
    end_extract(database, queue, scanned=2)

    assert enqueue(database, queue, plain).lines == 2
