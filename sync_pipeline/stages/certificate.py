"""The certificate that every sync ends with: what it did, and whether that is proven.

Belongs here: the value, how it is judged, and keeping it with the queue and in its activity. Does
not: comparing (proof.py), doing it again later (verification.py).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from psycopg.types.json import Jsonb

from sync_pipeline.entities import ENTITIES, Entity
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue, queue_status, record_activity
from sync_pipeline.stages.coverage import NOTHING_READ, Coverage
from sync_pipeline.stages.digests import Digest
from sync_pipeline.stages.proof import UNKNOWN, Comparison, Reading, as_sets, compare, count_drift
from sync_pipeline.stages.verdict import Verdict

Scope = Literal["whole", "changes", "window", "part", "purged"]

_NOTHING: Final = Comparison(Digest(), Digest(), {}, {})
_KINDS: Final = {"missing": "missing here", "changed": "here with other content"}


@dataclass(frozen=True)
class Certificate:
    """What a sync did, and what it proves.

    Attributes:
        scope: what was compared record by record. whole: all of the store. changes: what changed;
            the rest was counted. window: a span of time. part: what a filter chose, or a replay.
            purged: nothing, for the pages are gone.
        source_total: what the store says it holds; scanned, distinct: what was read of it.
        unchanged, created, updated, deleted, failed, cancelled, superseded: what became of it.
        conflicted: conflicts of this sync that are open; open_conflicts: of all syncs.
        tombstoned: reason -> records that were retired since the sync began.
        theirs_count, theirs_digest: the records that were compared, as the store has them;
            ours_count, ours_digest: as we took them to be.
        differences, set_aside: as in Comparison.
        drifted: rows that were changed here by hand; None: not looked for.
        holds: both sides are equal, as far as the scope goes. None: it is no proof of the whole.
        is_explained: every difference has a known reason.
        verdict: the same in words.
    """

    scope: Scope
    source_total: int | None
    scanned: int
    distinct: int
    unchanged: int
    created: int
    updated: int
    deleted: int
    failed: int
    cancelled: int
    superseded: int
    conflicted: int
    open_conflicts: int
    tombstoned: Mapping[str, int]
    theirs_count: int
    theirs_digest: str
    ours_count: int
    ours_digest: str
    differences: Mapping[str, Mapping[str, int]]
    set_aside: Mapping[str, int]
    drifted: int | None
    holds: bool | None
    is_explained: bool
    verdict: str


def certify(
    conn: DictConnection, queue: Queue, entity: Entity, verdict: Verdict, note: Mapping[str, Any]
) -> Certificate:
    """Make the certificate of a finished sync and keep it.

    Args:
        conn: the transaction of the verdict; from then on it joins sets by hash.
        queue: of the sync.
        entity: of the queue.
        verdict: what holding the ids against each other came to.
        note: of the queue (`extract/note.sql`).
    """
    known = note["extract_note"]
    found = Coverage(**known["records"]) if "records" in known else NOTHING_READ
    scope = scope_of(queue, verdict)
    numbers = conn.execute(
        statement("proof/numbers"), {"queue_no": queue.queue_no, "feeders": _feeders(entity)}
    ).fetchone()
    assert numbers is not None  # noqa: S101  (the queue is at hand)
    compared, drifted = _NOTHING, None
    if scope != "purged":
        as_sets(conn)
        reading = Reading(
            queue_no=queue.queue_no,
            queue_nos=(queue.queue_no,),
            connection_id=queue.connection_id,
            found=found,
            salt=known.get("salt") or entity.hash_salt(queue.lifetime_value_rule),
            read_at=queue.created_at,
            is_whole=scope == "whole" and verdict.is_complete is True,
        )
        excused = {"changed": "figures moved"} if numbers["is_fed_meanwhile"] else None
        compared = compare(conn, entity, reading, excused)
        if scope == "whole" and queue.is_full:
            drifted = count_drift(conn, entity, queue.connection_id).n_changed
    status = queue_status(conn, queue.queue_no)
    made = certificate_of(scope, verdict, compared, status, numbers, drifted)
    _keep(conn, queue, made)
    return made


def scope_of(queue: Queue, verdict: Verdict) -> Scope:
    """What a sync compares record by record. Pure."""
    if verdict.is_purged:
        return "purged"
    if verdict.is_window:
        return "window"
    if not queue.filters.is_everything:
        return "part"
    return "changes" if verdict.is_by_count else "whole"


def certificate_of(
    scope: Scope,
    verdict: Verdict,
    compared: Comparison,
    status: Mapping[str, Any],
    numbers: Mapping[str, Any],
    drifted: int | None,
) -> Certificate:
    """The certificate over what was counted. Pure.

    Args:
        scope: of the sync.
        verdict: over the ids.
        compared: both sides' digests, and on how many records they differ.
        status: the queue's numbers (sync_queue_status).
        numbers: conflicts, tombstones and superseded lines (proof/numbers.sql).
        drifted: rows changed here by hand; None: not looked for.
    """
    n_unknown = sum(by_reason.get(UNKNOWN, 0) for by_reason in compared.differences.values())
    is_explained = n_unknown <= status["cancelled_count"]
    is_equal = compared.theirs == compared.ours
    holds = is_equal and verdict.agree is True
    is_proof = scope not in ("purged", "part") or not is_explained
    return Certificate(
        scope=scope,
        source_total=verdict.total,
        scanned=verdict.scanned,
        distinct=verdict.distinct,
        unchanged=status["unchanged_count"],
        created=status["created_count"],
        updated=status["updated_count"],
        deleted=status["deleted_count"],
        failed=status["failed_count"],
        cancelled=status["cancelled_count"],
        superseded=numbers["superseded"],
        conflicted=numbers["conflicted"],
        open_conflicts=numbers["open_conflicts"],
        tombstoned=numbers["tombstoned"],
        theirs_count=compared.theirs.count,
        theirs_digest=str(compared.theirs),
        ours_count=compared.ours.count,
        ours_digest=str(compared.ours),
        differences=compared.differences,
        set_aside=compared.set_aside,
        drifted=drifted,
        holds=holds if is_proof else None,
        is_explained=is_explained,
        verdict=in_words(scope, verdict, compared),
    )


def in_words(scope: Scope, verdict: Verdict, compared: Comparison) -> str:
    """What the certificate says, in one sentence that begins with its verb. Pure."""
    if scope == "purged":
        return f"proves nothing: {verdict.in_words}"
    count = compared.theirs.count
    content = [
        f"{n_records} {_KINDS[kind]} ({reason_in_words(reason)})"
        for kind in _KINDS
        for reason, n_records in sorted(compared.differences.get(kind, {}).items())
        # The verdict says it.
        if reason != "lost" or not verdict.lost
    ]
    if scope == "part":
        said = f"proves nothing about the whole: {count} records were read"
        return f"{said}, {', '.join(content) or 'and are here as they were read'}"
    if verdict.agree and compared.theirs == compared.ours:
        equal = f"{count} records are the same on both sides, digest {compared.theirs}"
        if scope == "changes":
            return f"holds: {equal}; the rest of {verdict.total} by count"
        if scope == "window":
            return f"holds for its window: {equal}"
        return f"holds: {equal}"
    ids = [] if verdict.agree else [verdict.in_words.removeprefix("both sides differ: ")]
    return f"does not hold: {'; '.join([*ids, *content])}"


_REASONS: Final = {
    UNKNOWN: "nobody knows why",
    "cancelled": "their lines were cancelled",
    "draft": "not applied yet",
    "elsewhere": "there under another role or status",
    "failed": "failed, with a reason",
    "figures moved": "orders came in meanwhile",
    "gone": "no longer in the store",
    "later": "a later sync applied them",
    "lost": "deleted here by hand",
    "retired": "retired since",
    "reverted": "taken back by an undo",
    "skipped": "left as they were by a person",
}


def reason_in_words(reason: str) -> str:
    """Why a record differs. Pure."""
    return _REASONS.get(reason, reason)


def _feeders(entity: Entity) -> list[str]:
    """Entities whose records make this one's figures."""
    own = (entity.system, entity.name)
    return [one.name for one in ENTITIES if (one.system, one.feeds_figures_of) == own]


def _keep(conn: DictConnection, queue: Queue, made: Certificate) -> None:
    """Keep it with the queue, and say it once."""
    is_news = conn.execute(
        statement("proof/keep"),
        {
            "queue_no": queue.queue_no,
            "certificate": Jsonb(asdict(made)),
            "is_purged": made.scope == "purged",
        },
    ).fetchone()
    if is_news:
        bad: Literal["warning", "error"] = "warning" if made.is_explained else "error"
        words: Mapping[bool | None, Literal["success", "info", "warning", "error"]] = {
            True: "success",
            False: bad,
            None: "info",
        }
        record_activity(conn, queue, "certificate", words[made.holds], made.verdict, asdict(made))
