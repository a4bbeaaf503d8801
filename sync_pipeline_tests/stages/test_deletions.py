"""Deletions of products with variations, of orders and of what is derived from both; and stops."""

import pytest
from psycopg import sql

from sync_pipeline.demo import DemoServer
from sync_pipeline.demo.records import Records
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.entities import entity_of
from sync_pipeline.postgres.statements import statement
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
    def test_given_some_trashed_and_a_variation_deleted_then_each_is_marked_until_it_is_back(
        self, database, server, synced
    ):
        synced("products")
        server.store.catalog.trash_product(10)
        server.store.catalog.trash_product(3)
        server.store.catalog.delete_variation(11, 110)

        looked, confirmed, later = synced("products"), synced("products"), synced("products")

        assert (looked.verdict.waiting, confirmed.verdict.tombstoned) == (5, 5)
        assert retired(database, "products") == {
            "3": "trashed", "10": "trashed", "100": "trashed", "101": "trashed", "110": "deleted"
        }  # fmt: skip
        marked = statuses(database, "product")
        assert (marked["3"], marked["101"], marked["110"]) == ("trash", "trash", "deleted")
        assert (later.coverage.is_delta, later.verdict.agree) == (True, True)

        server.store.catalog.edit_product(3, status="publish")
        back = synced("products")
        assert (statuses(database, "product")["3"], back.verdict.agree) == ("publish", True)
        assert "3" not in retired(database, "products")

    def test_given_only_a_variation_deleted_then_its_product_tells(self, database, server, synced):
        synced("products")
        server.store.catalog.delete_variation(11, 110)

        noticed, confirmed = synced("products"), synced("products")

        assert (noticed.coverage.is_delta, confirmed.verdict.tombstoned) == (True, 1)
        assert retired(database, "products") == {"110": "deleted"}


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

        synced("customers"), synced("customers")
        assert retired(database, "customers") == {}  # switched off: nobody looks for them
        looked = synced("customers", include_guests=True)
        gone = synced("customers", include_guests=True)

        assert (looked.verdict.waiting, gone.verdict.tombstoned) == (1, 1)
        assert retired(database, "customers") == {"guest:guest7@example.test": "deleted"}
        left = row(database, "SELECT tags FROM customer WHERE email = 'guest7@example.test'")
        assert {"guest", "deleted-in-woocommerce"} <= set(left["tags"])
        assert gone.verdict.in_words == "both sides agree: 49 records; 1 were taken for deleted"


class TestStops:
    def test_given_a_stop_between_two_questions_then_the_rest_is_asked_and_each_gone_has_one_line(
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
        # As a window does that applies it meanwhile.
        with database.owner() as conn:
            conn.execute("UPDATE sync_record SET absence_count = 0 WHERE external_id = '4'")

        resumed = synced("customers")

        alone = [one.path for one in server.requests if one.path[-1].isdigit()]
        assert (resumed.queue.id, len(alone)) == (queue.id, 1)
        assert set(retired(database, "customers")) == {"5", "6", "7", "8"}
        assert status(database, queue)["deleted_count"] == 4

        again = enqueue(database, queue, entity_of("woocommerce", "customers"))
        assert again.deletions == 5
        lines = rows(
            database,
            "SELECT l.external_id, b.operation FROM sync_line AS l JOIN sync_batch AS b"
            " ON b.queue_no = l.queue_no AND l.line_no BETWEEN b.first_line AND b.last_line"
            " WHERE l.queue_no = %s ORDER BY 1",
            queue.queue_no,
        )
        assert lines == [{"external_id": str(n), "operation": "change"} for n in range(4, 9)]


def test_given_a_preview_then_it_counts_nothing_and_deletes_nobody_who_is_listed_since(
    database, org_id, server, synced
):
    options = {"deletion_policy": {"customers": "delete"}}
    synced("customers", **options)
    back = server.store.customer(5)
    server.store.delete_customer(5)
    synced("customers", **options)
    shop = make_connection(database, org_id, base_url=server.url, options=options)

    shown = run_sync(database, shop, server, filters=Filters(preview=True))

    assert status(database, shown.queue)["deleted_count"] == 1
    assert retired(database, "customers") == {}
    counted = row(database, "SELECT absence_count FROM sync_record WHERE external_id = '5'")
    assert counted["absence_count"] == 1

    server.store.put_customer(back)
    synced("customers", **options)
    applied = run_sync(database, shop, server, filters=Filters(applies=str(shown.queue.id)))

    assert status(database, applied.queue)["deleted_count"] == 0
    assert retired(database, "customers") == {}
    assert row(database, "SELECT count(*) AS n FROM customer")["n"] == 30


def test_given_two_shops_with_one_customer_then_the_row_stays_for_the_other(
    database, org_id, server, synced
):
    options = {"deletion_policy": {"customers": "delete"}}
    synced("customers", **options)
    lone = DemoStore(customers=Records([customer(5) | {"_links": {}}]), orders=Records([]))
    with DemoServer(lone) as other:
        run_sync(database, make_connection(database, org_id, base_url=other.url, name="b"), other)
    for customer_id in (5, 6):
        server.store.delete_customer(customer_id)

    synced("customers", **options)
    gone = synced("customers", **options)

    assert retired(database, "customers") == {"5": "deleted", "6": "deleted"}
    assert gone.verdict.agree
    assert row(database, "SELECT count(*) AS n FROM customer")["n"] == 29


def test_given_a_million_records_then_absences_are_found_by_keys_and_sets(database, org_id):
    shop = make_connection(database, org_id)
    values = {
        "queue_no": 1,
        "org_id": org_id,
        "connection_id": shop.connection_id,
        "entity": "products",
        "listing": "products",
        "prefix": "products/",
        "guest_prefix": None,
        "of_guests": False,
        "absent_listing": "products:absent",
        "answers_listing": "products:answers",
        "page_records": 1000,
        "is_preview": False,
        "source": "shop",
        "ids_field": "variations",
        "listings": ["products:delta"],
    }

    def plan_of(conn, name):
        query = sql.SQL(statement(name)).format(
            target=sql.Identifier("product"), parent_column=sql.Identifier("parent_external_id")
        )
        found = conn.execute(sql.SQL("EXPLAIN ") + query, values).fetchall()
        return "\n".join(one["QUERY PLAN"] for one in found)

    with database.organization(org_id) as conn:
        conn.execute("SET LOCAL enable_seqscan = off")
        assert "sync_record_absent_idx" in plan_of(conn, "absence/told")
        children = plan_of(conn, "absence/children")
        assert "product_parent_idx" in children
        assert "sync_record_local_idx" in children
        conn.execute(statement("enqueue/as_sets"))
        land = plan_of(conn, "absence/land")
        assert "Nested Loop Anti" not in land
        assert "SubPlan" not in land, land
