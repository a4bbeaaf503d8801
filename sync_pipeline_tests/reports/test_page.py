"""The page: one file, whatever names say, with plots of what there is."""

from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from sync_pipeline.reports import charts, shaping
from sync_pipeline.reports.page import page_of
from sync_pipeline.reports.plots import ticks
from sync_pipeline.reports.spreadsheets import write_csv
from sync_pipeline.reports.tables import Report, Section

HOSTILE = "<script>alert('x')</script> & \"co\" </svg>"
NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


def section(name, columns, *rows, note=""):
    table = shaping.frame([dict(zip(columns, row, strict=True)) for row in rows], columns)
    return Section(name, name.title(), table, note, is_synced=True, synced_at=NOW)


def stock(*rows):
    return section("stock_below_zero", ("id", "name", "sku", "level", "backorders"), *rows)


def revenue(*rows):
    columns = ("month", "currency", "orders", "gross", "refunded", "net")
    return section("revenue", columns, *rows)


def report(*sections):
    return Report("shop", "acme", NOW, sections)


class Tags(HTMLParser):
    """Tags and texts as a browser finds them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.values = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.values += [value for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data):
        self.texts.append(data)


class TestPage:
    def test_given_a_hostile_name_then_it_is_text_in_table_and_plot(self):
        found = Tags(page_of(report(stock(("7", HOSTILE, "", Decimal(-3), "yes")))))

        assert "script" not in found.tags
        assert HOSTILE in found.texts
        assert f"{HOSTILE}, pieces: -3" in found.texts

    def test_given_a_page_then_it_loads_nothing(self):
        found = Tags(page_of(report(stock(("7", "Mug", "", Decimal(-3), "yes")))))

        assert not {"link", "img", "script", "iframe"} & set(found.tags)
        assert found.values == []

    def test_given_no_rows_then_the_note_stands_in_their_place(self):
        table = shaping.frame([], ("segment", "status", "customers"))
        empty = Section("customers", "Customers", table, "Never synced", False, None)

        found = Tags(page_of(report(empty)))

        assert "Never synced" in found.texts
        assert not {"table", "svg"} & set(found.tags)

    def test_given_amounts_then_every_decimal_is_shown(self):
        made = revenue(("2026-01", "EUR", 1, Decimal("1234.50"), Decimal(0), Decimal("1234.50")))

        assert "1,234.50" in Tags(page_of(report(made))).texts


def titles(figure):
    return [one.text for one in figure.iter("title")][1:]


class TestCharts:
    def test_given_two_currencies_then_each_has_a_plot_of_its_own(self):
        amounts = (1, Decimal("5.00"), Decimal(0), Decimal("5.00"))
        made = revenue(("2026-01", "EUR", *amounts), ("2026-01", "USD", *amounts))

        assert [caption[:21] for caption, _ in charts.plots_of(made)] == [
            "Revenue by month, EUR",
            "Revenue by month, USD",
        ]

    def test_given_a_month_without_orders_then_the_plot_shows_it_at_zero(self):
        amounts = (1, Decimal("5.00"), Decimal(0), Decimal("5.00"))
        made = revenue(("2025-12", "EUR", *amounts), ("2026-02", "EUR", *amounts))

        ((_, figure),) = charts.plots_of(made)

        assert titles(figure)[:3] == [
            "2025-12, gross: 5.00",
            "2026-01, gross: 0",
            "2026-02, gross: 5.00",
        ]

    def test_given_an_order_of_long_ago_then_the_plot_ends_with_the_last_months(self):
        amounts = (1, Decimal("5.00"), Decimal(0), Decimal("5.00"))
        made = revenue(("0001-01", "EUR", *amounts), ("2026-02", "EUR", *amounts))

        ((_, figure),) = charts.plots_of(made)

        assert len(titles(figure)) == 2 * charts.MOST_MONTHS

    def test_given_orders_without_a_date_only_then_there_is_no_plot(self):
        amounts = (1, Decimal("5.00"), Decimal(0), Decimal("5.00"))

        assert charts.plots_of(revenue(("no date", "EUR", *amounts))) == []

    @pytest.mark.parametrize("levels", [(-3, -1), (0, 0), (5, -5)])
    def test_given_any_levels_then_every_column_is_inside_the_plot(self, levels):
        rows = [(str(n), f"Mug {n}", "", Decimal(level), "no") for n, level in enumerate(levels)]

        ((_, figure),) = charts.plots_of(stock(*rows))

        for column in figure.iter("rect"):
            y, height = float(column.get("y")), float(column.get("height"))
            assert height >= 0
            assert 0 <= y <= y + height <= 240


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [
        (0, 855, [0, 200, 400, 600, 800]),
        (-148, 0, [-100, -50, 0]),
        (-0.2, 0.25, [-0.2, -0.1, 0, 0.1, 0.2]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_given_any_span_then_ticks_are_round_and_zero_is_one(lowest, highest, expected):
    assert ticks(lowest, highest) == pytest.approx(expected)


class TestCsv:
    def test_given_a_report_then_each_section_is_a_file_with_exact_values(self, tmp_path):
        made = revenue(("2026-01", "EUR", 1, Decimal("1234.50"), Decimal(0), Decimal("1234.50")))

        (path,) = write_csv(report(made), tmp_path / "new" / "place")

        assert path.read_text(encoding="utf-8") == (
            "month,currency,orders,gross,refunded,net\n2026-01,EUR,1,1234.50,0,1234.50\n"
        )

    def test_given_a_name_that_is_a_formula_then_a_spreadsheet_takes_it_as_text(self, tmp_path):
        made = stock(("7", "=1+1", None, Decimal(-3), "no"))

        (path,) = write_csv(report(made), tmp_path)

        assert path.read_text(encoding="utf-8").splitlines()[1] == "7,'=1+1,,-3,no"
