"""Figures as the database grouped them, made into the tables that people read. Pure.

Belongs here: which orders are revenue, sums over groups, shares. Does not: reading (gathering.py).

Rows are sequences of dicts, small: one per group, never one per record. Money stays Decimal, and
nothing here adds up two currencies.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pandas as pd

Rows = Sequence[Mapping[str, Any]]

# What WooCommerce's own analytics leave out, too: nothing was sold.
NO_REVENUE: Final = frozenset(
    {"auto-draft", "cancelled", "checkout-draft", "failed", "pending", "trash"}
)
NO_DATE: Final = "no date"
_CENT: Final = Decimal("0.01")
_REVENUE: Final = ("month", "currency", "orders", "gross", "refunded", "net")
_REFUNDS: Final = ("currency", "refunds", "orders", "amount", "gross", "share_percent")


def frame(rows: Rows, columns: Sequence[str]) -> pd.DataFrame:
    """The rows as a table of objects, so that Decimal stays Decimal and int stays int."""
    return pd.DataFrame(
        [[row[name] for name in columns] for row in rows], columns=list(columns), dtype=object
    )


def revenue(rows: Rows) -> pd.DataFrame:
    """Orders that are revenue, by month and currency.

    Args:
        rows: month ("2026-03", UTC, or NO_DATE), currency, status, orders, gross, refunded, net.

    Returns:
        The same without status, sorted by month and currency; gross is before refunds.
    """
    return _summed(_sold(rows, ("status", *_REVENUE)), ("month", "currency"), _REVENUE)


def left_out(rows: Rows) -> dict[str, int]:
    """How many orders of which status are no revenue."""
    counted: dict[str, int] = {}
    for row in rows:
        if row["status"] in NO_REVENUE:
            counted[row["status"]] = counted.get(row["status"], 0) + int(row["orders"])
    return dict(sorted(counted.items()))


def refunds(rows: Rows, of_revenue: pd.DataFrame) -> pd.DataFrame:
    """Refunds by currency, beside the revenue of that currency.

    Args:
        rows: currency, status (of the order), refunds, orders, amount (above zero).
        of_revenue: what `revenue` gave; its currencies without refunds are rows as well.

    Returns:
        One row per currency: refunds, orders with a refund, amount, gross, and the share of gross
        that was given back, in percent (Decimal, two places; None where nothing was sold).
    """
    given_back = _summed(
        _sold(rows, ("status", "currency", "refunds", "orders", "amount")),
        ("currency",),
        ("currency", "refunds", "orders", "amount"),
    )
    sold = _summed(of_revenue, ("currency",), ("currency", "gross"))
    back: dict[str, dict[str, Any]] = {one["currency"]: one for one in _rows(given_back)}
    nothing = {"refunds": 0, "orders": 0, "amount": Decimal(0)}
    made: list[dict[str, Any]] = [
        nothing | one | back.get(one["currency"], {}) for one in _rows(sold)
    ]
    return frame(
        [one | {"share_percent": _percent(one["amount"], one["gross"])} for one in made], _REFUNDS
    )


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in one.items()} for one in table.to_dict("records")]


def _sold(rows: Rows, columns: Sequence[str]) -> pd.DataFrame:
    return frame([row for row in rows if row["status"] not in NO_REVENUE], columns)


def _summed(table: pd.DataFrame, keys: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
    """Sums of all columns but the keys; sorted by the keys."""
    amounts = [name for name in columns if name not in keys]
    summed = table.groupby(list(keys), sort=True)[amounts].sum().reset_index()
    return summed[list(columns)].astype(object)


def _percent(part: Decimal, whole: Decimal) -> Decimal | None:
    return (100 * part / whole).quantize(_CENT) if whole else None
