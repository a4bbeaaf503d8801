"""How many conflicts there are: by type, strategy, age, connection.

Belongs here: counting. Does not: listing (reading.py).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.sources.connections import find_connection

Dimension = Literal["type", "strategy", "age", "connection"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("type", "strategy", "age", "connection")
_AGES: Final = ("up to an hour", "up to a day", "up to a week", "over a week")


@dataclass(frozen=True)
class Count:
    """Conflicts of one kind, and when the oldest of them was opened."""

    value: str
    n_conflicts: int
    oldest_at: datetime


@dataclass(frozen=True)
class Stats:
    """Conflicts counted, the most first; ages from young to old.

    Attributes:
        total: all of them.
        by_connection: by connection and entity.
    """

    total: int
    by_type: tuple[Count, ...]
    by_strategy: tuple[Count, ...]
    by_age: tuple[Count, ...]
    by_connection: tuple[Count, ...]


def conflict_stats(
    database: Database, *, connection: str | None = None, state: str | None = "open"
) -> Stats:
    """Count conflicts, of one connection or of all.

    Raises:
        UnknownConnectionError: no such connection.
    """
    named = None if connection is None else find_connection(database, connection)
    values = {"connection_id": named.connection_id if named else None, "state": state}
    with database.control() as conn:
        return stats_of(conn.execute(statement("conflicts/stats"), values).fetchall())


def stats_of(rows: Iterable[Mapping[str, Any]]) -> Stats:
    """The answer, from rows of (dimension, value, n_conflicts, oldest_at). Pure."""
    found: dict[str, list[Count]] = {name: [] for name in (*DIMENSIONS, "total")}
    for row in rows:
        found[row["dimension"]].append(Count(row["value"], row["n_conflicts"], row["oldest_at"]))
    ages = sorted(found["age"], key=lambda one: _AGES.index(one.value))
    return Stats(
        total=sum(one.n_conflicts for one in found["total"]),
        by_type=tuple(found["type"]),
        by_strategy=tuple(found["strategy"]),
        by_age=tuple(ages),
        by_connection=tuple(found["connection"]),
    )
