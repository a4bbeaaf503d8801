"""Gathering what is kept about one remote record.

Belongs here: reading it. Does not: what it means (reasons.py, timeline.py).
"""

from collections.abc import Mapping
from typing import Any

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.entities.references import LATE_COLUMNS
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.story.kinds import Dispute, Edit, Happening, Identity, Line, Story
from sync_pipeline.sources.connections import Connection

_SOURCE_WINS = "source_wins"


class UnknownRecordError(InputError):
    """No sync of this connection ever met the record."""

    code = "input.unknown_record"


def gather(database: Database, connection: Connection, entity: Entity, external_id: str) -> Story:
    """Read everything that is kept about one record.

    Raises:
        UnknownRecordError: nothing is.
    """
    key: dict[str, Any] = {
        "connection_id": connection.connection_id,
        "entity": entity.name,
        "external_id": external_id,
        "listing": entity.listing.name,
        "prefix": entity.children_prefix,
        "guest_prefix": entity.guests.id_prefix if entity.guests else None,
    }
    with database.organization(connection.org_id) as conn:
        identity = _identity(conn, entity, key)
        lines = tuple(Line(**row) for row in conn.execute(statement("story/lines"), key))
        conflicts = tuple(Dispute(**row) for row in conn.execute(statement("story/conflicts"), key))
        if identity is None and not lines and not conflicts:
            raise UnknownRecordError(
                f"No sync of {connection.name} ever met {entity.name} {external_id}.",
                remedy=f"Ask the store: sync-pipeline sync {connection.name} --entity "
                f"{entity.name} --external-id N.",
            )
        places = {
            "queue_nos": [line.queue_no for line in lines],
            "line_nos": [line.line_no for line in lines],
        }
        activity = tuple(
            Happening(**row) for row in conn.execute(statement("story/activity"), places)
        )
        syncs = conn.execute(statement("story/syncs"), key).fetchall()
        listed = conn.execute(statement("story/listed"), key).fetchone()
    met = set(places["queue_nos"])
    return Story(
        connection=connection.name,
        entity=entity.name,
        external_id=external_id,
        identity=identity,
        lines=lines,
        activity=activity,
        conflicts=conflicts,
        sync_ends={
            row["queue_no"]: row["finished_at"] for row in syncs if row["queue_no"] not in met
        },
        is_listed=listed["is_listed"] if listed else None,
        edits=_edits(identity, entity, connection.options),
    )


def _identity(conn: DictConnection, entity: Entity, key: dict[str, Any]) -> Identity | None:
    row = conn.execute(
        sql.SQL(statement("story/record")).format(target=sql.Identifier(entity.target)), key
    ).fetchone()
    return None if row is None else Identity(**row)


def _edits(
    identity: Identity | None, entity: Entity, options: Mapping[str, Any]
) -> dict[str, Edit]:
    """Fields in which our row is not what the record was last taken to have. Pure."""
    if identity is None or identity.base is None or identity.ours is None:
        return {}
    chosen = options.get("policies") or {}
    policies = {**entity.policies, **(chosen.get(entity.name) or {})}
    late = LATE_COLUMNS.get(entity.target, ())
    base, ours = identity.base, identity.ours
    return {
        name: Edit(base[name], ours[name], policies.get(name, _SOURCE_WINS))
        for name in entity.columns
        if name in base and name not in late and base[name] != ours.get(name)
    }
