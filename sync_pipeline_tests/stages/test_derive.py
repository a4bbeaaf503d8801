"""Records made of our own tables: landed in pages, changes only, and never half."""

import pytest

from sync_pipeline.entities.woocommerce_inventory import INVENTORY
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.entities.woocommerce_payments import PAYMENTS
from sync_pipeline.entities.woocommerce_products import PRODUCTS
from sync_pipeline.queue.filters import Filters
from sync_pipeline.stages import derive
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    full_order,
    make_connection,
    make_queue,
    product,
    queue_settings,
    quick_source_settings,
    row,
    rows,
)

PRODUCTS_MADE = 25


@pytest.fixture
def shop(database, org_id):
    made = make_connection(database, org_id)
    apply_records(
        database, made, [product(n) for n in range(1, PRODUCTS_MADE + 1)], entity=PRODUCTS
    )
    return made


def sync(database, shop, entity=INVENTORY, filters=None, **settings):
    """The coverage, the number of lines and the verdict of one sync without a store."""
    queue = make_queue(database, shop, filters, entity=entity)
    found = extract(database, queue, shop, entity, None, quick_source_settings(**settings))
    lines = enqueue(database, queue, entity).lines
    upsert(database, queue, entity, queue_settings())
    return found, lines, reconcile(database, queue, entity)


def test_given_more_than_a_page_then_each_record_once_in_pages(database, shop, monkeypatch):
    monkeypatch.setattr(derive, "_PAGE_RECORDS", 10)

    found, lines, verdict = sync(database, shop)

    pages = rows(
        database,
        "SELECT first_offset, n_records FROM sync_page WHERE listing = 'inventory'"
        " ORDER BY first_offset",
    )
    landed = [one for one in pages if one["n_records"] <= 10]
    assert [one["n_records"] for one in landed] == [10, 10, 5]
    assert (found.scanned, lines, verdict.in_words) == (25, 25, "both sides agree: 25 records")


def test_given_one_product_sold_then_its_level_alone_and_its_history(database, shop):
    sync(database, shop)
    with database.owner() as conn:
        conn.execute("UPDATE product SET updated_at = updated_at - interval '1 hour'")
        conn.execute(
            "UPDATE sync_watermark SET watermark_utc = watermark_utc - interval '30 minutes'"
            " WHERE listing = 'entity:inventory'"
        )
    apply_records(database, shop, [product(5, stock_quantity=-2)], entity=PRODUCTS)

    found, lines, verdict = sync(database, shop, watermark_overlap_seconds=0.001)

    assert (found.scanned, found.store_total, lines) == (1, 25, 1)
    assert verdict.in_words == "both sides agree: 25 records by count, 1 had changed"
    history = rows(
        database,
        "SELECT quantity_before, quantity_after FROM inventory_history"
        " WHERE quantity_before IS NOT NULL",
    )
    assert history == [{"quantity_before": 7, "quantity_after": -2}]


def test_given_a_product_that_is_gone_then_everything_is_derived_and_its_level_is_named(
    database, shop
):
    sync(database, shop)
    with database.owner() as conn:
        conn.execute("DELETE FROM product WHERE external_id = '5'")

    found, lines, verdict = sync(database, shop)

    assert (found.is_delta, lines, verdict.extra_ids) == (False, 0, ("5",))


def test_given_a_stop_after_landing_then_the_next_start_leaves_nothing_twice(
    database, shop, monkeypatch
):
    queue = make_queue(database, shop, entity=INVENTORY)
    derive.derive(database, queue, INVENTORY, overlap_seconds=5)

    found, lines, verdict = sync(database, shop)

    assert (found.scanned, lines, verdict.agree) == (25, 25, True)


@pytest.mark.parametrize(
    ("filters", "lines"),
    [
        (Filters(limit=3), 3),
        (Filters(external_id="order:2"), 1),
        (Filters(external_id="order:9"), 0),
    ],
)
def test_given_a_filter_then_only_what_it_chooses(database, shop, filters, lines):
    paid = {"date_paid_gmt": "2026-02-03T05:00:00"}
    apply_records(database, shop, [full_order(n, **paid) for n in range(1, 6)], entity=ORDERS)

    _, made, verdict = sync(database, shop, PAYMENTS, filters)

    assert (made, verdict.agree) == (lines, None)
    assert row(database, "SELECT count(*) AS n FROM payment")["n"] == lines


def test_given_nothing_to_derive_from_then_nothing_is_missing(database, org_id):
    shop = make_connection(database, org_id, name="empty")

    found, lines, verdict = sync(database, shop)

    assert (found.scanned, lines, verdict.agree) == (0, 0, True)
