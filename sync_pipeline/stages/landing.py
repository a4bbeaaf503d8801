"""Landing what a remote system answered, as it answered, before anybody judges it.

Belongs here: writing and asking about `sync_page`. Does not: what to read (extract.py), what it
means (enqueue.py).
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.queue.stops import refuse_if_stopped
from sync_pipeline.sources.protocol import Page, PageRequest, Record, UnreadableRecord


@dataclass(frozen=True)
class Landed:
    """One range that landed: its place, how many records came, and the total then."""

    request: PageRequest
    n_records: int
    total: int | None


def land(database: Database, queue: Queue, listing: str, outcome: Page | UnreadableRecord) -> None:
    """Keep one answer. A record that PostgreSQL cannot hold is kept as the reason why.

    Raises:
        QueueStoppedError: an operator stopped the queue; the answer was kept all the same.
    """
    page = outcome if isinstance(outcome, Page) else _quarantined(outcome)
    with database.organization(queue.org_id) as conn:
        try:
            with conn.transaction():
                _insert(conn, queue, listing, page)
        except psycopg.DataError:
            records = [storable(conn, record) for record in page.records]
            _insert(conn, queue, listing, _with(page, records))
        row = conn.execute(statement("extract/is_stopped"), {"queue_no": queue.queue_no}).fetchone()
    if row is not None and row["is_stopped"]:
        refuse_if_stopped(database, queue)


def land_by_ids(
    database: Database,
    queue: Queue,
    listing: str,
    found: Sequence[Record | UnreadableRecord],
) -> None:
    """Keep records that were fetched by id, or why one was not: they have no place in the listing.

    Their offset is the first below 0 that nothing landed at, also in an earlier start.
    """
    with database.organization(queue.org_id) as conn:
        row = conn.execute(
            statement("extract/next_place"), {"queue_no": queue.queue_no, "listing": listing}
        ).fetchone()
    assert row is not None  # noqa: S101  (an aggregate has a row)
    records = [marked(one) if isinstance(one, UnreadableRecord) else one for one in found]
    place = PageRequest(offset=int(row["next_offset"]), limit=len(records))
    land(database, queue, listing, Page(place, records, None, 0.0))


def landed_ranges(database: Database, queue: Queue, listing: str) -> list[Landed]:
    """The ranges of a listing that landed so far, in order."""
    with database.organization(queue.org_id) as conn:
        rows = conn.execute(
            statement("extract/landed"), {"queue_no": queue.queue_no, "listing": listing}
        ).fetchall()
    return [
        Landed(
            PageRequest(row["first_offset"], row["record_limit"]), row["n_records"], row["total"]
        )
        for row in rows
    ]


def missing_requests(
    total: int, page_records: int, landed: Iterable[PageRequest]
) -> Iterator[PageRequest]:
    """The ranges that cover positions 0 … total - 1 and did not land. Pure.

    Ranges begin at multiples of the page size where they can, and are whole pages: the last one
    may reach past the total, where a growing store has new records.
    """
    position = 0
    for request in sorted(landed):
        yield from _pages(position, min(request.offset, total), page_records)
        position = max(position, request.offset + request.limit)
    if position < total:
        last = position + -(-(total - position) // page_records) * page_records
        yield from _pages(position, last, page_records)


def _pages(start: int, end: int, page_records: int) -> Iterator[PageRequest]:
    while start < end:
        boundary = (start // page_records + 1) * page_records
        stop = min(boundary, end)
        yield PageRequest(start, stop - start)
        start = stop


def _insert(conn: DictConnection, queue: Queue, listing: str, page: Page) -> None:
    conn.execute(
        statement("extract/land"),
        {
            "queue_no": queue.queue_no,
            "listing": listing,
            "first_offset": page.request.offset,
            "record_limit": page.request.limit,
            "org_id": queue.org_id,
            "n_records": len(page.records),
            "total": page.total,
            "body": json.dumps(page.records),
            "noise": page.noise,
            "elapsed_ms": round(page.elapsed_seconds * 1000),
        },
    )


def storable(conn: DictConnection, record: Record) -> Record:
    """The record, or what is wrong with it when jsonb cannot hold it (NUL, lone surrogate)."""
    try:
        with conn.transaction():
            conn.execute("SELECT %s::jsonb", [json.dumps(record)])
    except psycopg.DataError as error:
        reason = f"PostgreSQL cannot hold the record: {error.diag.message_primary}"
        detail = (error.diag.message_detail or "").strip()
        return _invalid(
            record.get("id"), "validation.unstorable", f"{reason}. {detail}".rstrip(". ")
        )
    return record


def _quarantined(record: UnreadableRecord) -> Page:
    place = PageRequest(record.offset, 1)
    return Page(place, [marked(record)], None, 0.0)


def marked(record: UnreadableRecord) -> Record:
    """What stands for a record that the store could not serve: its id if known, and the reason."""
    return _invalid(record.external_id, record.code, record.reason)


def _invalid(external_id: object, code: str, reason: str) -> dict[str, Any]:
    known = {} if external_id is None else {"id": external_id}
    return {**known, "_invalid": {"code": code, "reason": reason}}


def _with(page: Page, records: list[Record]) -> Page:
    return Page(page.request, records, page.total, page.elapsed_seconds, page.noise)
