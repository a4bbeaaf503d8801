"""Asking the store about each record that its listing did not show twice in a row.

Belongs here: the questions, what an answer means, and keeping answers so that a stopped extract
goes on. Does not: which records are absent (absences.py), what becomes of our rows (deletions.py).

Only the store's own word that it has no such record counts as a deletion: a failure of any kind
ends the extract as it does while pages are read, and a record that cannot be served stays.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sync_pipeline import logs
from sync_pipeline.entities import Entity
from sync_pipeline.entities.deletion import Answer
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.queue.stops import refuse_if_stopped
from sync_pipeline.sources.by_ids import read_all_by_ids
from sync_pipeline.sources.errors import PageFaultError
from sync_pipeline.sources.protocol import Listing, PageRequest, Record, Source, UnreadableRecord
from sync_pipeline.stages.coverage import absent_name, answers_name
from sync_pipeline.stages.landing import land_by_ids

_CHUNK_RECORDS: Final = 100  # what one request by ids may name
_PROBE_ATTEMPTS: Final = 2


def confirm(
    database: Database,
    queue: Queue,
    entity: Entity,
    source: Source | None,
    listing: Listing,
    *,
    requests_at_once: int,
) -> None:
    """Ask about every record that was absent twice, land the answers, and keep what is elsewhere.

    Args:
        database: where absences were counted.
        queue: whose extract it is.
        entity: of the queue.
        source: None: the records are derived from our own tables, and their absence is the answer.
        listing: of the entity, as this connection reads it.
        requests_at_once: to records one by one.

    Raises:
        SyncError: the store is down or refuses us; answers that landed stay.
        QueueStoppedError: an operator stopped the queue; answers that landed stay.
    """
    values = {
        "queue_no": queue.queue_no,
        "connection_id": queue.connection_id,
        "entity": entity.name,
        "absent_listing": absent_name(entity.listing),
        "answers_listing": answers_name(entity.listing),
        "is_preview": queue.filters.preview,
        "most": _CHUNK_RECORDS,
    }
    after = _all(database, queue, "absence/last_asked", values)[0]["external_id"]
    while ids := _ids(database, queue, values | {"after": after}):
        refuse_if_stopped(database, queue)
        if source is None:
            answers = [_answer(one, "deleted", "") for one in ids]
        else:
            answers = _ask(entity, source, listing, ids, requests_at_once)
        land_by_ids(database, queue, answers_name(entity.listing), answers)
        after = ids[-1]
    if not queue.filters.preview:
        with database.organization(queue.org_id) as conn:
            conn.execute(statement("absence/settle"), values)


def _ask(
    entity: Entity, source: Source, listing: Listing, ids: Sequence[str], requests_at_once: int
) -> list[Record]:
    """Answers about these records, in the order of `ids`."""
    answers: dict[str, Record] = {}
    if entity.deletion.hidden is not None:
        answers = _listed_elsewhere(entity, source, listing, ids)
    alone = [one for one in ids if one not in answers]
    with logs.Workers(requests_at_once, thread_name_prefix="confirm") as pool:
        asked = [pool.submit(_ask_one, entity, source, listing, one) for one in alone]
        answers |= {one: future.result() for one, future in zip(alone, asked, strict=True)}
    return [answers[one] for one in ids]


def _listed_elsewhere(
    entity: Entity, source: Source, listing: Listing, ids: Sequence[str]
) -> dict[str, Record]:
    """Answers about those that the listing shows with other parameters, such as another role."""
    wider = replace(
        listing,
        fields=("id", entity.deletion.shown_as),
        params={**listing.params, **(entity.deletion.hidden or {})},
    )
    answers: dict[str, Record] = {}
    for one in read_all_by_ids(source, wider, ids):
        if isinstance(one, UnreadableRecord):
            assert one.external_id is not None  # noqa: S101  (it was asked for by it)
            answers[one.external_id] = _answer(one.external_id, "unanswered", one.reason)
        else:
            external_id = str(one["id"])
            answers[external_id] = _answer(external_id, *entity.deletion.meaning(one))
    return answers


def _ask_one(entity: Entity, source: Source, listing: Listing, external_id: str) -> Record:
    """The answer about one record, asked for alone (in a pool thread)."""
    asked = replace(listing, fields=("id", entity.deletion.shown_as), params={})
    try:
        found = source.read_one(asked, external_id)
    except PageFaultError as fault:
        # Only a store that answers elsewhere is right in that this record is bad.
        source.read(listing, PageRequest(0, 1), ids_only=True, attempts=_PROBE_ATTEMPTS)
        return _answer(external_id, "unanswered", fault.message)
    return _answer(external_id, *entity.deletion.meaning(found))


def _answer(external_id: str, answer: Answer, shown: str) -> Record:
    return {"id": external_id, "answer": answer, "as": shown}


def _ids(database: Database, queue: Queue, values: dict[str, Any]) -> list[str]:
    return [str(row["external_id"]) for row in _all(database, queue, "absence/to_ask", values)]


def _all(
    database: Database, queue: Queue, name: str, values: dict[str, Any]
) -> list[dict[str, Any]]:
    with database.organization(queue.org_id) as conn:
        return conn.execute(statement(name), values).fetchall()
