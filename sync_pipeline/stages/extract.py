"""Extract: read a remote system whole, land every answer, and prove that nothing slipped by.

Belongs here: what a sync reads, and what it says of it. Does not: how a listing is scanned
(scan.py), where answers land (landing.py), what they mean (enqueue.py).

A stopped extract goes on at the first missing range. What moves while it reads shows in the
totals: then the ids alone are swept again, and what slipped between pages is fetched by id.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity
from sync_pipeline.entities.reading import Changes
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.queue.stops import refuse_if_stopped
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import Connection, remember_page_records
from sync_pipeline.sources.protocol import Listing, Source
from sync_pipeline.stages.children import read_children
from sync_pipeline.stages.coverage import Coverage, landed_name
from sync_pipeline.stages.deltas import known_figures, known_records, newest_change, scan_changes
from sync_pipeline.stages.derive import derive
from sync_pipeline.stages.scan import SWEEPS, OnRead, Scanner
from sync_pipeline.stages.turns import turn


def extract(
    database: Database,
    queue: Queue,
    connection: Connection,
    entity: Entity,
    source: Source | None,
    settings: SourceSettings,
    on_read: OnRead | None = None,
) -> Coverage:
    """Read everything the queue needs into sync_page and move the queue on to enqueue.

    An entity with a derivation needs no source; it is read from our own tables.

    Done already: reads nothing and says what was found then. Another process reads for this very
    queue: waits for it.

    Raises:
        TransientError: the store is down; what landed stays, the next start goes on.
        QueueStoppedError: an operator stopped the queue; what landed stays.
        PermanentError: a person must act.
    """
    refuse_if_stopped(database, queue)
    if (done := _done_before(database, queue)) is not None:
        return done
    with turn(database, queue):
        # Who had the turn before may have read it all.
        if (done := _done_before(database, queue)) is not None:
            return done
        if entity.derivation is not None:
            reading = _derive(database, queue, connection, entity, settings, on_read)
        else:
            assert source is not None  # noqa: S101  (who calls opens one)
            reading = _read(database, queue, connection, entity, source, settings, on_read)
        _finish(database, queue, connection, entity, reading)
        return reading.coverage


def filtered(entity: Entity, filters: Filters, options: Mapping[str, Any]) -> Listing:
    """The entity's listing as this connection and these filters read it. Pure."""
    params = dict(entity.listing.params)
    for option, param in entity.option_params.items():
        if value := options.get(option):
            params[param] = str(value)
    if filters.email:
        params["email"] = filters.email
    if filters.external_id:
        guest = entity.guests.email_of(filters.external_id) if entity.guests else None
        params |= {"email": guest} if guest else {"include": filters.external_id}
    if entity.window:
        params |= entity.window.asked(filters.created_after, filters.created_before)
    return replace(entity.listing, params=params)


def figures_asked(entity: Entity, options: Mapping[str, Any]) -> tuple[Listing, str | None]:
    """The listing of the figures as this connection needs it, and its watermark's salt. Pure."""
    listing = entity.figures_listing
    assert listing is not None  # noqa: S101  (who calls has figures)
    if entity.guests is None or options.get(entity.guests.option) is not True:
        return listing, None
    fields = dict.fromkeys((*listing.fields, *entity.guests.fields))
    return replace(listing, fields=tuple(fields)), entity.guests.name


def incomplete_reason(name: str, coverage: Coverage) -> str | None:
    """In words, why a scan proves nothing; None when it does, or when there is nothing to prove."""
    if coverage.is_complete is not False:
        return None
    if coverage.total is None:
        return f"the store names no total of its {name}, so nothing proves that all were read"
    return (
        f"{coverage.scanned} of {coverage.total} {name} were read: records came or went faster "
        f"than {SWEEPS} sweeps could follow"
    )


@dataclass(frozen=True)
class _Reading:
    """What was read: of the records, of what enriches them, and how far that goes."""

    coverage: Coverage
    newest_utc: datetime | None
    figures: Coverage | None
    page_records: int


