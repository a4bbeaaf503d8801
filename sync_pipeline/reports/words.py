"""How the cells of a report read, on a terminal and on a page.

Belongs here: headings, quantities and amounts in words. Does not: files for programs (CSV, JSON),
which keep values as they are.
"""

from decimal import Decimal


def heading(column: str) -> str:
    """A column's name for people."""
    return column.removesuffix("_percent").replace("_", " ") + (
        " %" if column.endswith("_percent") else ""
    )


def cell(value: object) -> str:
    """A value for people: thousands apart, all decimals kept, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, int | Decimal):
        return f"{value:,}"
    return str(value)
