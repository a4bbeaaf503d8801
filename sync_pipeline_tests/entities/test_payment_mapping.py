"""What an order's own fields tell of its payment and its refunds."""

import datetime
from decimal import Decimal

import pytest

from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.entities.woocommerce_payments import PAYMENTS
from sync_pipeline_tests.entities.projecting import derived, projected
from sync_pipeline_tests.factories import apply_records, full_order, make_connection, row, rows


@pytest.fixture
def connection(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def sync_payments(database, connection):
    def run(*orders):
        apply_records(database, connection, orders, entity=ORDERS)
        records = [one["record"] for one in derived(database, connection, PAYMENTS)]
        apply_records(database, connection, records, entity=PAYMENTS)
        return rows(database, "SELECT * FROM payment ORDER BY external_id")

    return run


def paid(order_id=1, **changes):
    return full_order(order_id, date_paid_gmt="2026-02-03T05:00:00", **changes)


def utc(*parts):
    return datetime.datetime(*parts, tzinfo=datetime.UTC)


class TestPayments:
    def test_given_a_paid_order_then_its_payment(self, database, sync_payments):
        (one,) = sync_payments(paid(7, transaction_id="ch_1", currency="USD"), full_order(8))

        assert (one["external_id"], one["kind"], one["source"]) == ("order:7", "payment", "shop")
        assert (one["amount"], one["net_amount"]) == (Decimal("12.50"), Decimal("12.50"))
        assert (one["currency"], one["method"], one["transaction_id"]) == ("USD", "bacs", "ch_1")
        assert one["paid_at"] == utc(2026, 2, 3, 5)
        assert one["order_id"] == row(
            database, "SELECT id FROM sales_order WHERE external_id = '7'"
        )["id"]  # fmt: skip

    @pytest.mark.parametrize("status", ["processing", "completed", "refunded", "cancelled"])
    def test_given_a_date_of_payment_then_a_payment_whatever_the_order_became(
        self, sync_payments, status
    ):
        assert [one["kind"] for one in sync_payments(paid(status=status))] == ["payment"]

    def test_given_refunds_then_one_each_besides_the_payment(self, sync_payments):
        refunds = [
            {"id": 90, "reason": "broken", "total": "-3.00"},
            {"id": 91, "reason": "", "total": "-0.50"},
        ]

        found = sync_payments(paid(7, refunds=refunds))

        assert [
            (one["external_id"], one["kind"], one["net_amount"], one["refund_reason"])
            for one in found
        ] == [
            ("order:7", "payment", Decimal("12.50"), None),
            ("refund:90", "refund", Decimal("-3.00"), "broken"),
            ("refund:91", "refund", Decimal("-0.50"), None),
        ]

    def test_given_a_refunded_order_edited_later_then_the_refund_keeps_its_moment(
        self, database, sync_payments
    ):
        refunds = [{"id": 90, "reason": "", "total": "-3.00"}]
        sync_payments(paid(7, refunds=refunds, date_modified_gmt="2026-02-04T00:00:00"))

        edited = paid(
            7, refunds=refunds, date_modified_gmt="2026-03-01T00:00:00", payment_method="cod"
        )
        refund = sync_payments(edited)[1]

        assert (refund["paid_at"], refund["method"]) == (utc(2026, 2, 4), "cod")

    def test_given_a_moment_then_only_orders_that_changed_since_are_derived(
        self, database, connection, sync_payments
    ):
        sync_payments(paid(1), paid(2))
        since = row(database, "SELECT max(updated_at) AS at FROM sales_order")["at"]
        apply_records(database, connection, [paid(2, total="13.00")], entity=ORDERS)

        found = derived(database, connection, PAYMENTS, changed_after=since)

        assert [one["external_id"] for one in found] == ["order:2"]
        assert found[0]["changed_at"] > since

    def test_given_an_unchanged_store_then_what_is_derived_is_the_same(
        self, database, connection, sync_payments
    ):
        sync_payments(paid(7, refunds=[{"id": 90, "reason": "", "total": "-3.00"}]))
        records = [one["record"] for one in derived(database, connection, PAYMENTS)]

        _, outcome = apply_records(database, connection, records, entity=PAYMENTS)

        assert (outcome.created, outcome.updated, outcome.unchanged) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "gift"}, "validation.wrong_type"),
        ({"currency": None}, "validation.field_missing"),
        ({"amount": "much"}, "validation.money_invalid"),
        ({"paid_at": "yesterday"}, "validation.date_invalid"),
        ({"reason": "x" * 501}, "validation.too_long"),
        ({"order": "999"}, "reference.order_missing"),
    ],
)
def test_given_a_record_that_was_damaged_then_it_is_refused_with_its_code(
    database, connection, changes, code
):
    record = {
        "id": "order:7", "kind": "payment", "order": "7", "amount": "1.00", "currency": "EUR",
        "paid_at": None, "method": None, "reason": None,
    }  # fmt: skip
    apply_records(database, connection, [full_order(7)], entity=ORDERS)

    good, bad = projected(database, connection, PAYMENTS, record, record | changes)

    assert (good["error_code"], bad["error_code"]) == (None, code)
    assert bad["error_message"]
