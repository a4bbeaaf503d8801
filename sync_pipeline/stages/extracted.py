"""What an extract found, kept with its queue and told in its activity.

Belongs here: the note, the words, the end of the stage. Does not: reading (extract.py), what
follows of it (enqueue.py, watermarks.py).
"""

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.conflicts.keys import settle_auth_error
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.sources.connections import Connection, remember_page_records
from sync_pipeline.stages.absences import tell_absence
from sync_pipeline.stages.believing import Absence, refusal
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.replay import kept_no_more
from sync_pipeline.stages.scan import SWEEPS


@dataclass(frozen=True)
class Reading:
    """What was read: of the records, of what enriches them, and how far that goes.

    Attributes:
        highest_id: of the records that landed; None: not told.
        absence: what of our records it did not show; None: it cannot tell.
    """

    coverage: Coverage
    newest_utc: datetime | None
    figures: Coverage | None
    page_records: int
    highest_id: int | None = None
    absence: Absence | None = None

    def with_absence(self, absence: Absence | None) -> "Reading":
        """The same with what it did not show; it proves nothing when that is not believed."""
        if absence is None or absence.is_believed:
            return replace(self, absence=absence)
        doubted = replace(self.coverage, is_complete=False, is_doubted=True)
        return replace(self, absence=absence, coverage=doubted)


def incomplete_reason(name: str, coverage: Coverage) -> str | None:
    """In words, why a scan proves nothing; None when it does, or when there is nothing to prove.

    Why one is not believed `believing.refusal` says.
    """
    if coverage.is_complete is not False or coverage.is_doubted:
        return None
    if coverage.total is None:
        return f"the store names no total of its {name}, so nothing proves that all were read"
    return (
        f"{coverage.scanned} of {coverage.total} {name} were read: records came or went faster "
        f"than {SWEEPS} sweeps could follow"
    )


def finish_extract(
    database: Database, queue: Queue, connection: Connection, entity: Entity, reading: Reading
) -> None:
    """Note what was found, move the queue on to enqueue, once, and say it in its activity."""
    coverage = reading.coverage
    reasons = [
        reason
        for name, one in ((queue.entity, coverage), ("orders", reading.figures))
        if one is not None and (reason := incomplete_reason(name, one))
    ]
    if reading.absence is not None:
        doubt = refusal(queue, entity, reading.absence)
        reasons = [doubt, *reasons] if doubt else reasons
    note = _note(queue, entity, reading, reasons)
    with database.organization(queue.org_id) as conn:
        moved = conn.execute(
            statement("extract/finish"),
            {
                "queue_no": queue.queue_no,
                "is_complete": False if reasons else coverage.is_complete,
                "source_total": _source_total(queue, coverage),
                "note": Jsonb(note),
            },
        ).fetchone()
        remember_page_records(conn, connection.connection_id, reading.page_records)
        if queue.filters.asks_store and entity.derivation is None:
            settle_auth_error(conn, queue)
        if moved is not None:
            record_activity(
                conn,
                queue,
                "extract_completed",
                "warning" if reasons else "success",
                "; ".join(reasons) or in_words(queue, coverage),
                note,
            )
            if reading.absence is not None:
                tell_absence(conn, queue, reading.absence)
            missing = kept_no_more(queue.connection, queue.entity, coverage)
            if queue.filters.replay and missing:
                record_activity(conn, queue, "replay_incomplete", "warning", missing)


def in_words(queue: Queue, coverage: Coverage) -> str:
    """What was read, in one sentence. Pure."""
    name = queue.entity
    if queue.filters.replay and coverage.is_complete is None:
        return f"{coverage.scanned} {name} are at hand from what was read before"
    if coverage.is_delta:
        besides = f", and {coverage.rescanned} in turn" if coverage.rescanned else ""
        return f"read {coverage.scanned} {name} that changed, of {coverage.store_total}{besides}"
    return f"read {coverage.scanned} of {coverage.total} {name}"


def _note(queue: Queue, entity: Entity, reading: Reading, reasons: list[str]) -> dict[str, Any]:
    coverage = reading.coverage
    note: dict[str, Any] = {"records": asdict(coverage)}
    if reading.figures is not None:
        note["figures"] = asdict(reading.figures)
    if reading.absence is not None:
        note["absence"] = asdict(reading.absence)
    if queue.filters.replay and queue.filters.replay_of is None:
        note["is_replayed_whole"] = coverage.scanned == coverage.total
    if reasons:
        note["incomplete"] = "; ".join(reasons)
    elif coverage.is_complete and reading.newest_utc is not None:
        note["watermark"] = {
            "watermark_utc": reading.newest_utc.isoformat(),
            "salt": entity.watermark_salt(queue.lifetime_value_rule),
            "total": coverage.listed_total,
            "highest_id": reading.highest_id,
        }
    return note


def _source_total(queue: Queue, coverage: Coverage) -> int | None:
    """What the store says that it holds; a replay asks none."""
    if queue.filters.replay:
        return None
    return coverage.store_total if coverage.is_delta else coverage.total
