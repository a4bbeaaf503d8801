"""What a WooCommerce order becomes: the projection alone, and bad orders among good ones."""

import datetime
from decimal import Decimal

import pytest
from hypothesis import given

from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline_tests.entities.any_json import (
    assert_bad_ones_fail_alone,
    damaged,
    few_examples,
)
from sync_pipeline_tests.entities.projecting import projected
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    full_order,
    line_item,
    make_connection,
    row,
    rows,
)


@pytest.fixture
def connection(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def project(database, connection):
    def run(*records):
        return projected(database, connection, ORDERS, *records)

    return run


def utc(*parts):
    return datetime.datetime(*parts, tzinfo=datetime.UTC)


class TestHeader:
    def test_given_an_order_then_its_texts_money_and_moments(self, project):
        (one,) = project(full_order(318, date_paid_gmt="2026-02-03T04:05:59", transaction_id="t1"))

        assert one["error_code"] is None
        assert (one["match_key"], one["source"], one["number"]) == ("shop:318", "shop", "318")
        assert (one["status"], one["currency"]) == ("processing", "EUR")
        assert (one["total"], one["shipping_total"]) == (Decimal("12.50"), Decimal("2.50"))
        assert (one["payment_method"], one["transaction_id"]) == ("bacs", "t1")
        assert one["ordered_at"] == utc(2026, 2, 3, 4, 5, 6)
        assert (one["paid_at"], one["completed_at"]) == (utc(2026, 2, 3, 4, 5, 59), None)

    def test_given_a_number_of_a_plugin_then_it_is_kept_beside_the_id(self, project):
        (one,) = project(full_order(7, number="INV-2026-7"))

        assert (one["external_id"], one["number"]) == ("7", "INV-2026-7")

    @pytest.mark.parametrize("total", ["0.10", "12345678901234.5678901234", "-3.5", 7, 7.25])
    def test_given_money_as_text_or_number_then_exactly_that(self, project, total):
        (one,) = project(full_order(total=total))

        assert (one["error_code"], one["total"]) == (None, Decimal(str(total)))

    @pytest.mark.parametrize("empty", [[], {}, None])
    def test_given_no_address_as_php_writes_it_then_an_empty_one(self, project, empty):
        (one,) = project(full_order(billing=empty, shipping=empty))

        assert (one["error_code"], one["billing"], one["billing_email"]) == (None, {}, None)

    def test_given_names_with_ampersands_then_they_stay_because_orders_are_not_encoded(
        self, project
    ):
        (one,) = project(full_order(line_items=[line_item(name="A &amp; B")]))

        assert one["items"][0]["name"] == "A &amp; B"

    def test_given_the_last_day_of_february_in_a_leap_year_then_a_date_else_none(self, project):
        leap, common = project(
            full_order(1, date_created_gmt="2028-02-29T00:00:00"),
            full_order(2, date_created_gmt="2026-02-29T00:00:00"),
        )

        assert leap["ordered_at"] == utc(2028, 2, 29)
        assert common["error_code"] == "validation.date_invalid"


class TestCustomer:
    def test_given_a_known_customer_then_its_row_else_none_yet(self, database, connection, project):
        apply_records(database, connection, [customer(4)])
        ours = row(database, "SELECT id FROM customer")["id"]

        known, unknown = project(full_order(1, customer_id=4), full_order(2, customer_id=5))

        assert (known["customer_external_id"], known["customer_id"]) == ("4", ours)
        assert (unknown["customer_external_id"], unknown["customer_id"]) == ("5", None)

    def test_given_a_customer_of_another_store_with_the_same_id_then_it_is_not_taken(
        self, database, org_id, connection, project
    ):
        other = make_connection(database, org_id, name="other")
        apply_records(database, other, [customer(4)])

        (one,) = project(full_order(customer_id=4))

        assert one["customer_id"] is None

    def test_given_a_guest_then_no_customer_but_an_email(self, project):
        (one,) = project(full_order(3, billing={"email": " Guest@Example.test "}))

        assert (one["customer_external_id"], one["billing_email"]) == (None, "Guest@Example.test")


class TestItems:
    def test_given_every_kind_of_item_then_one_entry_each_in_the_stores_order(self, project):
        (one,) = project(
            full_order(
                line_items=[line_item(1, product_id=5, variation_id=6, quantity=2, price=4.995)],
                fee_lines=[{"id": 3, "name": "Gift", "total": "1.00", "total_tax": "0.19"}],
                tax_lines=[
                    {"id": 4, "label": "VAT", "tax_total": "1.00", "shipping_tax_total": "0.19"}
                ],
                coupon_lines=[{"id": 5, "code": "ten", "discount": "1.00", "discount_tax": "0.1"}],
                refunds=[
                    {"id": 90, "reason": "broken", "total": "-3.00"},
                    {"id": 91, "reason": "", "total": "-0.50"},
                ],
            )
        )

        found = [(i["kind"], i["id"], i["name"], i["total"], i["tax"]) for i in one["items"]]
        assert found == [
            ("line", "1", "Mug", 10.00, 0),
            ("shipping", "11", "Flat rate", 2.5, 0),
            ("fee", "3", "Gift", 1, 0.19),
            ("tax", "4", "VAT", 1.19, 0),
            ("coupon", "5", "ten", -1, -0.1),
            ("refund", "90", "broken", -3, 0),
            ("refund", "91", "", -0.5, 0),
        ]
        line = one["items"][0]
        assert (line["product"], line["variation"]) == ("5", "6")
        assert (line["quantity"], line["price"], line["sku"]) == (2, 4.995, "MUG")
        assert one["refunded"] == Decimal("3.50")

    @pytest.mark.parametrize("nothing", [[], None])
    def test_given_an_order_without_anything_then_no_items_and_nothing_refunded(
        self, project, nothing
    ):
        lists = ("line_items", "shipping_lines", "fee_lines", "tax_lines", "coupon_lines")
        (one,) = project(full_order(**dict.fromkeys((*lists, "refunds"), nothing)))

        assert (one["error_code"], one["items"], one["refunded"]) == (None, [], 0)

    def test_given_what_only_the_store_needs_then_it_is_no_change(self, database, connection):
        before = full_order(line_items=[line_item(meta_data=[])])
        noise = [{"id": 1, "key": "_reduced_stock", "value": "1"}]
        apply_records(database, connection, [before], entity=ORDERS)

        _, outcome = apply_records(
            database,
            connection,
            [before | {"line_items": [line_item(meta_data=noise)]}],
            entity=ORDERS,
        )

        assert (outcome.updated, outcome.unchanged) == (0, 1)


BAD = [
    ("validation.wrong_type", full_order(1, status=5)),
    ("validation.wrong_type", full_order(2, currency=["EUR"])),
    ("validation.wrong_type", full_order(3, billing="Berlin")),
    ("validation.wrong_type", full_order(4, billing={"email": 3})),
    ("validation.wrong_type", full_order(5, customer_id={"a": 1})),
    ("validation.wrong_type", full_order(6, customer_id=-1)),
    ("validation.wrong_type", full_order(7, line_items="none")),
    ("validation.wrong_type", full_order(8, refunds={"a": 1})),
    ("validation.wrong_type", full_order(9, line_items=[line_item(name=5)])),
    ("validation.wrong_type", full_order(10, line_items=[line_item(price="cheap")])),
    ("validation.field_missing", full_order(11, status=None)),
    ("validation.field_missing", full_order(12, currency="")),
    ("validation.money_invalid", full_order(13, total="free")),
    ("validation.money_invalid", full_order(14, total="1e5")),
    ("validation.money_invalid", full_order(15, total=None)),
    ("validation.money_invalid", full_order(16, shipping_total="1,50")),
    ("validation.money_invalid", full_order(17, line_items=[line_item(total="")])),
    ("validation.money_invalid", full_order(18, line_items=[5])),
    ("validation.money_invalid", full_order(19, refunds=[{"id": 1, "total": "--1"}])),
    ("validation.money_invalid", full_order(20, tax_lines=[{"id": 1, "tax_total": "1"}])),
    ("validation.date_invalid", full_order(21, date_created_gmt="yesterday")),
    ("validation.date_invalid", full_order(22, date_paid_gmt="2026-02-30T00:00:00")),
    ("validation.date_invalid", full_order(23, date_modified_gmt="2026-01-01T24:00:00")),
    ("validation.too_long", full_order(24, number="1" * 201)),
    ("validation.too_long", full_order(25, billing={"email": "a" * 255})),
    ("validation.too_long", full_order(26, line_items=[line_item(name="a" * 501)])),
    (
        "validation.too_long",
        full_order(27, refunds=[{"id": 1, "total": "-1", "reason": "x" * 501}]),
    ),
    ("validation.unstorable", full_order(28, transaction_id="nul \x00 here")),
]


class TestBadOrders:
    def test_given_bad_orders_among_good_ones_then_each_fails_alone_with_its_code(
        self, database, connection
    ):
        good = [full_order(100 + number) for number in range(10)]

        queue, outcome = apply_records(
            database, connection, [*(one for _, one in BAD), *good], entity=ORDERS
        )

        assert (outcome.created, outcome.failed) == (len(good), len(BAD))
        lines = rows(
            database,
            "SELECT external_id, error_code, error_message FROM sync_line_status"
            " WHERE queue_no = %s AND state = 'failed'",
            queue.queue_no,
        )
        assert {one["external_id"]: one["error_code"] for one in lines} == {
            str(one["id"]): code for code, one in BAD
        }
        assert all(one["error_message"] for one in lines)
        assert max(len(one["error_message"]) for one in lines) < 200

    @few_examples
    @given(records=damaged(full_order))
    def test_any_json_in_any_place_fails_alone_or_is_mapped(self, database, connection, records):
        assert_bad_ones_fail_alone(database, connection, ORDERS, records, full_order(1000))
