"""Applying again what was read before, with today's mapping and without a call."""

from dataclasses import replace

import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline.demo.records import Records
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.entities import CUSTOMERS, declaration, entity_of
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.entities.woocommerce_products import PRODUCTS
from sync_pipeline.errors import InputError
from sync_pipeline.queue.filters import Filters
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.replay import groups
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    customer,
    full_order,
    make_connection,
    make_queue,
    order,
    product,
    queue_settings,
    quick_source_settings,
    row,
    run_sync,
    store,
)

REPLAY = Filters(replay=True)


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
def shop(database, org_id, server):
    return replace(make_connection(database, org_id, base_url=server.url), page_records=10)


@pytest.fixture
def remap(monkeypatch):
    """Call it to go on with orders as another version maps them."""
    original = declaration.statement

    def another(name):
        mark = "\n-- another version\n" if name == ORDERS.projection else ""
        return original(name) + mark

    return lambda: monkeypatch.setattr(declaration, "statement", another)


def replayed(database, shop, entity, filters=REPLAY):
    """All stages of a replay; no source is at hand."""
    queue = make_queue(database, shop, filters, entity=entity)
    found = extract(database, queue, shop, entity, None, quick_source_settings())
    made = enqueue(database, queue, entity)
    outcome = upsert(database, queue, entity, queue_settings())
    verdict = reconcile(database, queue, entity)
    return queue, found, made, outcome, verdict


def watermark(database):
    return row(
        database,
        "SELECT watermark_utc, total, salt, rescan_offset FROM sync_watermark"
        " WHERE listing = 'entity:orders'",
    )


class TestReplay:
    def test_given_the_same_mapping_when_replayed_then_no_call_no_line_and_no_other_watermark(
        self, database, shop, server
    ):
        run_sync(database, shop, server, entity=ORDERS)
        before = watermark(database)
        server.log.clear()

        _, found, made, _, verdict = replayed(database, shop, ORDERS)

        assert len(server.requests) == 0
        assert (found.scanned, found.total, made.lines) == (25, 25, 0)
        assert (verdict.agree, watermark(database)) == (None, before)

    def test_given_another_mapping_when_replayed_then_all_is_applied_and_the_next_delta_is_small(
        self, database, shop, server, remap
    ):
        run_sync(database, shop, server, entity=ORDERS)
        before = watermark(database)
        server.log.clear()

        remap()
        _, _, made, outcome, _ = replayed(database, shop, ORDERS)

        assert (made.lines, outcome.done, len(server.requests)) == (25, 25, 0)
        after = watermark(database)
        assert after["salt"] != before["salt"]
        assert run_sync(database, shop, server, entity=ORDERS).coverage.is_delta
        assert len(server.requests) == 2
        assert after | {"salt": None} == before | {"salt": None}

    def test_given_a_record_that_changed_since_then_its_newest_answer_counts(
        self, database, shop, server, remap
    ):
        run_sync(database, shop, server, entity=ORDERS)
        server.store.edit_order(7, total="99.00")
        run_sync(database, shop, server, entity=ORDERS)

        remap()
        replayed(database, shop, ORDERS)

        found = row(database, "SELECT total FROM sales_order WHERE external_id = '7'")
        assert str(found["total"]) == "99.00"

    def test_given_pages_that_are_dropped_then_the_lines_are_taken(
        self, database, shop, server, remap
    ):
        run_sync(database, shop, server, entity=ORDERS)
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_page")

        remap()
        _, found, made, _, _ = replayed(database, shop, ORDERS)

        assert (found.scanned, made.lines) == (25, 25)

    def test_given_records_of_which_nothing_is_kept_then_they_are_counted_and_the_next_sync_reads(
        self, database, shop, server, remap
    ):
        run_sync(database, shop, server, entity=ORDERS)
        before = watermark(database)
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_page WHERE first_offset >= 20")
            conn.execute("DELETE FROM sync_line WHERE line_no > 20")

        remap()
        queue, found, made, _, _ = replayed(database, shop, ORDERS)

        assert (found.scanned, found.total, made.lines) == (20, 25, 20)
        assert watermark(database) == before
        said = row(
            database,
            "SELECT message FROM sync_activity WHERE queue_no = %s"
            " AND activity_type = 'replay_incomplete'",
            queue.queue_no,
        )
        assert said["message"] == (
            "5 of 25 orders are kept no more, or lack fields that are asked for now:"
            " sync-pipeline sync shop --entity orders --full reads them"
        )

    def test_given_fields_that_are_asked_for_since_then_what_lacks_them_is_not_applied(
        self, database, shop, server
    ):
        run_sync(database, shop, server, entity=ORDERS)
        wider = replace(
            ORDERS, listing=replace(ORDERS.listing, fields=(*ORDERS.listing.fields, "version"))
        )

        _, found, made, _, _ = replayed(database, shop, wider)

        assert (found.scanned, found.total, made.lines) == (0, 25, 0)

    def test_given_a_sync_then_only_the_records_that_it_had_read(
        self, database, shop, server, remap
    ):
        run_sync(database, shop, server, entity=ORDERS)
        before = watermark(database)
        chosen = run_sync(database, shop, server, entity=ORDERS, filters=Filters(limit=10))

        remap()
        _, found, made, _, _ = replayed(
            database, shop, ORDERS, Filters(replay=True, replay_of=str(chosen.queue.id))
        )

        assert (found.scanned, found.total, made.lines) == (10, 10, 10)
        assert watermark(database)["salt"] == before["salt"]

    def test_given_a_sync_of_another_entity_then_it_is_refused(self, database, shop, server):
        other = run_sync(database, shop, server)

        with pytest.raises(InputError, match="not of shop orders"):
            replayed(database, shop, ORDERS, Filters(replay=True, replay_of=str(other.queue.id)))

    def test_given_an_order_that_failed_then_a_mapping_that_takes_it_applies_it(
        self, database, shop, server
    ):
        server.store.put_order(full_order(300, total="a lot") | {"_links": {}})
        run_sync(database, shop, server, entity=ORDERS)

        _, found, made, outcome, _ = replayed(database, shop, ORDERS)

        assert (found.total, made.lines, outcome.failed) == (26, 1, 1)

    def test_given_an_order_that_failed_and_is_gone_then_it_is_not_made_of_what_is_kept(
        self, database, shop, server
    ):
        server.store.put_order(full_order(300, total="a lot") | {"_links": {}})
        run_sync(database, shop, server, entity=ORDERS)
        server.store.delete_order(300)
        run_sync(database, shop, server, entity=ORDERS)

        _, found, _, _, _ = replayed(database, shop, ORDERS)

        assert (found.scanned, found.total) == (25, 25)
        said = row(database, "SELECT state, resolution FROM sync_conflict")
        assert tuple(said.values()) == ("resolved", "the store does not have the record any more")

    def test_given_nothing_was_ever_read_then_nothing_is_there_to_replay(self, database, shop):
        _, found, made, _, _ = replayed(database, shop, ORDERS)

        assert (found.scanned, found.total, made.lines) == (0, 0, 0)

    def test_given_a_row_that_was_deleted_here_then_it_is_made_again(self, database, shop, server):
        run_sync(database, shop, server, entity=ORDERS)
        with database.owner() as conn:
            conn.execute("DELETE FROM sales_order WHERE external_id = '9'")
        run_sync(database, shop, server, entity=ORDERS)

        _, _, _, outcome, _ = replayed(database, shop, ORDERS)

        assert outcome.created == 1


