"""Which connections a schedule syncs now: those whose interval has passed, and the nightly ones.

Belongs here: reading what decides it, and the decisions (pure). Does not: starting runs
(orchestration/schedules.py), queues that are open already (attention.py).
"""

import zlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.fairness import in_turns

# The option of a connection that names its own interval; 0: schedules leave it alone.
EVERY_MINUTES: Final = "sync_every_minutes"
# The option of a connection that names the entities that schedules sync, as a list.
SCHEDULED_ENTITIES: Final = "entities"
# Full syncs begin in the first three hours of the night, each connection at its own minute.
_NIGHT_MINUTES: Final = 180
NIGHT_HOURS: Final = 4


@dataclass(frozen=True)
class Connected:
    """What decides whether a connection's next sync of an entity is due.

    Attributes:
        is_open: a sync is open: the sensors see to it.
        last_started_at: of whole syncs, filtered ones left out; None: never.
        last_full_at: of full syncs of the last day.
        circuit_open_until: it takes no request before.
        window_id: of the queue of a window that is open beside; it puts off nothing.
    """

    connection: str
    org_id: str
    options: Mapping[str, Any]
    connected_at: datetime
    is_open: bool
    last_started_at: datetime | None
    last_full_at: datetime | None
    circuit_open_until: datetime | None
    window_id: str | None = None

    def every_minutes(self, default: int) -> int:
        """Minutes between its syncs; 0: never by a schedule."""
        chosen = self.options.get(EVERY_MINUTES)
        return default if chosen is None else int(chosen)

    def is_scheduled(self, entity: str, *, default: bool) -> bool:
        """Whether schedules sync this entity of it."""
        chosen = self.options.get(SCHEDULED_ENTITIES)
        return entity in chosen if isinstance(chosen, list) else default

    def is_reachable(self, now: datetime) -> bool:
        """Nothing is open, neither a sync nor the circuit."""
        is_broken = self.circuit_open_until is not None and self.circuit_open_until > now
        return not self.is_open and not is_broken


@dataclass(frozen=True)
class Due:
    """A sync to start, and since when it is due."""

    connection: str
    org_id: str
    due_at: datetime


def connections_due(
    rows: Iterable[Connected],
    in_flight: AbstractSet[str],
    now: datetime,
    *,
    default_minutes: int,
    limit: int,
) -> list[Due]:
    """Connections whose interval has passed since their last sync began. Pure.

    Args:
        in_flight: connections that a run is about already.
        default_minutes: the interval of those that name none.
        limit: at most so many now; the others are further ahead the next time.
    """
    due = [
        Due(row.connection, row.org_id, due_at)
        for row in rows
        if (due_at := _next_delta(row, default_minutes)) is not None
        and due_at <= now
        and row.is_reachable(now)
        and row.connection not in in_flight
    ]
    return in_turns(due)[:limit]


def full_syncs_due(
    rows: Iterable[Connected],
    in_flight: AbstractSet[str],
    now: datetime,
    *,
    night_began: datetime,
    default_minutes: int,
    limit: int,
) -> list[Due]:
    """Connections whose minute of this night has come and that were not read whole in it. Pure.

    Each has a minute of its own by its name, so that a hundred stores are not read at once.
    """
    due = [
        Due(row.connection, row.org_id, minute)
        for row in rows
        if (minute := night_began + minute_of_night(row.connection)) <= now
        and row.every_minutes(default_minutes) > 0
        and (row.last_full_at is None or row.last_full_at < night_began)
        and row.is_reachable(now)
        and row.connection not in in_flight
    ]
    return in_turns(due)[:limit]


def minute_of_night(connection: str) -> timedelta:
    """How long after the night began a connection's full sync starts; always the same. Pure."""
    return timedelta(minutes=zlib.crc32(connection.encode()) % _NIGHT_MINUTES)


def night_began(now: datetime, hour_utc: int) -> datetime:
    """When the latest night began. Pure."""
    tonight = now.replace(hour=hour_utc, minute=0, second=0, microsecond=0)
    return tonight if tonight <= now else tonight - timedelta(days=1)


def connections_at(database: Database, *, system: str, entity: str) -> list[Connected]:
    """Every active connection of a system, and how its syncs of an entity stand.

    Raises:
        DatabaseUnusableError: not migrated.
    """
    with database.control() as conn:
        found = conn.execute(
            statement("queue/due"), {"system": system, "entity": entity}
        ).fetchall()
    return [Connected(**row) for row in found]


def _next_delta(row: Connected, default_minutes: int) -> datetime | None:
    minutes = row.every_minutes(default_minutes)
    if minutes <= 0:
        return None
    if row.last_started_at is None:
        return row.connected_at
    return row.last_started_at + timedelta(minutes=minutes)
