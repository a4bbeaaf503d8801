"""Absences: which known records a whole, proven reading did not show, and whether that is believed.

Belongs here: when a reading may count absences, the limit beyond which it is not trusted, and what
is said of them. Does not: asking the store about them (confirming.py), what becomes of our rows
(deletions.py).

A record is taken for deleted after two trusted readings in a row without it, and when the store
says so itself. A reading that misses more than the limit counts nothing at all.
"""

from dataclasses import asdict, dataclass
from math import floor
from typing import Any, Final

from sync_pipeline.entities import Entity
from sync_pipeline.entities.deletion import LIMIT_OPTION
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.protocol import Listing, Source
from sync_pipeline.stages.confirming import confirm
from sync_pipeline.stages.coverage import Coverage, absent_name, answers_name, sweep_name

# So many may be missing from any store: five percent of forty customers is two.
ALWAYS_BELIEVED: Final = 5

_PAGE_RECORDS: Final = 1_000


@dataclass(frozen=True)
class Absence:
    """What a trusted, or not trusted, reading did not show of what we know.

    Attributes:
        known: live records that the listing should have shown.
        absent: those that it did not.
        first: of them, absent for the first time: the next whole reading looks again.
        elsewhere: the store has them under another role or status; they are not absent.
        deleted, trashed: the store says so, after two absences.
        unanswered: the store cannot serve them; they stay and are asked for again.
        limit_percent: of `known`; more was not believed.
        is_believed: False: nothing was counted, and nobody was asked.
        by: who set the limit for this sync; None: it is the usual one.
    """

    known: int
    absent: int
    first: int = 0
    elsewhere: int = 0
    deleted: int = 0
    trashed: int = 0
    unanswered: int = 0
    limit_percent: float = 0
    is_believed: bool = True
    by: str | None = None

    @property
    def in_words(self) -> str:
        """What was found, in one sentence; empty when there is nothing to tell."""
        parts = (
            (self.deleted, "deleted in the store"),
            (self.trashed, "in the store's trash"),
            (self.first, "missing for the first time: the next whole reading looks again"),
            (self.unanswered, "missing, and the store cannot say why: they are asked for again"),
            (self.elsewhere, "there, but not listed: they have another role or status now"),
        )
        return "; ".join(f"{count} {what}" for count, what in parts if count)


def counts_absences(queue: Queue, coverage: Coverage) -> bool:
    """Whether a reading can tell who is absent: all of a store, proven, and a sync proper. Pure."""
    is_sync = queue.filters.is_everything and not queue.filters.is_beside
    return is_sync and coverage.is_complete is True and not coverage.is_delta


def limit_percent_of(queue: Queue, connection: Connection, settings: SourceSettings) -> float:
    """The limit of this sync: its own, else the connection's, else the setting. Pure.

    Raises:
        InputError: the connection's is no share.
    """
    if queue.filters.deletion_limit_percent is not None:
        return queue.filters.deletion_limit_percent
    given = connection.options.get(LIMIT_OPTION)
    if given is None:
        return settings.deletion_limit_percent
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 100:  # noqa: PLR2004
        return float(given)
    raise InputError(
        f"The connection {connection.name} has {given!r} as its {LIMIT_OPTION}.",
        remedy="Register it again with --deletion-limit-percent N, of 0 to 100.",
    )


def believed_at_most(known: int, limit_percent: float) -> int:
    """How many records may be absent at once without a person. Pure.

    The share of what is known, and a few in any case; with a limit of 0 none.
    """
    if limit_percent == 0:
        return 0
    return max(ALWAYS_BELIEVED, floor(known * limit_percent / 100))


def refusal(queue: Queue, entity: Entity, absence: Absence) -> str | None:
    """In words, why a reading's absences are not believed, and what to do; None: they are. Pure."""
    if absence.is_believed:
        return None
    share = 100 * absence.absent / absence.known
    where = "what is derived from our own tables" if entity.derivation else "the store's answer"
    look = "the tables that they come from" if entity.derivation else "the store"
    return (
        f"{absence.absent:,} of {absence.known:,} {entity.name} are missing from {where} "
        f"({share:.0f} %), more than deletion_limit_percent = {absence.limit_percent:g}: nothing "
        f"was deleted, what is there was applied. Look at {look}; if they are really gone, allow "
        f"it once: sync-pipeline sync {queue.connection} --entity {entity.name} "
        f"--deletion-limit-percent 100"
    )


