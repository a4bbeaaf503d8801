"""Replay: land again what was read before, so that today's mapping is applied to it without a call.

Belongs here: which kept answers land. Does not: making lines of them (enqueue.py), what is derived
from our own tables (derive.py).

Landed pages are kept for days and lines for weeks (docs/operations.md); of each record the newest
answer counts. It is SQL over sets, newest queues first and in growing groups, until every record
has its answer: after a whole reading that is one group. All in one transaction: a stop leaves
nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue, find_queue
from sync_pipeline.stages.coverage import Coverage, delta_name, rescan_name

_PAGE_RECORDS: Final = 1_000
_LARGEST_GROUP: Final = 64


def replay(database: Database, queue: Queue, entity: Entity) -> Coverage:
    """Land the newest kept answer about each record, as the pages of this queue.

    Returns:
        scanned: records that landed; total: records that the replay is about. The rest has no
        answer left that holds all fields of today.

    Raises:
        InputError: the sync whose records are meant is of another connection or entity.
    """
    values = _values(database, queue, entity)
    with database.organization(queue.org_id) as conn:
        conn.execute(statement("extract/forget"), values)
        wanted = _one(conn, "replay/wanted", entity, values)["n_wanted"]
        landed = 0
        earlier = [row["queue_no"] for row in conn.execute(statement("replay/queues"), values)]
        for group in groups(earlier):
            if landed == wanted:
                break
            place = {"queue_nos": list(group), "first_offset": landed}
            landed += int(_one(conn, "replay/land", entity, values | place)["n_landed"])
        if not landed:
            conn.execute(statement("replay/none"), values)
    return Coverage(scanned=landed, total=wanted, is_complete=None)


def kept_no_more(connection: str, entity: str, found: Coverage) -> str | None:
    """What did not land, and what brings it; None when everything did. Pure."""
    rest = (found.total or 0) - found.scanned
    if not rest:
        return None
    return (
        f"{rest} of {found.total} {entity} are kept no more, or lack fields that are asked for "
        f"now: sync-pipeline sync {connection} --entity {entity} --full reads them"
    )


def groups(queue_nos: Sequence[int]) -> Iterator[Sequence[int]]:
    """One queue, then two, then four …: few statements for many queues. Pure."""
    start, size = 0, 1
    while start < len(queue_nos):
        yield queue_nos[start : start + size]
        start, size = start + size, min(2 * size, _LARGEST_GROUP)


def _values(database: Database, queue: Queue, entity: Entity) -> dict[str, Any]:
    of_queue_no = None
    if queue.filters.replay_of is not None:
        of = find_queue(database, queue.filters.replay_of)
        if (of.connection_id, of.entity) != (queue.connection_id, queue.entity):
            raise InputError(
                f"The sync {of.id} is of {of.connection} {of.entity}, not of {queue.connection} "
                f"{queue.entity}.",
                remedy=f"Replay it there: {of.connection} --entity {of.entity}.",
            )
        of_queue_no = of.queue_no
    listing = entity.listing
    nested = entity.children
    return {
        "queue_no": queue.queue_no,
        "org_id": queue.org_id,
        "connection_id": queue.connection_id,
        "entity": entity.name,
        "of_queue_no": of_queue_no,
        "listing": listing.name,
        "listings": [listing.name, delta_name(listing), rescan_name(listing)],
        "prefix": entity.children_prefix,
        "guest_prefix": entity.guests.id_prefix if entity.guests else None,
        "fields": _held(listing.fields),
        "child_fields": _held((*nested.fields, nested.parent_field)) if nested else None,
        "date_field": entity.changes.date_field if entity.changes else None,
        "page_records": _PAGE_RECORDS,
    }


def _held(fields: Sequence[str]) -> list[str]:
    """The keys of a record of which these fields were asked for."""
    return sorted({"id", *(name.split(".")[0] for name in fields)})


def _one(conn: DictConnection, name: str, entity: Entity, values: dict[str, Any]) -> dict[str, Any]:
    modified = entity.modified_column
    is_own: sql.Composable = sql.SQL("true")
    if entity.children is not None:
        column = sql.Identifier("t", entity.children.parent_column)
        # A row that was deleted here says nothing of what it was.
        is_own = sql.SQL("CASE WHEN t.id IS NOT NULL THEN {} IS NULL END").format(column)
    records = sql.SQL(statement("replay/records")).format(
        target=sql.Identifier(entity.target),
        is_own=is_own,
        modified_at=sql.Identifier("t", modified) if modified else sql.SQL("NULL::timestamptz"),
    )
    row = conn.execute(sql.SQL(statement(name)).format(records=records), values).fetchone()
    assert row is not None  # noqa: S101  (an aggregate has a row)
    return row
