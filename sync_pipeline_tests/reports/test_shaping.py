"""Sums over groups: per currency, to the cent, only of what was sold."""

from decimal import Decimal

from sync_pipeline.reports import shaping


def group(month="2026-01", currency="EUR", status="completed", orders=1, gross="10.00", back="0"):
    gross, back = Decimal(gross), Decimal(back)
    return {
        "month": month,
        "currency": currency,
        "status": status,
        "orders": orders,
        "gross": gross,
        "refunded": back,
        "net": gross - back,
    }


def given_back(currency="EUR", status="completed", refunds=1, orders=1, amount="1.00"):
    return {
        "currency": currency,
        "status": status,
        "refunds": refunds,
        "orders": orders,
        "amount": Decimal(amount),
    }


def records(table):
    return table.to_dict("records")


class TestRevenue:
    def test_given_two_currencies_then_they_are_never_added_up(self):
        made = shaping.revenue([group(), group(currency="USD", gross="7.10")])

        assert [(one["currency"], one["gross"]) for one in records(made)] == [
            ("EUR", Decimal("10.00")),
            ("USD", Decimal("7.10")),
        ]

    def test_given_statuses_then_their_amounts_add_up_exactly(self):
        made = shaping.revenue(
            [group(gross="0.10", back="0.03"), group(status="processing", gross="0.20", orders=2)]
        )

        assert records(made) == [
            {
                "month": "2026-01",
                "currency": "EUR",
                "orders": 3,
                "gross": Decimal("0.30"),
                "refunded": Decimal("0.03"),
                "net": Decimal("0.27"),
            }
        ]

    def test_given_orders_that_sold_nothing_then_they_are_left_out_and_named(self):
        groups = [group(), group(status="failed", orders=2), group("2026-02", status="failed")]

        assert records(shaping.revenue(groups))[0]["orders"] == 1
        assert shaping.left_out(groups) == {"failed": 3}

    def test_given_no_orders_then_there_are_columns_and_no_rows(self):
        made = shaping.revenue([])

        assert list(made.columns) == ["month", "currency", "orders", "gross", "refunded", "net"]
        assert records(made) == []


class TestRefunds:
    def test_given_refunds_then_the_share_is_of_the_gross_of_their_currency(self):
        sold = shaping.revenue([group(gross="30.00"), group(currency="USD", gross="8.00")])

        made = shaping.refunds([given_back(amount="10.00", refunds=2)], sold)

        assert [
            (one["currency"], one["refunds"], one["amount"], one["share_percent"])
            for one in records(made)
        ] == [("EUR", 2, Decimal("10.00"), Decimal("33.33")), ("USD", 0, 0, Decimal(0))]

    def test_given_orders_for_nothing_then_there_is_no_share(self):
        made = shaping.refunds([], shaping.revenue([group(gross="0")]))

        assert records(made)[0]["share_percent"] is None

    def test_given_no_orders_then_there_are_no_rows(self):
        assert records(shaping.refunds([], shaping.revenue([]))) == []
