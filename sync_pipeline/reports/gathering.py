"""The report on one connection, read in one snapshot.

Belongs here: which sections there are, their statements, their notes. Does not: sums (shaping.py),
rendering.

The database groups; what comes here is a row per group, and of stock at most MOST_LEVELS rows, so
memory does not grow with the store.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import pandas as pd

from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.reports import shaping
from sync_pipeline.reports.tables import Report, Section
from sync_pipeline.sources.connections import Connection

MOST_LEVELS: Final = 1000
_ENTITIES: Final = ("customers", "orders", "inventory")
_RULES: Final = {
    "all_orders": "Every order of an account counts, whatever its status.",
    "paid_net": "Processing and completed orders of an account count, less refunds.",
}


def gather(database: Database, connection: Connection) -> Report:
    """Everything that is told of a connection.

    Raises:
        DatabaseUnavailableError: no connection, or it was lost.
        DatabaseUnusableError: not migrated.
    """
    # One snapshot: a sync that goes on meanwhile must not part refunds from their orders.
    with database.organization(connection.org_id, isolation="repeatable read") as conn:
        reading = _Reading.of(conn, connection)
        sections = (
            *_customers(reading),
            *_orders(reading),
            _stock(reading),
            _failures(reading),
        )
    return Report(connection.name, connection.org_id, datetime.now(UTC), sections)


@dataclass(frozen=True)
class _Reading:
    """The snapshot, and what was ever synced in it: is_synced and synced_at by entity."""

    conn: DictConnection
    values: Mapping[str, Any]
    synced: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, conn: DictConnection, connection: Connection) -> "_Reading":
        values = {
            "org_id": connection.org_id,
            "connection_id": connection.connection_id,
            "source": connection.name,
            "entities": list(_ENTITIES),
            "most": MOST_LEVELS,
        }
        found = conn.execute(statement("report/synced"), values).fetchall()
        return cls(conn, values, {row["entity"]: row for row in found})

    def rows(self, name: str) -> list[dict[str, Any]]:
        return self.conn.execute(statement(f"report/{name}"), self.values).fetchall()

    def section(
        self, name: str, title: str, table: pd.DataFrame, *, of: str, note: str = ""
    ) -> Section:
        """A section about an entity; without rows it says why."""
        known = self.synced[of]
        is_synced = bool(known["is_synced"]) or not table.empty
        if not is_synced:
            note = f"Never synced: sync-pipeline sync {self.values['source']} --entity {of}"
        elif table.empty:
            note = f"None. {note}".strip()
        return Section(name, title, table, note, is_synced, known["synced_at"])


def _customers(reading: _Reading) -> list[Section]:
    people = shaping.frame(reading.rows("customers"), ("segment", "status", "customers"))
    worth = reading.rows("lifetime_values")
    rule = _RULES.get(worth[0]["rule"], "") if worth else ""
    columns = ("segment", "status", "currency", "customers", "lifetime_value")
    return [
        reading.section("customers", "Customers by segment and status", people, of="customers"),
        reading.section(
            "lifetime_values",
            "Lifetime value by currency",
            shaping.frame(worth, columns),
            of="customers",
            note=f"{rule} Who ordered in two currencies stands in both.".strip(),
        ),
    ]


def _orders(reading: _Reading) -> list[Section]:
    groups = reading.rows("revenue")
    revenue = shaping.revenue(groups)
    others = ", ".join(f"{n:,} {status}" for status, n in shaping.left_out(groups).items())
    note = "Months are UTC; refunds stand in the month of their order."
    return [
        reading.section(
            "revenue",
            "Revenue by month",
            revenue,
            of="orders",
            note=f"{note} Left out: {others}." if others else note,
        ),
        reading.section(
            "refunds",
            "Refunds",
            shaping.refunds(reading.rows("refunds"), revenue),
            of="orders",
            note="Of the orders that are revenue; the share is of their gross.",
        ),
    ]


def _stock(reading: _Reading) -> Section:
    levels = reading.rows("stock_below_zero")
    n_levels = int(levels[0]["n_levels"]) if levels else 0
    return reading.section(
        "stock_below_zero",
        "Stock below zero",
        shaping.frame(levels, ("id", "name", "sku", "level", "backorders")),
        of="inventory",
        note=f"The lowest {len(levels):,} of {n_levels:,}." if n_levels > len(levels) else "",
    )


def _failures(reading: _Reading) -> Section:
    columns = ("entity", "code", "failed_lines", "open_conflicts")
    table = shaping.frame(reading.rows("failures"), columns)
    is_synced = not table.empty or any(row["is_synced"] for row in reading.synced.values())
    note = "Lines of the last sync of each entity, and open conflicts of any sync."
    if table.empty:
        note = "None." if is_synced else "Never synced, so nothing failed."
    return Section("failures", "Failures by reason", table, note, is_synced, None)
