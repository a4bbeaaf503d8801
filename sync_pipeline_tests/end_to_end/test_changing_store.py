"""A store that sells, edits and deletes while it is read: after one more sync all of it is here.

What was read and then deleted is named by that sync, and retired by the one after it.
"""

from decimal import Decimal

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.demo.records import Records
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.entities import entity_of
from sync_pipeline_tests.factories import (
    customer,
    full_order,
    make_connection,
    product,
    rows,
    run_sync,
)


@pytest.fixture
def server():
    """250 orders on 3 pages, 150 products and as many customers on 2."""
    links = {"_links": {}, "total_sales": 0}
    shop = DemoStore(
        customers=Records(customer(n) | links for n in range(1, 151)),
        orders=Records(full_order(n) | links for n in range(1, 251)),
        products=Records(product(n) | links for n in range(1, 151)),
        newest_change_gmt="2026-02-03T04:06:00",
    )
    with DemoServer(shop) as running:
        yield running


def meddle_with_orders(shop):
    """Once some pages are read: new, edited before and behind the reader, refunded, gone."""
    shop.put_order(full_order(900, date_modified_gmt="2026-02-03T04:06:01") | {"_links": {}})
    for order_id in (3, 240):
        shop.edit_order(order_id, status="completed", total="99.00")
    shop.refund_order(4, 700, "2.50")
    shop.delete_order(10)
    shop.trash_order(245)


def meddle_with_products(shop):
    """Sold before and behind the reader, and one gone."""
    for product_id in (5, 140):
        shop.catalog.sell(product_id, 9)
    shop.catalog.delete_product(20)


def meddle_with_customers(shop):
    """New, edited before and behind the reader, gone."""
    shop.put_customer(customer(900) | {"_links": {}})
    for customer_id in (5, 140):
        shop.edit_customer(customer_id, first_name="Edited")
    shop.delete_customer(20)


def names_of(shop):
    listed = (shop.customer(one) for one in shop.customers.matching([]))
    return {str(one["id"]): (f"{one['first_name']} {one['last_name']}",) for one in listed}


def orders_of(shop):
    listed = (shop.order(one) for one in shop.orders.matching([]))
    return {
        str(one["id"]): (
            one["status"],
            Decimal(one["total"]),
            -sum((Decimal(each["total"]) for each in one["refunds"]), Decimal(0)),
        )
        for one in listed
        if one["status"] != "trash"
    }


def stock_of(shop):
    listed = (shop.catalog.product(one) for one in shop.products.matching([]))
    return {str(one["id"]): (one["stock_status"], one["stock_quantity"]) for one in listed}


def ours(database, query):
    """What we hold by id, less what a sync found to be gone."""
    found = [tuple(one.values()) for one in rows(database, query)]
    return {key: tuple(values) for key, *values in found}


def test_given_changes_at_every_moment_then_after_one_more_sync_all_is_as_in_the_store(
    database, org_id, server
):
    shop = make_connection(database, org_id, base_url=server.url)
    server.faults = [
        Fault("change", path="/orders$", nth=2, times=1, change=meddle_with_orders),
        Fault("change", path="/products$", nth=2, times=1, change=meddle_with_products),
        Fault("change", path="/customers$", nth=2, times=1, change=meddle_with_customers),
    ]
    names = ("customers", "products", "orders", "inventory", "payments")
    one_at_a_time = {"max_parallel_requests": 1}
    for name in names:
        run_sync(
            database,
            shop,
            server,
            entity=entity_of("woocommerce", name),
            source_settings=one_at_a_time,
        )

    last = {
        name: run_sync(database, shop, server, entity=entity_of("woocommerce", name))
        for name in names
    }

    # Who was read and then deleted is named, and kept: nothing is deleted here yet.
    gone = {name: one.verdict.extra for name, one in last.items()}
    assert all(not one.verdict.missing and one.verdict.is_complete for one in last.values())
    their_orders, their_stock = orders_of(server.store), stock_of(server.store)
    our_orders = ours(database, "SELECT external_id, status, total, refunded FROM sales_order")
    our_stock = ours(
        database, "SELECT external_id, stock_status, quantity::integer FROM inventory_level"
    )
    assert {one: our_orders.get(one) for one in their_orders} == their_orders
    assert {one: our_stock.get(one) for one in their_stock} == their_stock
    assert len(our_orders) == len(their_orders) + gone["orders"]
    assert gone["orders"] <= 2
    assert gone["products"] <= 1
    assert gone["customers"] <= 1
    their_names = names_of(server.store)
    our_names = ours(
        database,
        "SELECT r.external_id, c.name FROM customer AS c JOIN sync_record AS r"
        " ON r.local_id = c.id AND r.entity = 'customers'",
    )
    assert {one: our_names.get(one) for one in their_names} == their_names

    # By the second whole reading without them, and the store's own word.
    for name in names:
        entity = entity_of("woocommerce", name)
        verdict = run_sync(database, shop, server, entity=entity).verdict
        assert (name, verdict.agree, verdict.extra) == (name, True, 0)
