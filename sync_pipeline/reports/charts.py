"""Which figures of a report are plotted, and over what. Pure.

Belongs here: choosing labels and values. Does not: drawing (plots.py), the page (page.py).

One plot per currency: two currencies never share an axis.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final
from xml.etree import ElementTree as ET

import pandas as pd

from sync_pipeline.reports.plots import Series, column_plot
from sync_pipeline.reports.shaping import NO_DATE
from sync_pipeline.reports.tables import Section

MOST_MONTHS: Final = 36
MOST_COLUMNS: Final = 20


def plots_of(section: Section) -> list[tuple[str, ET.Element]]:
    """The plots of a section, each with its caption; none when it has no rows."""
    draw = _CHARTS.get(section.name)
    return list(draw(section.frame)) if draw and not section.frame.empty else []


def _customers(frame: pd.DataFrame) -> Iterator[tuple[str, ET.Element]]:
    counted = frame.groupby("segment", sort=True)["customers"].sum()
    yield _plot("Customers by segment", counted, "customers")


def _lifetime_values(frame: pd.DataFrame) -> Iterator[tuple[str, ET.Element]]:
    for currency, rows in frame.groupby("currency", sort=True):
        summed = rows.groupby("segment", sort=True)["lifetime_value"].sum()
        yield _plot(f"Lifetime value by segment, {currency}", summed, str(currency))


def _revenue(frame: pd.DataFrame) -> Iterator[tuple[str, ET.Element]]:
    dated = frame[frame["month"] != NO_DATE]
    for currency, rows in dated.groupby("currency", sort=True):
        table = rows.set_index("month")[["gross", "net"]].reindex(_months(dated), fill_value=0)
        caption = f"Revenue by month, {currency}: gross, and net in front"
        series = [Series(name, list(table[name])) for name in ("gross", "net")]
        yield caption, column_plot(caption, [str(month) for month in table.index], series)


def _months(dated: pd.DataFrame) -> list[str]:
    """Every month up to the last one that sold, those that sold nothing as well."""
    last = pd.Period(max(dated["month"]), freq="M")
    first = max(pd.Period(min(dated["month"]), freq="M"), last - (MOST_MONTHS - 1))
    return [str(month) for month in pd.period_range(first, last, freq="M")]


def _refunds(frame: pd.DataFrame) -> Iterator[tuple[str, ET.Element]]:
    sold = frame.dropna(subset=["share_percent"]).set_index("currency")["share_percent"]
    if not sold.empty:
        yield _plot("Share of gross that was given back", sold, "percent")


def _stock_below_zero(frame: pd.DataFrame) -> Iterator[tuple[str, ET.Element]]:
    lowest = frame.head(MOST_COLUMNS)
    names = lowest["name"].fillna("?")
    yield _plot("Lowest stock levels", lowest.set_axis(names)["level"], "pieces")


def _failures(frame: pd.DataFrame) -> Iterator[tuple[str, ET.Element]]:
    summed = frame.groupby("code", sort=True)[["failed_lines", "open_conflicts"]].sum()
    caption = "Failures by reason: failed lines, and open conflicts in front"
    series = [Series(str(name), list(summed[name])) for name in summed]
    yield caption, column_plot(caption, [str(code) for code in summed.index], series)


def _plot(caption: str, values: "pd.Series[Any]", name: str) -> tuple[str, ET.Element]:
    labels = [str(label) for label in values.index]
    return caption, column_plot(caption, labels, [Series(name, list(values))])


_CHARTS: Final[dict[str, Callable[[pd.DataFrame], Iterator[tuple[str, ET.Element]]]]] = {
    "customers": _customers,
    "lifetime_values": _lifetime_values,
    "revenue": _revenue,
    "refunds": _refunds,
    "stock_below_zero": _stock_below_zero,
    "failures": _failures,
}