class TestOtherEntities:
    def test_given_customers_with_figures_then_unchanged_ones_make_no_line(self, database, org_id):
        people = [customer(n) for n in range(1, 11)]
        with DemoServer(store(people, [order(1, 3), order(2, 3)])) as server:
            shop = make_connection(database, org_id, base_url=server.url)
            run_sync(database, shop, server)
            server.log.clear()

            from_pages = replayed(database, shop, CUSTOMERS)
            with database.owner() as conn:
                conn.execute("DELETE FROM sync_page")
            from_lines = replayed(database, shop, CUSTOMERS)

            assert len(server.requests) == 0
        for _, found, made, _, _ in (from_pages, from_lines):
            assert (found.scanned, made.lines) == (10, 0)

    def test_given_products_with_variations_then_both_come_again(self, database, org_id):
        parent = product(5, type="variable", variations=[6, 7]) | {"_links": {}}
        children = [product(n, parent_id=5, type="variation") | {"_links": {}} for n in (6, 7)]
        shop_store = DemoStore(
            customers=Records(()),
            orders=Records(()),
            products=Records([parent]),
            variations={5: Records(children)},
            newest_change_gmt="2026-02-03T04:05:06",
        )
        with DemoServer(shop_store) as server:
            shop = make_connection(database, org_id, base_url=server.url)
            first = run_sync(database, shop, server, entity=PRODUCTS)
            server.log.clear()

            _, found, made, _, _ = replayed(database, shop, PRODUCTS)

            assert len(server.requests) == 0
        assert first.outcome.created == 3
        assert (found.scanned, found.total, made.lines) == (3, 3, 0)

    def test_given_derived_records_then_they_are_derived_anew_all_of_them(
        self, database, shop, server
    ):
        payments = entity_of("woocommerce", "payments")
        server.store.edit_order(5, date_paid_gmt="2026-02-03T04:05:06")
        run_sync(database, shop, server, entity=ORDERS)
        run_sync(database, shop, server, entity=payments)

        _, found, made, _, _ = replayed(database, shop, payments)

        assert (found.is_delta, found.scanned, made.lines) == (False, 1, 0)
        with pytest.raises(InputError, match="derived"):
            Filters(replay=True, replay_of="0").require_fit(payments)


@pytest.mark.parametrize(
    ("many", "sizes"), [(0, []), (1, [1]), (4, [1, 2, 1]), (200, [1, 2, 4, 8, 16, 32, 64, 64, 9])]
)
def test_given_queues_then_groups_grow_and_hold_each_once(many, sizes):
    made = list(groups(range(many)))

    assert [len(one) for one in made] == sizes
    assert [one for group in made for one in group] == list(range(many))
