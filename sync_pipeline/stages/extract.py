"""Extract: read a remote system whole, land every answer, and prove that nothing slipped by.

Belongs here: what a sync reads, and what it says of it. Does not: how a listing is scanned
(scan.py), where answers land (landing.py), what they mean (enqueue.py).

A stopped extract goes on at the first missing range. What moves while it reads shows in the
totals: then the ids alone are swept again, and what slipped between pages is fetched by id.
"""

from dataclasses import asdict, replace
from typing import Any

from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.queue.stops import refuse_if_stopped
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import Connection, remember_page_records
from sync_pipeline.sources.protocol import Listing, Source
from sync_pipeline.stages.scan import SWEEPS, Coverage, OnRead, Scanner
from sync_pipeline.stages.turns import turn


def extract(
    database: Database,
    queue: Queue,
    connection: Connection,
    entity: Entity,
    source: Source,
    settings: SourceSettings,
    on_read: OnRead | None = None,
) -> Coverage:
    """Read everything the queue needs into sync_page and move the queue on to enqueue.

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
        return _read(database, queue, connection, entity, source, settings, on_read)


def filtered(listing: Listing, filters: Filters, options: Any) -> Listing:  # noqa: ANN401
    """The listing as this connection and these filters read it. Pure."""
    params = dict(listing.params)
    if role := options.get("customer_role"):
        params["role"] = str(role)
    if filters.email:
        params["email"] = filters.email
    if filters.external_id:
        params["include"] = filters.external_id
    return replace(listing, params=params)


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


def _read(
    database: Database,
    queue: Queue,
    connection: Connection,
    entity: Entity,
    source: Source,
    settings: SourceSettings,
    on_read: OnRead | None,
) -> Coverage:
    reader = Scanner(database, queue, connection, source, settings, on_read)
    listing = filtered(entity.listing, queue.filters, connection.options)
    if queue.filters.is_everything:
        coverage = reader.scan_whole(listing)
    else:
        coverage = reader.scan_part(listing, queue.filters.limit)
    figures = reader.scan_figures(entity.figures_listing) if entity.figures_listing else None
    _finish(database, queue, connection, coverage, figures, reader.sizes.current)
    return coverage


def _done_before(database: Database, queue: Queue) -> Coverage | None:
    with database.organization(queue.org_id) as conn:
        row = conn.execute(statement("extract/note"), {"queue_no": queue.queue_no}).fetchone()
    if row is None or row["stage"] == "extract":
        return None
    return Coverage(**row["extract_note"]["records"])


def _finish(
    database: Database,
    queue: Queue,
    connection: Connection,
    coverage: Coverage,
    figures: Coverage | None,
    page_records: int,
) -> None:
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
    is_complete = False if reasons else coverage.is_complete
    with database.organization(queue.org_id) as conn:
        moved = conn.execute(
            statement("extract/finish"),
            {
                "queue_no": queue.queue_no,
                "is_complete": is_complete,
                "source_total": coverage.total,
                "note": Jsonb(note),
            },
        ).fetchone()
        remember_page_records(conn, connection.connection_id, page_records)
        if moved is not None:
            record_activity(
                conn,
                queue,
                "extract_completed",
                "warning" if reasons else "success",
                "; ".join(reasons) or f"read {coverage.scanned} of {coverage.total} {queue.entity}",
                note,
            )
