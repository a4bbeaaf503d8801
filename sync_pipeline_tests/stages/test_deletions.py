"""Deletions of products with variations, of orders and of what is derived from both; and stops."""

import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline.demo.records import Records
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.entities import entity_of
from sync_pipeline.queue.filters import Filters
from sync_pipeline.stages import confirming
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline_tests.factories import (
    customer,
    full_order,
    make_connection,
    make_queue,
    open_store,
    product,
    quick_source_settings,
    row,
    rows,
    run_sync,
    status,
)

NAMES = ("products", "orders", "inventory", "payments")


def variation(variation_id, parent_id):
    made = product(variation_id, type="variation", parent_id=parent_id) | {"_links": {}}
    return {key: value for key, value in made.items() if key not in ("categories", "variations")}


@pytest.fixture
def server():
    """30 customers; products 1 to 9, and 10 and 11 with two variations; 20 paid orders."""
    links = {"_links": {}}
    simple = [product(n) | links for n in range(1, 10)]
    variable = [
        product(n, type="variable", variations=[10 * n, 10 * n + 1]) | links for n in (10, 11)
    ]
    shop = DemoStore(
        customers=Records(customer(n) | links for n in range(1, 31)),
        orders=Records(
            full_order(n, date_paid_gmt="2026-02-03T04:05:07") | links for n in range(1, 21)
        ),
        products=Records([*simple, *variable]),
        variations={n: Records(variation(10 * n + k, n) for k in (0, 1)) for n in (10, 11)},
        newest_change_gmt="2026-02-03T04:06:00",
    )
    with DemoServer(shop) as running:
        yield running


@pytest.fixture
def synced(database, org_id, server):
    """How to sync an entity of the store, after a first sync of it; options go to `connect`."""

    def sync(name, **options):
        shop = make_connection(database, org_id, base_url=server.url, options=options)
        return run_sync(database, shop, server, entity=entity_of("woocommerce", name))

    return sync


def retired(database, entity):
    found = rows(
        database,
        "SELECT external_id, tombstone_reason FROM sync_record"
        " WHERE entity = %s AND tombstoned_at IS NOT NULL",
        entity,
    )
    return {one["external_id"]: one["tombstone_reason"] for one in found}


def statuses(database, table):
    found = rows(database, f"SELECT external_id, status FROM {table}")
    return {one["external_id"]: one["status"] for one in found}


class TestProducts:
    def test_given_one_trashed_one_deleted_and_a_variation_then_each_is_marked_as_what_it_is(
        self, database, server, synced
    ):
        synced("products")
        server.store.catalog.trash_product(10)
        server.store.catalog.delete_product(3)
        server.store.catalog.delete_variation(11, 110)

        looked, confirmed, later = synced("products"), synced("products"), synced("products")

        assert (looked.verdict.waiting, confirmed.verdict.tombstoned) == (5, 5)
        assert retired(database, "products") == {
            "3": "deleted", "10": "trashed", "100": "trashed", "101": "trashed", "110": "deleted"
        }  # fmt: skip
        marked = statuses(database, "product")
        assert (marked["3"], marked["10"], marked["101"]) == ("deleted", "trash", "trash")
        assert (later.coverage.is_delta, later.verdict.agree) == (True, True)

    def test_given_a_product_out_of_the_trash_then_it_is_as_it_was(self, database, server, synced):
        synced("products")
        server.store.catalog.trash_product(3)
        synced("products"), synced("products")
        server.store.catalog.edit_product(3, status="publish")

        back = synced("products")

        assert (statuses(database, "product")["3"], back.verdict.agree) == ("publish", True)
        assert retired(database, "products") == {}


