"""Conflicts as people see them: a list of them, and one with both sides.

Belongs here: asking. Does not: deciding (resolving.py), counting (stats.py), printing (cli/).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity, entity_of
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.conflicts.choosing import Chosen, composed, one_of
from sync_pipeline.queue.lookup import id_range
from sync_pipeline.sources.connections import Connection, find_connection, list_connections


class UnknownConflictError(InputError):
    """No conflict has that id."""

    code = "input.unknown_conflict"


@dataclass(frozen=True)
class Conflict:
    """One conflict.

    Attributes:
        external_id: of the record in the remote system; `*`: all of them.
        version: grows with every change of what is in dispute; a decision names it.
        code: the error's own code, such as duplicate.key_taken.
        fields: our columns in dispute, by name; none but for DataMismatch.
        tries: tries so far, of those that try again by themselves.
        next_try_at: when the next one is due.
        queue_id: the sync that met it last; None: purged.
        resolution_queue_id, decided_by: the queue that applies, or applied, what was decided last,
            and who did; while it is open and not being resolved, that was refused or stopped.
        is_being_resolved: that queue is not finished.
    """

    conflict_no: int
    id: UUID
    connection: str
    entity: str
    external_id: str
    conflict_type: str
    strategy: str
    state: str
    version: int
    message: str
    code: str | None
    fields: tuple[str, ...]
    tries: int
    next_try_at: datetime | None
    created_at: datetime
    updated_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    queue_id: UUID | None
    resolution_queue_id: UUID | None
    decided_by: str | None
    is_being_resolved: bool


@dataclass(frozen=True)
class Side:
    """One column of ours: what both sides last had, ours, theirs, and what it becomes by itself.

    Attributes:
        is_disputed: a person decides; `merged` is ours until then.
    """

    name: str
    base: Any
    ours: Any
    theirs: Any
    merged: Any
    is_disputed: bool


@dataclass(frozen=True)
class Shown:
    """One conflict with both sides, as they are now.

    Attributes:
        sides: fields that differ among the three, those in dispute first.
        is_deletion: our row is to go; what is in dispute was edited here since.
        is_undo: an undo wants the other side, not the store.
    """

    conflict: Conflict
    sides: tuple[Side, ...]
    is_deletion: bool
    is_undo: bool


def list_conflicts(
    database: Database, chosen: Chosen, *, most: int = 50, before_no: int | None = None
) -> list[Conflict]:
    """Conflicts, the newest first.

    Args:
        before_no: `conflict_no` of the last one of the page before.

    Raises:
        UnknownConnectionError: no such connection.
    """
    found: list[Conflict] = []
    for org_id, connection_id in scopes(database, chosen):
        values = chosen.values(connection_id, most=most, before_no=before_no)
        with database.organization(org_id) as conn:
            found += _conflicts(conn.execute(composed("list"), values).fetchall())
    return sorted(found, key=lambda one: -one.conflict_no)[:most]


def find_conflict(database: Database, typed: str) -> tuple[UUID, str, str]:
    """Id, connection and entity of the conflict with this id, or whose id alone begins so.

    Raises:
        InputError: neither an id nor the beginning of one, or several begin so.
        UnknownConflictError: none does.
    """
    lowest, highest = id_range(typed, "conflict", "conflicts list")
    with database.control() as conn:
        values = {"lowest": lowest, "highest": highest}
        found = conn.execute(statement("conflicts/find"), values).fetchall()
    if not found:
        raise UnknownConflictError(
            f"There is no conflict {typed}.", remedy="See `sync-pipeline conflicts list`."
        )
    if len(found) > 1:
        raise InputError(
            f"Several conflicts begin with {typed}, {found[0]['id']} for one.",
            remedy="Give more of the id: sync-pipeline conflicts list --json.",
        )
    return found[0]["id"], found[0]["connection"], found[0]["entity"]


def show_conflict(database: Database, typed: str) -> Shown:
    """One conflict with both sides as they are now; what changed here since makes a new version.

    Raises:
        As `find_conflict`.
    """
    conflict_id, name, entity_name = find_conflict(database, typed)
    connection = find_connection(database, name)
    entity = entity_of(connection.system, entity_name)
    chosen = one_of([conflict_id])
    with database.organization(connection.org_id) as conn:
        refresh(conn, connection, entity, chosen)
        values = chosen.values(connection.connection_id, most=1, before_no=None)
        (conflict,) = _conflicts(conn.execute(composed("list"), values).fetchall())
        sides = conn.execute(statement("conflicts/sides"), {"id": conflict_id}).fetchone()
    assert sides is not None  # noqa: S101  (it was listed in this transaction)
    return Shown(conflict, sides_of(sides), sides["is_deletion"], sides["is_undo"])


def refresh(conn: DictConnection, connection: Connection, entity: Entity, chosen: Chosen) -> None:
    """Bring our side of the chosen conflicts of one entity up to date; not while one is applied."""
    conn.execute(
        composed("refresh", entity.target),
        chosen.values(connection.connection_id, policies=Jsonb(dict(entity.policies)))
        | {"entity": entity.name, "is_undecided": True},
    )


def sides_of(row: Mapping[str, Mapping[str, Any]]) -> tuple[Side, ...]:
    """The fields that differ, those in dispute first. Pure.

    Args:
        row: base, ours, theirs, merged: values by column; fields: those in dispute.
    """
    names = sorted(row["ours"].keys() | row["theirs"].keys())
    sides = [
        Side(
            name=name,
            base=row["base"].get(name),
            ours=row["ours"].get(name),
            # A record that is gone has no values: nothing is taken from it.
            theirs=row["theirs"].get(name),
            merged=row["merged"].get(name),
            is_disputed=name in row["fields"],
        )
        for name in names
    ]
    return tuple(
        sorted(
            (one for one in sides if one.is_disputed or _differs(one, has_theirs=row["theirs"])),
            key=lambda one: not one.is_disputed,
        )
    )


def _differs(side: Side, *, has_theirs: object) -> bool:
    return bool(has_theirs) and (side.ours != side.theirs or side.merged != side.ours)


def scopes(database: Database, chosen: Chosen) -> Iterable[tuple[str, int | None]]:
    """Organization, and the connection in it when one is named."""
    if chosen.connection is not None:
        connection = find_connection(database, chosen.connection)
        return [(connection.org_id, connection.connection_id)]
    return sorted({(one.org_id, None) for one in list_connections(database)})


def _conflicts(rows: Iterable[Mapping[str, Any]]) -> list[Conflict]:
    return [Conflict(**{**row, "fields": tuple(row["fields"])}) for row in rows]
