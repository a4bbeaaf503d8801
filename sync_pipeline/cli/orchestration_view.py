"""How an orchestration looks: a row of the list, whole, or at a moment while it is followed.

Belongs here: layout, pure. Does not: reading (queue/orchestrations/), printing (orchestrations.py).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from sync_pipeline.cli import output
from sync_pipeline.cli.output import moment, number, said
from sync_pipeline.queue.orchestrations import Activity, ItemStatus, Moment

_STATUS_STYLES = {"error": "red", "warning": "yellow", "success": "green"}
_STAGE_WORDS = {"extract": "reading the store", "enqueue": "making the lines", "apply": "applying"}


def listing(statuses: Sequence[Mapping[str, Any]]) -> Table:
    """The last orchestrations, one a row.

    Args:
        statuses: rows of sync_orchestration_status.
    """
    table = output.table(
        "orchestration", "organization", "state", ">stores", ">queues", ">done", ">failed",
        ">progress", "started (UTC)", "",
    )  # fmt: skip
    for one in statuses:
        table.add_row(
            str(one["id"]),
            said(one["org_id"]),
            state(one),
            number(one["n_connections"]),
            number(one["n_queues"]),
            number(one["n_done"]),
            number(one["n_failed"] + one["n_partial"] + one["n_refused"]),
            f"{one['progress']} %",
            moment(one["created_at"]),
            "[yellow]needs a person[/yellow]" if one["is_action_required"] else "",
        )
    return table


def state(status: Mapping[str, Any]) -> str:
    """Its state in its colour, and whether it is paused."""
    return f"{output.state(status['state'])}{' (paused)' if status['is_paused'] else ''}"


def live(now: Moment) -> RenderableType:
    """One row per connection and entity, and their totals."""
    return Group(_heading(now.status), "", _items(now))


def one_line(now: Moment) -> str:
    """How it stands, in one plain line."""
    it = now.status
    paused = " (paused)" if it["is_paused"] else ""
    open_count = it["n_draft"] + it["n_processing"]
    return (
        f"{it['state']}{paused}: {it['n_queues'] - open_count} of {it['n_queues']} queues ended, "
        f"{it['progress']} %, {it['failed_count']:,} lines failed"
    )


def whole(now: Moment, happened: Sequence[Activity]) -> RenderableType:
    """Everything about one orchestration that fits a screen."""
    it = now.status
    parts: list[RenderableType] = [live(now), "", output.facts(_facts(it))]
    if happened:
        parts += ["", "What happened (UTC)", _timeline(happened)]
    if not now.has_ended:
        parts += ["", f"Follow it: sync-pipeline orchestrations status {it['id']} --watch"]
    return Group(*parts)


def refusals(items: Iterable[ItemStatus]) -> list[str]:
    """Of each connection and entity that was left out, why."""
    return [
        f"[yellow]{said(f'{one.connection} {one.entity}: {one.refusal}')}[/yellow]"
        for one in items
        if one.refusal
    ]


def _heading(it: Mapping[str, Any]) -> str:
    return f"[bold]Orchestration[/bold] {state(it)}  [dim]{it['id']}[/dim]"


def _items(now: Moment) -> Table:
    table = output.table(
        "connection", "entity", "state", ">read", ">lines", ">created", ">updated", ">unchanged",
        ">failed", ">%", "",
    )  # fmt: skip
    for one in now.items:
        table.add_row(
            said(one.connection),
            one.entity,
            f"{output.state(one.state)}{' (paused)' if one.is_paused else ''}",
            *_counts(one),
            f"{one.progress:.0f}",
            said(note(one)),
        )
    it = now.status
    table.add_row(
        "together",
        "",
        "",
        *(number(it[f"{name}_count"]) for name in _COUNTS),
        f"{it['progress']:.0f}",
        "",
        style="bold",
    )
    return table


_COUNTS = ("scanned", "total", "created", "updated", "unchanged", "failed")


def _counts(one: ItemStatus) -> list[str]:
    return [number(getattr(one, f"{name}_count")) for name in _COUNTS]


def note(one: ItemStatus) -> str:
    """Why it stands as it does, in words; empty where its state says all. Pure."""
    if one.refusal:
        return one.refusal
    if one.is_action_required:
        return f"needs a person: {one.action_required_reason}"
    if not one.is_open or one.is_paused:
        return ""
    return _why_open(one)


def _why_open(one: ItemStatus) -> str:
    if one.waits_for_a_person:
        return "its connection was disconnected: connect it again"
    if one.waits_for:
        return f"after {', '.join(one.waits_for)}"
    if one.retry_at is not None:
        return f"tried again at {one.retry_at:%H:%M:%S} UTC: {one.last_error or ''}".rstrip(": ")
    return _STAGE_WORDS[one.stage] if one.is_processing else "waits for its run"


def _facts(it: Mapping[str, Any]) -> list[tuple[str, str]]:
    by = f" by {said(it['created_by'])}" if it["created_by"] else ""
    rows = [
        ("organization", said(it["org_id"])),
        ("entities", ", ".join(it["entities"])),
        ("started", f"{moment(it['created_at'])} UTC{by}"),
    ]
    if it["idempotency_key"]:
        rows.append(("idempotency key", said(it["idempotency_key"])))
    if it["finished_at"] is not None:
        took = (it["finished_at"] - it["created_at"]).total_seconds()
        rows.append(
            ("finished", f"{moment(it['finished_at'])} UTC, after {output.duration(max(took, 0))}")
        )
    return rows


def _timeline(happened: Sequence[Activity]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for one in happened:
        style = _STATUS_STYLES.get(one.status, "")
        words = said(one.message)
        table.add_row(
            f"[dim]{moment(one.created_at)}[/dim]",
            one.activity_type.replace("_", " "),
            f"[{style}]{words}[/{style}]" if style else words,
        )
    return table