class TestOrders:
    def test_given_an_order_deleted_for_good_then_its_row_and_its_payment_go(
        self, database, server, synced
    ):
        options = {"deletion_policy": {"orders": "delete"}}
        synced("orders", **options)
        synced("payments", **options)
        server.store.delete_order(7)

        synced("orders", **options), synced("orders", **options)
        looked, gone = synced("payments"), synced("payments")

        assert "7" not in statuses(database, "sales_order")
        assert rows(database, "SELECT FROM sales_order_line AS l WHERE NOT EXISTS ("
                    "SELECT FROM sales_order AS o WHERE o.id = l.order_id)") == []  # fmt: skip
        assert (looked.verdict.waiting, gone.verdict.tombstoned) == (1, 1)
        kept = row(database, "SELECT entity, external_id FROM sync_archive")
        assert (kept["entity"], kept["external_id"]) == ("payments", "order:7")
        assert row(database, "SELECT count(*) AS n FROM payment")["n"] == 19
        assert gone.verdict.in_words == "both sides agree: 19 records; 1 were taken for deleted"

    def test_given_late_references_then_they_are_nobodys_edit(self, database, server, synced):
        for order_id in (7, 8):
            server.store.edit_order(order_id, customer_id=3)
        synced("orders", deletion_policy={"orders": "archive"})
        synced("customers")
        assert row(database, "SELECT count(customer_id) AS n FROM sales_order")["n"] == 2
        server.store.delete_order(7)

        for _ in range(2):
            last = synced("orders", deletion_policy={"orders": "archive"})

        assert (status(database, last.queue)["deleted_count"], last.verdict.agree) == (1, True)


class TestGuests:
    def test_given_a_guest_without_an_order_left_then_it_is_gone_after_the_second_time(
        self, database, server, synced
    ):
        synced("customers", include_guests=True)
        server.store.delete_order(7)

        looked = synced("customers", include_guests=True)
        gone = synced("customers", include_guests=True)

        assert (looked.verdict.waiting, gone.verdict.tombstoned) == (1, 1)
        assert retired(database, "customers") == {"guest:guest7@example.test": "deleted"}
        left = row(database, "SELECT tags FROM customer WHERE email = 'guest7@example.test'")
        assert {"guest", "deleted-in-woocommerce"} <= set(left["tags"])
        assert gone.verdict.in_words == "both sides agree: 49 records; 1 were taken for deleted"

    def test_given_guests_switched_off_then_none_is_gone(self, database, server, synced):
        synced("customers", include_guests=True)

        synced("customers"), synced("customers")

        assert retired(database, "customers") == {}


class TestStops:
    def test_given_a_stop_between_two_questions_then_the_rest_is_asked_and_nothing_twice(
        self, database, org_id, server, synced, monkeypatch
    ):
        monkeypatch.setattr(confirming, "_CHUNK_RECORDS", 2)
        synced("customers")
        for customer_id in (4, 5, 6, 7, 8):
            server.store.delete_customer(customer_id)
        synced("customers")
        shop = make_connection(database, org_id, base_url=server.url)
        queue = make_queue(database, shop)
        answered = []

        def stop_after_two(*args):
            if len(answered) == 2:
                raise KeyboardInterrupt
            answered.append(args)
            return ask(*args)

        ask = confirming._ask
        with open_store(server) as source, monkeypatch.context() as patched:
            patched.setattr(confirming, "_ask", stop_after_two)
            with pytest.raises(KeyboardInterrupt):
                extract(
                    database,
                    queue,
                    shop,
                    entity_of("woocommerce", "customers"),
                    source,
                    quick_source_settings(),
                )
        server.log.clear()

        resumed = synced("customers")

        alone = [one.path for one in server.requests if one.path[-1].isdigit()]
        assert (resumed.queue.id, len(alone)) == (queue.id, 1)
        assert set(retired(database, "customers")) == {"4", "5", "6", "7", "8"}
        assert status(database, queue)["deleted_count"] == 5

    def test_given_enqueue_done_twice_then_each_deletion_has_one_line(
        self, database, server, synced
    ):
        synced("customers")
        server.store.delete_customer(5)
        synced("customers")
        last = synced("customers")

        again = enqueue(database, last.queue, entity_of("woocommerce", "customers"))

        assert again.deletions == 1
        lines = rows(
            database,
            "SELECT l.external_id, b.operation FROM sync_line AS l JOIN sync_batch AS b"
            " ON b.queue_no = l.queue_no AND l.line_no BETWEEN b.first_line AND b.last_line"
            " WHERE l.queue_no = %s",
            last.queue.queue_no,
        )
        assert lines == [{"external_id": "5", "operation": "change"}]


def test_given_a_preview_then_it_asks_and_counts_nothing(database, org_id, server, synced):
    synced("customers")
    server.store.delete_customer(5)
    synced("customers")
    shop = make_connection(database, org_id, base_url=server.url)

    shown = run_sync(database, shop, server, filters=Filters(preview=True))

    assert status(database, shown.queue)["deleted_count"] == 1
    assert retired(database, "customers") == {}
    counted = row(database, "SELECT absence_count FROM sync_record WHERE external_id = '5'")
    assert counted["absence_count"] == 1