def _read(
    database: Database,
    queue: Queue,
    connection: Connection,
    entity: Entity,
    source: Source,
    settings: SourceSettings,
    on_read: OnRead | None,
) -> _Reading:
    scanner = Scanner(database, queue, connection, source, settings, on_read)
    listing = filtered(entity, queue.filters, connection.options)
    if queue.filters.is_window:
        # Of a listing of its own, whose total proves it.
        coverage = scanner.scan_whole(listing)
    elif not queue.filters.is_everything:
        coverage = scanner.scan_part(listing, queue.filters.limit)
    elif entity.changes is not None:
        known = known_records(entity, queue.lifetime_value_rule)
        coverage = scan_changes(scanner, listing, entity.changes, known)
    else:
        coverage = scanner.scan_whole(listing)
    newest_utc = None
    if entity.changes is not None and queue.filters.is_everything:
        newest_utc = newest_change(scanner, landed_name(listing, coverage), entity.changes)
    if entity.children is not None:
        coverage = read_children(scanner, entity.children, listing, coverage)
    figures = None
    if entity.figures_listing is not None:
        orders, salt = figures_asked(entity, connection.options)
        figures = scan_changes(scanner, orders, Changes(), known_figures(orders, salt))
    return _Reading(coverage, newest_utc, figures, scanner.sizes.current)


def _derive(
    database: Database,
    queue: Queue,
    connection: Connection,
    entity: Entity,
    settings: SourceSettings,
    on_read: OnRead | None,
) -> _Reading:
    found = derive(database, queue, entity, overlap_seconds=settings.watermark_overlap_seconds)
    if on_read:
        on_read(entity.listing.name, found.coverage.scanned, found.coverage.total)
    return _Reading(found.coverage, found.newest_utc, None, connection.page_records)


def _done_before(database: Database, queue: Queue) -> Coverage | None:
    with database.organization(queue.org_id) as conn:
        row = conn.execute(statement("extract/note"), {"queue_no": queue.queue_no}).fetchone()
    if row is None or row["stage"] == "extract":
        return None
    return Coverage(**row["extract_note"]["records"])


def _finish(
    database: Database, queue: Queue, connection: Connection, entity: Entity, reading: _Reading
) -> None:
    coverage, figures = reading.coverage, reading.figures
    reasons = [
        reason
        for name, one in ((queue.entity, coverage), ("orders", figures))
        if one is not None and (reason := incomplete_reason(name, one))
    ]
    note: dict[str, Any] = {"records": asdict(coverage)}
    if figures is not None:
        note["figures"] = asdict(figures)
    if reasons:
        note["incomplete"] = "; ".join(reasons)
    elif coverage.is_complete and reading.newest_utc is not None:
        note["watermark"] = {
            "watermark_utc": reading.newest_utc.isoformat(),
            "salt": entity.watermark_salt(queue.lifetime_value_rule),
            "total": coverage.listed_total,
        }
    is_complete = False if reasons else coverage.is_complete
    with database.organization(queue.org_id) as conn:
        moved = conn.execute(
            statement("extract/finish"),
            {
                "queue_no": queue.queue_no,
                "is_complete": is_complete,
                "source_total": coverage.store_total if coverage.is_delta else coverage.total,
                "note": Jsonb(note),
            },
        ).fetchone()
        remember_page_records(conn, connection.connection_id, reading.page_records)
        if moved is not None:
            record_activity(
                conn,
                queue,
                "extract_completed",
                "warning" if reasons else "success",
                "; ".join(reasons) or _in_words(queue.entity, coverage),
                note,
            )


def _in_words(name: str, coverage: Coverage) -> str:
    if coverage.is_delta:
        return f"read {coverage.scanned} {name} that changed, of {coverage.store_total}"
    return f"read {coverage.scanned} of {coverage.total} {name}"
