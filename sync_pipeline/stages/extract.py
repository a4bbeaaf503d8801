"""Extract: read a remote system whole, land every answer, and prove that nothing slipped by.

Belongs here: what a sync reads. Does not: how a listing is scanned (scan.py), where answers land
(landing.py), what is kept and said of it (extracted.py), what they mean (enqueue.py).

A stopped extract goes on at the first missing range. What moves while it reads shows in the
totals: then the ids alone are swept again, and what slipped between pages is fetched by id.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sync_pipeline.entities import Entity
from sync_pipeline.entities.reading import Changes
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import Queue
from sync_pipeline.queue.stops import refuse_if_stopped
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.protocol import Listing, Source
from sync_pipeline.stages.absences import look_for_absent
from sync_pipeline.stages.applying import shown_coverage
from sync_pipeline.stages.children import read_children
from sync_pipeline.stages.coverage import NOTHING_READ, Coverage, landed_name
from sync_pipeline.stages.deltas import (
    Newest,
    known_figures,
    known_records,
    newest_landed,
    scan_changes,
)
from sync_pipeline.stages.derive import derive
from sync_pipeline.stages.extracted import Reading, finish_extract
from sync_pipeline.stages.replay import replay
from sync_pipeline.stages.scan import OnRead, Scanner
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

    An entity with a derivation needs no source, it is read from our own tables; nor does a replay.

    Done already: reads nothing and says what was found then. Another process reads for this very
    queue: waits for it.

    A whole, proven reading also tells who is absent (absences.py).

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
        if queue.filters.applies is not None:
            found = shown_coverage(database, queue)
            reading = Reading(found, None, None, connection.page_records)
        elif entity.derivation is not None:
            reading = _derive(database, queue, connection, entity, settings, on_read)
        elif queue.filters.replay:
            found = replay(database, queue, entity)
            reading = Reading(found, None, None, connection.page_records)
        else:
            assert source is not None  # noqa: S101  (who calls opens one)
            reading = _read(database, queue, connection, entity, source, settings, on_read)
        listing = filtered(entity, queue.filters, connection.options)
        absence = look_for_absent(
            database,
            queue,
            connection,
            entity,
            source,
            listing,
            settings=settings,
            coverage=reading.coverage,
        )
        reading = reading.with_absence(absence)
        finish_extract(database, queue, connection, entity, reading)
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


def _read(
    database: Database,
    queue: Queue,
    connection: Connection,
    entity: Entity,
    source: Source,
    settings: SourceSettings,
    on_read: OnRead | None,
) -> Reading:
    scanner = Scanner(database, queue, connection, source, settings, on_read)
    listing = filtered(entity, queue.filters, connection.options)
    if queue.filters.is_window:
        # Of a listing of its own, whose total proves it.
        coverage = scanner.scan_whole(listing)
    elif not queue.filters.is_everything:
        coverage = scanner.scan_part(listing, queue.filters.limit)
    elif entity.changes is not None:
        known = known_records(entity, queue.lifetime_value_rule)
        coverage = scan_changes(
            scanner, listing, entity.changes, known, rescan_pages=settings.rescan_pages
        )
    else:
        coverage = scanner.scan_whole(listing)
    newest = Newest()
    if entity.changes is not None and queue.filters.is_everything:
        newest = newest_landed(scanner, landed_name(listing, coverage), entity.changes)
    if entity.children is not None:
        coverage = read_children(scanner, entity.children, listing, coverage)
    figures = None
    if entity.figures_listing is not None:
        orders, salt = figures_asked(entity, connection.options)
        figures = scan_changes(scanner, orders, Changes(), known_figures(orders, salt))
    sizes = scanner.sizes
    return Reading(coverage, newest.change_utc, figures, sizes.current, newest.highest_id)


def _derive(
    database: Database,
    queue: Queue,
    connection: Connection,
    entity: Entity,
    settings: SourceSettings,
    on_read: OnRead | None,
) -> Reading:
    found = derive(database, queue, entity, overlap_seconds=settings.watermark_overlap_seconds)
    if on_read:
        on_read(entity.listing.name, found.coverage.scanned, found.coverage.total)
    return Reading(found.coverage, found.newest_utc, None, connection.page_records)


def _done_before(database: Database, queue: Queue) -> Coverage | None:
    with database.organization(queue.org_id) as conn:
        row = conn.execute(statement("extract/note"), {"queue_no": queue.queue_no}).fetchone()
    if row is None or row["stage"] == "extract":
        return None
    # A queue of changes begins behind this stage.
    records = row["extract_note"].get("records")
    return Coverage(**records) if records is not None else NOTHING_READ
