"""What a report is: sections, each one table with what is to be known about it.

Belongs here: the shape. Does not: filling it (gathering.py, shaping.py), rendering it.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Section:
    """One table of a report.

    Attributes:
        name: stable, for files and JSON.
        title: for people.
        frame: object columns of str, int, Decimal or None; money is Decimal in the currency of its
            row. Without rows when there is nothing to tell, and when it was never synced.
        note: what counts and what does not, or why there are no rows.
        is_synced: False: what it tells of never came here.
        synced_at: when the last sync of it ended, UTC; None when that is not known.
    """

    name: str
    title: str
    frame: pd.DataFrame
    note: str
    is_synced: bool
    synced_at: datetime | None

    @property
    def columns(self) -> list[str]:
        """The names of its columns, in order."""
        return [str(name) for name in self.frame.columns]

    def rows(self) -> list[dict[str, Any]]:
        """Its rows, each by column."""
        cells = self.frame.itertuples(index=False, name=None)
        return [dict(zip(self.columns, row, strict=True)) for row in cells]

    def is_number(self, column: str) -> bool:
        """Whether a column holds quantities."""
        return any(isinstance(value, int | Decimal) for value in self.frame[column])


@dataclass(frozen=True)
class Report:
    """Everything a report tells of one connection, at one moment."""

    connection: str
    org_id: str
    made_at: datetime
    sections: tuple[Section, ...]

    def section(self, name: str) -> Section:
        """The section of that name.

        Raises:
            KeyError: there is none.
        """
        return {one.name: one for one in self.sections}[name]