def look_for_absent(
    database: Database,
    queue: Queue,
    connection: Connection,
    entity: Entity,
    source: Source | None,
    listing: Listing,
    *,
    settings: SourceSettings,
    coverage: Coverage,
) -> Absence | None:
    """Count who is absent from a whole reading, and ask the store about those absent twice.

    Done again after a stop, it goes on where it was and counts nothing twice.

    Args:
        source: None where records are derived.
        listing: of the entity, as this connection reads it.
        coverage: what was read; it must be all that was landed.

    Returns:
        What was found; None: this reading cannot tell.

    Raises:
        SyncError, QueueStoppedError: as `confirm`.
    """
    if not counts_absences(queue, coverage):
        return None
    limit_percent = limit_percent_of(queue, connection, settings)
    values = _values(queue, entity, coverage)
    with database.organization(queue.org_id) as conn:
        found = _landed(conn, values)
    known, absent = found["n_known"], found["n_absent"]
    if absent > believed_at_most(known, limit_percent):
        return Absence(known, absent, limit_percent=limit_percent, is_believed=False)
    with database.organization(queue.org_id) as conn:
        conn.execute(statement("absence/count"), values)
        conn.execute(statement("absence/seen"), values)
    confirm(
        database,
        queue,
        entity,
        source if entity.derivation is None else None,
        listing,
        requests_at_once=settings.max_parallel_requests,
    )
    with database.organization(queue.org_id) as conn:
        told = conn.execute(statement("absence/told"), values).fetchone()
        by = conn.execute(statement("absence/created_by"), values).fetchone()
    assert told is not None  # noqa: S101  (counts have a row)
    assert by is not None  # noqa: S101  (the queue is at hand)
    is_raised = queue.filters.deletion_limit_percent is not None
    counts = {name.removeprefix("n_"): count for name, count in told.items()}
    by_whom = by["created_by"] if is_raised else None
    return Absence(known, absent, limit_percent=limit_percent, by=by_whom, **counts)


def tell_absence(conn: DictConnection, queue: Queue, absence: Absence) -> None:
    """Say in the queue's activity what was found, and who allowed more than usual."""
    details = asdict(absence)
    if absence.by is not None:
        words = f"{absence.by} allows that {absence.limit_percent:g} % of {queue.entity} are gone"
        record_activity(conn, queue, "deletion_limit_set", "info", words, details)
    if absence.is_believed and absence.in_words:
        is_news = absence.deleted or absence.trashed or absence.unanswered
        record_activity(
            conn,
            queue,
            "absences_found",
            "warning" if is_news else "info",
            absence.in_words,
            details,
        )


def _landed(conn: DictConnection, values: dict[str, Any]) -> dict[str, Any]:
    """How many are known and absent, which are landed the first time that it is asked."""
    found = conn.execute(statement("absence/landed"), values).fetchone()
    if found is None:
        conn.execute(statement("enqueue/as_sets"))
        conn.execute(statement("absence/land"), values)
        found = conn.execute(statement("absence/landed"), values).fetchone()
    assert found is not None  # noqa: S101  (a page of no records is a page)
    return found


def _values(queue: Queue, entity: Entity, coverage: Coverage) -> dict[str, Any]:
    own = entity.listing.name
    return {
        "queue_no": queue.queue_no,
        "org_id": queue.org_id,
        "connection_id": queue.connection_id,
        "entity": entity.name,
        "listing": sweep_name(own) if coverage.is_swept else own,
        "prefix": entity.children_prefix,
        "guest_prefix": entity.guests.id_prefix if entity.guests else None,
        "absent_listing": absent_name(entity.listing),
        "answers_listing": answers_name(entity.listing),
        "page_records": _PAGE_RECORDS,
    }
