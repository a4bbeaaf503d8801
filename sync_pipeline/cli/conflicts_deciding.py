"""Deciding about conflicts from the command line: consent, application, and what it came to.

Belongs here: from a decision to its end. Does not: the options (conflicts.py), what a decision does
(queue/conflicts/), how conflicts look (conflicts_view.py).
"""

import sys
from dataclasses import asdict, dataclass
from uuid import UUID

import typer

from sync_pipeline.cli import output
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import conflicts
from sync_pipeline.queue.conflicts import Chosen, Decision
from sync_pipeline.settings import QueueSettings
from sync_pipeline.stages.changes import Changed, apply_changes


@dataclass(frozen=True)
class Decided:
    """What became of a decision.

    Attributes:
        verb: of the decision.
        resolved: conflicts that are settled now.
        skipped: conflicts that are skipped now.
        retried: conflicts whose lines are tried again.
        failed: conflicts that moved in between, or could not be applied: open as before.
        left: conflicts about which there was nothing to do.
        queues: that applied it, each with its first failures.
        retried_queues: queues that are open again; a running daemon works them.
        notes: what else to know, in words.
    """

    verb: str
    resolved: int = 0
    skipped: int = 0
    retried: int = 0
    failed: int = 0
    left: int = 0
    queues: tuple[Changed, ...] = ()
    retried_queues: tuple[UUID, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_success(self) -> bool:
        """Nothing that was decided is open still."""
        return self.failed == 0


def require_consent(
    database: Database, chosen: Chosen, decision: Decision, *, is_asked: bool, as_json: bool
) -> None:
    """Say how many conflicts it is about, and ask.

    Raises:
        InputError: there is nobody to ask.
        typer.Abort: no.
    """
    if not is_asked:
        return
    groups = [
        one
        for one in conflicts.open_groups(database, chosen)
        if decision.verb == "skip" or one.is_mismatch is (decision.verb != "retry")
    ]
    count = sum(one.n_conflicts for one in groups)
    words = f"{_ASKED[decision.verb]} {count:,} conflicts?"
    if as_json or not sys.stdin.isatty():
        raise InputError(f"{words} Nobody is there to say so.", remedy="Add --yes to go ahead.")
    for one in groups:
        kind = "in dispute" if one.is_mismatch else "that failed"
        output.stderr().print(f"{one.connection} {one.entity}: {one.n_conflicts:,} {kind}")
    if count:
        typer.confirm(words, abort=True, err=True)


_ASKED = {
    "source": "Take the store's values in",
    "target": "Keep our values in",
    "fields": "Take these fields and values in",
    "skip": "Skip",
    "retry": "Try again",
}


def decide(
    database: Database,
    chosen: Chosen,
    decision: Decision,
    *,
    by: str,
    reason: str | None,
    version: int | None,
    settings: QueueSettings,
) -> Decided:
    """Decide, and apply it here to its end.

    Raises:
        As queue.conflicts.resolve and retry_conflicts, and stages.changes.apply_changes.
    """
    if decision.verb == "retry":
        return _retried(database, chosen, by=by, reason=reason)
    before = sum(one.n_conflicts for one in conflicts.open_groups(database, chosen))
    resolving = conflicts.resolve(
        database, chosen, decision, by=by, reason=reason, version=version, settings=settings
    )
    queues = tuple(apply_changes(database, resolving.queue_ids, settings))
    done = sum(one.done_count for one in queues)
    is_skip = decision.verb == "skip"
    return Decided(
        verb=decision.verb,
        resolved=0 if is_skip else done,
        skipped=resolving.n_skipped + (done if is_skip else 0),
        failed=sum(one.failed_count for one in queues),
        left=resolving.n_left,
        queues=queues,
        notes=_notes(database, chosen, resolving, before),
    )


def _notes(
    database: Database, chosen: Chosen, resolving: conflicts.Resolving, before: int
) -> tuple[str, ...]:
    notes = []
    if not before:
        notes.append(_why_none(database, chosen))
    elif resolving.queue_ids and not resolving.n_queued:
        notes.append("It was decided about before; that was applied now, and nothing else.")
    if resolving.n_left:
        notes.append(
            f"{resolving.n_left:,} were left: our row is gone, which the next sync makes again, or "
            "the record is, which has no fields to choose from."
        )
    return tuple(notes)


def _why_none(database: Database, chosen: Chosen) -> str:
    """Why there was nothing to decide about."""
    found = conflicts.list_conflicts(database, chosen, most=2) if chosen.ids else []
    if len(found) == 1 and found[0].resolved_at is not None:
        one = found[0]
        return (
            f"Nothing to do: {one.state} by {one.resolved_by} on {output.moment(one.resolved_at)} "
            f"UTC ({one.resolution})."
        )
    return "Nothing to do: none of them is open."


def _retried(database: Database, chosen: Chosen, *, by: str, reason: str | None) -> Decided:
    retrying = conflicts.retry_conflicts(database, chosen, by=by, reason=reason)
    notes = [f"{queue_id} was not retried: {why}" for queue_id, why in retrying.refused]
    if retrying.n_gone:
        notes.append(
            f"{retrying.n_gone:,} have no failed line any more: sync their records again "
            "(sync-pipeline sync NAME --entity E --external-id ID)."
        )
    if not (retrying.queue_ids or notes):
        notes.append(_why_none(database, chosen))
    if retrying.queue_ids:
        notes.append("A running daemon works them; or: sync-pipeline resume ID --wait.")
    return Decided(
        verb="retry",
        retried=retrying.n_conflicts,
        failed=len(retrying.refused),
        left=retrying.n_gone,
        retried_queues=retrying.queue_ids,
        notes=tuple(notes),
    )


def as_document(decided: Decided) -> dict[str, object]:
    """The JSON form."""
    return {"success": decided.is_success} | asdict(decided)


def print_decided(decided: Decided) -> None:
    """What became of it, in words."""
    counts = {
        "resolved": decided.resolved,
        "skipped": decided.skipped,
        "tried again": decided.retried,
        "not applied": decided.failed,
    }
    if said := ", ".join(f"{count:,} {name}" for name, count in counts.items() if count):
        output.show(f"{said}.")
    for queue in decided.queues:
        failed = f", {queue.failed_count:,} not applied" if queue.failed_count else ""
        output.show(
            f"{output.said(queue.connection)} {queue.entity}: {output.state(queue.state)}, "
            f"{queue.done_count:,} applied{failed}  [dim]{queue.queue_id}[/dim]"
        )
        for line in queue.failures:
            output.show(f"  {output.said(line.external_id)}: {output.said(line.error_message)}")
    for queue_id in decided.retried_queues:
        output.show(f"Open again: {queue_id}")
    for note in decided.notes:
        output.show(output.said(note))
    if decided.failed and decided.queues:
        output.show("They are open as before: look again with `sync-pipeline conflicts show ID`.")
