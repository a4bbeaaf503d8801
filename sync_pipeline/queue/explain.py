"""The story of one remote record: why our row is as it is.

Belongs here: gathering what is kept about a record, and saying in words what follows from it.
Does not: printing (cli/), deciding (sql/queue/complete.sql).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.sources.connections import Connection


class UnknownRecordError(InputError):
    """No sync of this connection ever met the record."""

    code = "input.unknown_record"


@dataclass(frozen=True)
class Identity:
    """Which of our rows a remote record is.

    Attributes:
        origin: "created" when a sync made our row, "matched" when it was there before.
        ours: our row, every column; None when somebody deleted it.
        tombstoned_at: since when the record is known to be gone on the other side.
    """

    local_id: UUID
    origin: str
    applied_at: datetime
    tombstoned_at: datetime | None
    origin_queue_id: UUID | None
    applied_queue_id: UUID | None
    ours: Mapping[str, Any] | None
    ours_updated_at: datetime | None


@dataclass(frozen=True)
class Line:
    """One time that the record was on a queue."""

    queue_no: int
    line_no: int
    queue_id: UUID
    state: str
    process_count: int
    error_count: int
    error_code: str | None
    error_message: str | None
    last_error_at: datetime | None
    finished_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class Happening:
    """One row of the audit; before and after hold the columns that changed."""

    queue_id: UUID
    activity_type: str
    status: str
    message: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    created_at: datetime


@dataclass(frozen=True)
class Dispute:
    """One conflict that the record was in."""

    id: UUID
    conflict_type: str
    state: str
    message: str
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    queue_id: UUID | None


@dataclass(frozen=True)
class Story:
    """Everything that is kept about one remote record, each list oldest first.

    Attributes:
        quiet_syncs: whole syncs since the record's last line: its content was the same, or it
            was not listed.
        is_listed: whether the newest of them met the record; None when that is not known.
    """

    connection: str
    entity: str
    external_id: str
    identity: Identity | None
    lines: tuple[Line, ...]
    activity: tuple[Happening, ...]
    conflicts: tuple[Dispute, ...]
    quiet_syncs: int
    last_quiet_at: datetime | None
    is_listed: bool | None


def explain(database: Database, connection: Connection, entity: Entity, external_id: str) -> Story:
    """Gather what is kept about one record.

    Raises:
        UnknownRecordError: nothing is.
    """
    key: dict[str, Any] = {
        "connection_id": connection.connection_id,
        "entity": entity.name,
        "external_id": external_id,
        "listing": entity.listing.name,
    }
    with database.organization(connection.org_id) as conn:
        record = conn.execute(
            sql.SQL(statement("queue/explain_record")).format(target=sql.Identifier(entity.target)),
            key,
        ).fetchone()
        lines = [
            Line(**row) for row in conn.execute(statement("queue/explain_lines"), key).fetchall()
        ]
        conflicts = conn.execute(statement("queue/explain_conflicts"), key).fetchall()
        places = {
            "queue_nos": [line.queue_no for line in lines],
            "line_nos": [line.line_no for line in lines],
        }
        activity = conn.execute(statement("queue/explain_activity"), places).fetchall()
        last = max(places["queue_nos"], default=0)
        quiet = conn.execute(
            statement("queue/explain_quiet"), {**key, "last_queue_no": last}
        ).fetchone()
    if record is None and not lines and not conflicts:
        raise UnknownRecordError(
            f"No sync of {connection.name} ever met {entity.name} {external_id}.",
            remedy=f"Ask the store: sync-pipeline sync {connection.name} --entity {entity.name} "
            "--external-id N.",
        )
    assert quiet is not None  # noqa: S101  (an aggregate has a row)
    return Story(
        connection=connection.name,
        entity=entity.name,
        external_id=external_id,
        identity=None if record is None else Identity(**record),
        lines=tuple(lines),
        activity=tuple(Happening(**row) for row in activity),
        conflicts=tuple(Dispute(**row) for row in conflicts),
        quiet_syncs=quiet["n_syncs"],
        last_quiet_at=quiet["last_finished_at"],
        is_listed=quiet["is_listed"],
    )


def reasons(story: Story) -> list[str]:
    """Why our side is as it is now, one sentence a reason. Pure."""
    return [
        sentence
        for sentence in (
            _of_identity(story),
            _of_last_line(story),
            _of_later_syncs(story),
            _of_our_row(story),
            *(
                f"An open conflict waits for a person: {one.conflict_type}, {one.message}."
                for one in story.conflicts
                if one.state == "open"
            ),
        )
        if sentence
    ]


def _of_identity(story: Story) -> str:
    it = story.identity
    if it is None:
        return "It is none of our rows: no sync has applied it yet."
    how = (
        "which a sync created for it"
        if it.origin == "created"
        else "which was there before and was matched by its key"
    )
    gone = f" It is gone in the store since {_time(it.tombstoned_at)}." if it.tombstoned_at else ""
    return f"It is our row {it.local_id}, {how}.{gone}"


def _of_last_line(story: Story) -> str:
    if not story.lines:
        it = story.identity
        applied = f"; it was last applied on {_time(it.applied_at)}" if it else ""
        return f"Every queue that it was on is purged, with its lines{applied}."
    last = story.lines[-1]
    if last.state == "failed":
        held = (
            "our row still holds what was applied before"
            if story.identity
            else "so there is no row of ours"
        )
        why = f"{last.error_code}, {last.error_message}"
        return f"Its last line failed ({why}): {held}."
    if last.state == "done":
        did = _DID.get(_last_activity(story), "was applied")
        return f"Its last line {did} in queue {last.queue_id}."
    if last.state == "cancelled":
        return "Its last line was cancelled before it was applied."
    tried = f", after {last.error_count} failed attempts" if last.error_count else ""
    return f"Its last line waits to be applied (state {last.state}{tried}): queue {last.queue_id}."


_DID = {
    "record_created": "created our row",
    "record_updated": "changed our row",
    "record_unchanged": "found our row equal already",
}


def _last_activity(story: Story) -> str:
    return story.activity[-1].activity_type if story.activity else ""


def _of_later_syncs(story: Story) -> str:
    if not story.quiet_syncs or story.last_quiet_at is None:
        return ""
    syncs = "One whole sync" if story.quiet_syncs == 1 else f"{story.quiet_syncs} whole syncs"
    when = f"{syncs} came after that, the last on {_time(story.last_quiet_at)}"
    if story.is_listed is False:
        return f"{when}: the store no longer lists the record."
    return f"{when}: the record was as before, so it made no line."


def _of_our_row(story: Story) -> str:
    it = story.identity
    if it is None:
        return ""
    if it.ours is None:
        return "Somebody deleted our row after the sync applied it."
    if it.ours_updated_at and it.ours_updated_at > it.applied_at:
        return (
            f"Our row was changed by something else on {_time(it.ours_updated_at)}, "
            f"after the sync applied it on {_time(it.applied_at)}."
        )
    return ""


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
