"""How a queue looks: a row of the list, or whole.

Belongs here: layout, pure. Does not: a moment of one that is followed (live_view.py), reading
(queue/progress.py), printing (status.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table

from sync_pipeline.cli import live_view, output
from sync_pipeline.cli.output import duration, moment, number, said
from sync_pipeline.queue.progress import FailedLine, Milestone, Progress, Standing

_KIND_WORDS: Final = {
    "preview": "preview",
    "applied_preview": "applied preview",
    "revert": "undo",
    "resolution": "decisions",
}


def listing(queues: Sequence[Standing]) -> Table:
    """The last queues, one a row."""
    table = output.table(
        "queue", "connection", "entity", "state", ">lines", ">created", ">updated", ">deleted",
        ">unchanged", ">failed", "started (UTC)", "",
    )  # fmt: skip
    for one in queues:
        it = one.progress
        table.add_row(
            it.queue_id,
            it.connection,
            it.entity,
            _state(one),
            number(one.line_count),
            number(it.created_count),
            number(it.updated_count),
            number(it.deleted_count),
            number(it.unchanged_count),
            number(it.failed_count),
            moment(one.created_at),
            ", ".join(_marks(it)),
        )
    return table


def _marks(it: Progress) -> Iterator[str]:
    """What it is, where it is no sync of what the store says, and whether somebody must act."""
    if it.kind in _KIND_WORDS:
        yield f"[dim]{_KIND_WORDS[it.kind]}[/dim]"
    if it.is_action_required:
        yield "[yellow]needs a person[/yellow]"


def whole(
    now: Standing, happened: Sequence[Milestone], failed: Sequence[FailedLine]
) -> RenderableType:
    """Everything about one queue that fits a screen."""
    it = now.progress
    parts: list[RenderableType] = [
        f"[bold]{it.connection} {it.entity}[/bold]: {_state(now)}{_kind(it)}  "
        f"[dim]{it.queue_id}[/dim]",
        "",
        output.facts(_facts(now)),
    ]
    if now.alarm:
        parts += ["", f"[red]{said(now.alarm[:1].upper() + now.alarm[1:])}.[/red]"]
    if it.is_action_required and now.is_over:
        parts += ["", f"[yellow]Needs a person: {said(it.action_required_reason)}[/yellow]"]
    if happened:
        parts += ["", "What happened (UTC)", _timeline(happened)]
    if failed:
        parts += ["", f"Failed, {len(failed)} of {it.failed_count:,}", _failures(failed)]
        parts += ["", f"Why: sync-pipeline explain {it.connection} {it.entity} ID"]
    if not now.is_over:
        parts += ["", f"Follow it: sync-pipeline status {it.queue_id} --watch"]
    return Group(*parts)


def _state(now: Standing) -> str:
    paused = " (paused)" if now.is_paused else ""
    return f"{output.state(now.progress.state)}{paused}"


def _kind(it: Progress) -> str:
    return f", {_KIND_WORDS[it.kind]}" if it.kind in _KIND_WORDS else ""


def _facts(now: Standing) -> list[tuple[str, str]]:
    it = now.progress
    rows = [
        ("read", _read(now)),
        ("lines", _lines(now)),
        ("created", number(it.created_count)),
        ("updated", number(it.updated_count)),
        ("unchanged", number(it.unchanged_count)),
        ("progress", _progress(now)),
        ("batches", live_view.batches(now.batches)),
        ("stage", f"{now.stage}, {_starts(now)}"),
        ("lifetime value", f"rule {now.lifetime_value_rule}"),
        ("organization", said(now.org_id)),
        ("started", f"{moment(now.created_at)} UTC{_by(now)}"),
    ]
    if it.deleted_count:
        rows.insert(4, ("removed", f"{number(it.deleted_count)}, or marked as gone"))
    if now.filters:
        words = ", ".join(
            name if value is True else f"{name} {said(value)}"
            for name, value in now.filters.items()
        )
        rows.insert(0, ("only", words))
    if stopped := live_view.stops(now, datetime.now(UTC)):
        rows.append(("stands still", f"[yellow]{said('; '.join(stopped))}[/yellow]"))
    if now.finished_at is not None:
        took = (now.finished_at - now.created_at).total_seconds()
        rows.append(("finished", f"{moment(now.finished_at)} UTC, after {duration(took)}"))
    if it.certificate is not None:
        holds = {True: "holds", False: "does not hold", None: "proves no whole"}
        rows.append(("certificate", f"{holds[it.certificate['holds']]}{_digest(it.certificate)}"))
    if now.dagster_run_id:
        rows.append(("Dagster run", now.dagster_run_id))
    return rows


def _digest(certificate: Mapping[str, Any]) -> str:
    """What was compared by content; empty where nothing was."""
    theirs, ours = certificate["theirs_digest"], certificate["ours_digest"]
    if certificate["scope"] == "purged":
        return ""
    sides = f"digest {theirs}" if theirs == ours else f"digests {theirs} there, {ours} here"
    return f": {number(certificate['theirs_count'])} by {sides}"


def _read(now: Standing) -> str:
    proof = {
        True: "complete, proven",
        False: "[yellow]not proven complete[/yellow]",
        None: "a part" if now.filters else "not known yet",
    }[now.is_complete]
    if now.stage == "extract":
        it = now.progress
        return f"{number(it.processed_count)} of {number(it.total_count)} so far"
    if now.filters.keys() & {"reverts", "resolves"}:
        return "nothing: it changes rows of ours"
    if now.is_over and now.source_total is None:
        return f"{number(now.scanned_count)}, it ended before the store was read"
    return f"{number(now.scanned_count)} of {number(now.source_total)} ({proof})"


def _lines(now: Standing) -> str:
    it = now.progress
    if not now.line_count:
        return "0, nothing to change" if it.state == "done" else "0"
    counts = {
        "done": it.done_count,
        "waiting": it.draft_count,
        "in work": it.processing_count,
        "failed": it.failed_count,
        "cancelled": it.cancelled_count,
    }
    parts = ", ".join(f"{number(count)} {what}" for what, count in counts.items() if count)
    return f"{number(now.line_count)}: {parts}"


def _starts(now: Standing) -> str:
    count = now.progress.process_count
    never = "never started" if now.is_over else "not started yet"
    return {0: never, 1: "started once"}.get(count, f"started {count} times")


def _progress(now: Standing) -> str:
    if now.is_over and not now.line_count and now.progress.state != "done":
        return "none: it ended before there were lines"
    pace = live_view.pace(now)
    return f"{now.progress.completion_percent:g} % of the {now.unit}{f', {pace}' if pace else ''}"


def _by(now: Standing) -> str:
    return f" by {said(now.created_by)}" if now.created_by else ""


_STATUS_STYLES = {"error": "red", "warning": "yellow", "success": "green"}


def _timeline(happened: Sequence[Milestone]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for one in happened:
        style = _STATUS_STYLES.get(one.status, "")
        words = said(one.message)
        table.add_row(
            f"[dim]{one.created_at:%H:%M:%S}.{one.created_at.microsecond // 1000:03d}[/dim]",
            one.activity_type.replace("_", " "),
            f"[{style}]{words}[/{style}]" if style else words,
        )
    return table


def _failures(failed: Sequence[FailedLine]) -> Table:
    table = output.table(">id", "code", "why")
    for line in failed:
        table.add_row(said(line.external_id), said(line.error_code), said(line.error_message))
    return table
