"""Refetch: read records again that the store could not serve, when an operator retries their lines.

Belongs here: from lines that wait for their record to lines that have it, or the reason why not.
Does not: which lines are retried (queue/actions.py), applying them (upsert.py).

A record that was never had is a line whose payload says why (landing.py). A retry as it is would
fail again with the old reason, so its record is asked for by id first. No batch is leased then.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.queue.stops import refuse_if_stopped
from sync_pipeline.sources.by_ids import read_all_by_ids
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.protocol import Listing, Record, Source, UnreadableRecord
from sync_pipeline.stages.extract import filtered
from sync_pipeline.stages.landing import marked, storable

_CHUNK_RECORDS = 100  # what one request by ids may name
_LAST_LINE = 2**31 - 1
_GONE = "the record is no longer in the store"


@dataclass(frozen=True)
class Refetched:
    """What became of the records that were asked for again.

    Attributes:
        read: the store served them; their lines can be applied.
        unreadable: still not served, or not storable; their lines fail again, with the reason.
        gone: no longer in the store; their lines are cancelled.
    """

    read: int = 0
    unreadable: int = 0
    gone: int = 0

    def __add__(self, other: "Refetched") -> "Refetched":
        """Both together."""
        return Refetched(
            self.read + other.read,
            self.unreadable + other.unreadable,
            self.gone + other.gone,
        )


def refetch(
    database: Database, queue: Queue, connection: Connection, entity: Entity, source: Source
) -> Refetched:
    """Read the records of retried lines that were never had: one request per 100 of them.

    Several processes may do so at once: the first answer stays.

    Raises:
        QueueStoppedError: an operator stopped the queue; the lines wait.
        SyncError: the store is down or refuses us; the lines wait for the next start.
    """
    # The filters of the sync chose these records; only what the connection narrows counts here.
    listing = filtered(entity, Filters(), connection.options)
    total = Refetched()
    while ids := _unread(database, queue):
        refuse_if_stopped(database, queue)
        found = _read_again(database, queue, entity, source, listing, ids)
        total += _keep(database, queue, entity, ids, found)
    if total != Refetched():
        with database.organization(queue.org_id) as conn:
            record_activity(
                conn,
                queue,
                "records_read_again",
                "warning" if total.unreadable else "info",
                f"{total.read} records were read again, {total.unreadable} are not served still, "
                f"{total.gone} are gone",
            )
    return total


def _unread(database: Database, queue: Queue) -> list[str]:
    values = {
        "queue_no": queue.queue_no,
        "first_line": 0,
        "last_line": _LAST_LINE,
        "most": _CHUNK_RECORDS,
    }
    with database.organization(queue.org_id) as conn:
        rows = conn.execute(statement("queue/unread"), values).fetchall()
    return [row["external_id"] for row in rows]


def _read_again(
    database: Database,
    queue: Queue,
    entity: Entity,
    source: Source,
    listing: Listing,
    ids: Sequence[str],
) -> list[Record | UnreadableRecord]:
    """Ask for each record where it was listed: in the entity's listing, or under its parent."""
    if entity.children is None:
        return read_all_by_ids(source, listing, ids)
    values = {
        "queue_no": queue.queue_no,
        "prefix": entity.children.prefix,
        "external_ids": list(ids),
    }
    with database.organization(queue.org_id) as conn:
        rows = conn.execute(statement("refetch/parents"), values).fetchall()
    parents = {row["external_id"]: row["parent_id"] for row in rows}
    own = [one for one in ids if one not in parents]
    found = read_all_by_ids(source, listing, own) if own else []
    for parent_id in sorted(set(parents.values())):
        refuse_if_stopped(database, queue)
        under = [one for one in ids if parents.get(one) == parent_id]
        for one in read_all_by_ids(source, entity.children.under(parent_id), under):
            if isinstance(one, UnreadableRecord):
                found.append(one)
            else:
                found.append(entity.children.placed(one, parent_id))
    return found


def _keep(
    database: Database,
    queue: Queue,
    entity: Entity,
    ids: Sequence[str],
    found: Sequence[Record | UnreadableRecord],
) -> Refetched:
    """Write one chunk of answers into the lines."""
    records = [marked(one) if isinstance(one, UnreadableRecord) else one for one in found]
    gone = sorted(set(ids) - {str(record.get("id")) for record in records})
    with database.organization(queue.org_id) as conn:
        try:
            with conn.transaction():
                _replace(conn, queue, entity, records)
        except psycopg.DataError:
            records = [storable(conn, record) for record in records]
            _replace(conn, queue, entity, records)
        if gone:
            _cancel(conn, queue, gone)
    unreadable = sum("_invalid" in record for record in records)
    return Refetched(len(records) - unreadable, unreadable, len(gone))


def _replace(conn: DictConnection, queue: Queue, entity: Entity, records: Sequence[Record]) -> None:
    conn.execute(
        sql.SQL(statement("refetch/replace")).format(
            enrichment=sql.SQL(statement(entity.enrichment or "enqueue/no_enrichment"))
        ),
        {
            "queue_no": queue.queue_no,
            "connection_id": queue.connection_id,
            "salt": entity.hash_salt(queue.lifetime_value_rule),
            "records": json.dumps(list(records)),
        },
    )


def _cancel(conn: DictConnection, queue: Queue, external_ids: Sequence[str]) -> None:
    conn.execute(statement("actions/hold"), {"queue_no": queue.queue_no})
    conn.execute(
        statement("refetch/gone"),
        {
            "queue_no": queue.queue_no,
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "entity": queue.entity,
            "external_ids": list(external_ids),
            "message": _GONE,
        },
    )
