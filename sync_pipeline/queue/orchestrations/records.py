"""Orchestrations as they are: found, their items, their status.

Belongs here: reading. Does not: starting (starting.py), acting on them (acting.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.lookup import id_range
from sync_pipeline.queue.orchestrations.audit import note_end


class UnknownOrchestrationError(InputError):
    """No orchestration has that id, or it belongs to another organization."""

    code = "input.unknown_orchestration"


@dataclass(frozen=True)
class Orchestration:
    """One request over several connections and entities.

    Attributes:
        orchestration_no: internal key; `id` is what people and other systems use.
        systems, entities: what it came to; entities in dependency order.
        is_paused: everything of it that is open was paused.
    """

    orchestration_no: int
    id: str
    org_id: str
    systems: tuple[str, ...]
    entities: tuple[str, ...]
    is_full: bool
    idempotency_key: str | None
    created_by: str | None
    created_at: datetime
    is_paused: bool
    cancelled_at: datetime | None


@dataclass(frozen=True)
class Item:
    """One connection and entity of an orchestration.

    Attributes:
        queue_no: None: no queue could be opened, and `refusal` says why.
        queue_id: None as well when its queue was purged.
    """

    connection: str
    connection_id: int
    system: str
    entity: str
    queue_no: int | None
    queue_id: str | None
    refusal: str | None


def find_orchestration(
    database: Database, id_or_prefix: str, *, org_id: str | None = None
) -> Orchestration:
    """The orchestration with this id, or the only one whose id begins so (four characters or more).

    Args:
        org_id: of this organization only; None: of whatever organization.

    Raises:
        InputError: neither an id nor the beginning of one, or several begin so.
        UnknownOrchestrationError: none does.
    """
    lowest, highest = id_range(id_or_prefix, "orchestration", "orchestrations list")
    with database.control() as conn:
        found = conn.execute(
            statement("orchestrations/find"),
            {"lowest": lowest, "highest": highest, "org_id": org_id},
        ).fetchall()
    if not found:
        raise UnknownOrchestrationError(
            f"There is no orchestration {id_or_prefix}.",
            remedy="See `sync-pipeline orchestrations list`.",
        )
    if len(found) > 1:
        raise InputError(
            f"Several orchestrations begin with {id_or_prefix}, {found[0]['id']} for one.",
            remedy="Give more of the id: sync-pipeline orchestrations list.",
        )
    return orchestration_of(found[0])


def orchestration_of(row: Mapping[str, Any]) -> Orchestration:
    """From a row of the view, its keys as text. Pure."""
    values = {name: row[name] for name in Orchestration.__dataclass_fields__}
    values |= {name: tuple(row[name]) for name in ("systems", "entities")}
    values |= {name: str(row[name]) for name in ("id", "org_id")}
    return Orchestration(**values)


def items_of(database: Database, orchestration: Orchestration) -> list[Item]:
    """Its connections by name, and of each the entities in dependency order."""
    with database.control() as conn:
        rows = conn.execute(
            statement("orchestrations/items"),
            {"orchestration_no": orchestration.orchestration_no},
        ).fetchall()
    return [Item(**row) for row in rows]


def orchestration_status(database: Database, orchestration: Orchestration) -> Mapping[str, Any]:
    """Every number of it: a row of the view sync_orchestration_status.

    Who sees first that it has ended writes so to its audit.

    Raises:
        UnknownOrchestrationError: it is gone.
    """
    with database.control() as conn:
        row = conn.execute(
            statement("orchestrations/status"),
            {"orchestration_no": orchestration.orchestration_no},
        ).fetchone()
    if row is None:
        raise UnknownOrchestrationError(f"There is no orchestration {orchestration.id}.")
    note_end(database, row)
    return dict(row)


def recent_orchestrations(
    database: Database, *, org_id: str | None = None, most: int = 20
) -> list[Mapping[str, Any]]:
    """Rows of the view sync_orchestration_status, the newest first.

    Args:
        org_id: of this organization only; None: of all.
    """
    with database.control() as conn:
        rows = conn.execute(
            statement("orchestrations/recent"), {"org_id": org_id, "most": most}
        ).fetchall()
    for row in rows:
        note_end(database, row)
    return [dict(row) for row in rows]
