"""What the database groups: of one connection, per currency, and why there is nothing."""

from decimal import Decimal

import pytest

from sync_pipeline.entities import entity_of
from sync_pipeline.postgres.statements import statement
from sync_pipeline.reports import gathering
from sync_pipeline_tests.entities.projecting import derived
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    full_order,
    make_connection,
    make_queue,
    order,
    product,
)

ORDERS, PRODUCTS, INVENTORY = (
    entity_of("woocommerce", name) for name in ("orders", "products", "inventory")
)
REFUND = {"id": 9, "reason": "", "total": "-2.50"}


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


def rows(database, shop, name):
    return gathering.gather(database, shop).section(name).rows()


class TestNeverSynced:
    def test_given_a_new_connection_then_every_section_is_empty_and_says_how_to_sync(
        self, database, shop
    ):
        report = gathering.gather(database, shop)

        assert [(one.frame.empty, one.is_synced, one.synced_at) for one in report.sections] == [
            (True, False, None)
        ] * 6
        assert report.section("revenue").note == (
            "Never synced: sync-pipeline sync shop --entity orders"
        )

    def test_given_a_sync_without_trouble_then_the_empty_sections_say_none(self, database, shop):
        apply_records(database, shop, [customer(1)])

        report = gathering.gather(database, shop)

        assert (report.section("failures").note, report.section("failures").is_synced) == (
            "None.",
            True,
        )
        assert not report.section("revenue").is_synced

    def test_given_purged_queues_then_the_records_tell_that_it_was_synced(self, database, shop):
        apply_records(database, shop, [customer(1)])
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_queue")

        section = gathering.gather(database, shop).section("customers")

        assert (section.is_synced, section.synced_at) == (True, None)


class TestMoney:
    def test_given_orders_in_two_currencies_then_a_lifetime_value_stands_in_each(
        self, database, shop
    ):
        orders = [order(1, total="10.00"), order(2, total="7.00", currency="USD")]
        apply_records(database, shop, [customer(1), customer(2)], orders)

        assert [
            (one["currency"], one["customers"], one["lifetime_value"])
            for one in rows(database, shop, "lifetime_values")
        ] == [("EUR", 1, Decimal("10.00")), ("USD", 1, Decimal("7.00"))]
        assert sum(one["customers"] for one in rows(database, shop, "customers")) == 2

    def test_given_the_rule_of_paid_orders_then_the_lifetime_value_follows_it(self, database, shop):
        orders = [order(1, refunds=[REFUND]), order(2, status="failed")]
        apply_records(database, shop, [customer(1)], orders, lifetime_value_rule="paid_net")
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET stage = 'finished', finished_at = now()")

        (one,) = rows(database, shop, "lifetime_values")

        assert one["lifetime_value"] == Decimal("7.50")

    def test_given_orders_around_midnight_utc_then_each_is_in_its_month(self, database, shop):
        moments = ("2026-01-31T23:59:59", "2026-02-01T00:00:00")
        orders = [full_order(n, date_created_gmt=one) for n, one in enumerate(moments, start=1)]
        apply_records(database, shop, orders, entity=ORDERS)

        assert [one["month"] for one in rows(database, shop, "revenue")] == ["2026-01", "2026-02"]

    def test_given_refunds_then_those_of_money_count_as_often_as_they_are(self, database, shop):
        nothing = REFUND | {"id": 11, "total": "0.00"}
        refunds = [REFUND, REFUND | {"id": 10}, nothing]
        orders = [full_order(1, refunds=refunds), full_order(2), full_order(3, refunds=[nothing])]
        apply_records(database, shop, orders, entity=ORDERS)

        (one,) = rows(database, shop, "refunds")

        assert (one["refunds"], one["orders"], one["amount"]) == (2, 1, Decimal("5.00"))
        assert one["share_percent"] == Decimal("13.33")

    def test_given_another_shop_of_the_organization_then_its_orders_are_not_told(
        self, database, shop
    ):
        other = make_connection(database, name="other")
        apply_records(database, other, [full_order(1)], entity=ORDERS)
        apply_records(database, other, [customer(1)], [order(1)])

        report = gathering.gather(database, shop)

        assert [one.frame.empty for one in report.sections] == [True] * 6


class TestStock:
    @pytest.fixture
    def levels(self, database, shop):
        products = [product(n, stock_quantity=level) for n, level in ((5, 7), (6, -2), (7, -4))]
        apply_records(database, shop, products, entity=PRODUCTS)
        records = [one["record"] for one in derived(database, shop, INVENTORY)]
        apply_records(database, shop, records, entity=INVENTORY)

    @pytest.mark.usefixtures("levels")
    def test_given_levels_then_those_below_zero_are_told_lowest_first(self, database, shop):
        found = rows(database, shop, "stock_below_zero")

        assert [(one["id"], one["name"], one["level"]) for one in found] == [
            ("7", "Product 7", -4),
            ("6", "Product 6", -2),
        ]

    @pytest.mark.usefixtures("levels")
    def test_given_a_variation_then_its_product_is_named_before_it(self, database, shop):
        with database.owner() as conn:
            conn.execute(
                "UPDATE product SET parent_id = (SELECT id FROM product WHERE external_id = '5'),"
                " name = 'XL' WHERE external_id = '7'"
            )

        assert rows(database, shop, "stock_below_zero")[0]["name"] == "Product 5, XL"

    @pytest.mark.usefixtures("levels")
    def test_given_more_than_are_shown_then_the_note_says_how_many(
        self, database, shop, monkeypatch
    ):
        monkeypatch.setattr(gathering, "MOST_LEVELS", 1)

        section = gathering.gather(database, shop).section("stock_below_zero")

        assert (len(section.frame), section.note) == (1, "The lowest 1 of 2.")


class TestFailures:
    def test_given_failed_records_then_they_are_counted_by_entity_and_code(self, database, shop):
        apply_records(
            database, shop, [customer(1, email="bad"), customer(2), customer(3, email="")]
        )
        apply_records(database, shop, [full_order(1, total="much")], entity=ORDERS)

        assert [tuple(one.values()) for one in rows(database, shop, "failures")] == [
            ("customers", "validation.email_invalid", 1, 1),
            ("customers", "validation.email_missing", 1, 1),
            ("orders", "validation.money_invalid", 1, 1),
        ]

    def test_given_a_later_sync_without_lines_then_the_conflict_is_still_open(self, database, shop):
        apply_records(database, shop, [customer(1, email="bad")])
        make_queue(database, shop)

        assert [tuple(one.values()) for one in rows(database, shop, "failures")] == [
            ("customers", "validation.email_invalid", 0, 1)
        ]


def test_given_a_long_history_when_failures_are_counted_then_only_written_lines_are_read(
    database, shop
):
    apply_records(
        database, shop, [customer(n) for n in range(1, 2000)] + [customer(1, id=0, email="")]
    )
    with database.owner() as conn:
        conn.execute("ANALYZE sync_line, sync_queue, sync_conflict")

    values = {"connection_id": shop.connection_id}
    with database.organization("acme") as conn:
        plan = conn.execute("EXPLAIN " + statement("report/failures"), values).fetchall()

    (line,) = (line for one in plan for line in one.values() if "on sync_line_r0" in line)
    assert "Index Scan using sync_line_r0_written_idx" in line
