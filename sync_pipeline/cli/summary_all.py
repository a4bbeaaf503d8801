"""What a sync of several entities did: each in brief, and all together.

Belongs here: from reports and the orchestration to lines of text and to JSON. Does not: one entity
at length (summary.py), running it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from sync_pipeline.cli import orchestration_view, output, summary
from sync_pipeline.cli.output import duration, number, said, show
from sync_pipeline.queue.orchestrations import Moment

if TYPE_CHECKING:
    from sync_pipeline.orchestration.reports import SyncReport


def is_success(now: Moment, reports: "Sequence[SyncReport]") -> bool:
    """Whether the command worked: every entity is applied and proven, and none was left out."""
    return bool(reports) and not _refusals(now) and all(map(summary.is_success, reports))


def as_document(now: Moment, reports: "Sequence[SyncReport]") -> dict[str, Any]:
    """The JSON form. With `success` false, `error` says why; `entities` hold a document each."""
    it = now.status
    document: dict[str, Any] = {
        "success": is_success(now, reports),
        "orchestration_id": str(it["id"]),
        "state": it["state"],
        "read_count": sum(one.read for one in reports),
        "total_count": sum(one.lines for one in reports),
        "created_count": sum(one.created for one in reports),
        "updated_count": sum(one.updated for one in reports),
        "unchanged_count": sum(one.unchanged for one in reports),
        "failed_count": sum(one.failed for one in reports),
        "refusals": _refusals(now),
        "entities": [{"entity": _entity(one)} | summary.as_document(one) for one in reports],
    }
    if not document["success"]:
        document["error"] = {
            "code": f"orchestration.{it['state']}",
            "message": "; ".join(_reasons(now, reports)),
            "remedy": f"sync-pipeline orchestrations status {it['id']}",
        }
    return document


def print_reports(now: Moment, reports: "Sequence[SyncReport]") -> None:
    """The summary on stdout."""
    show(_table(reports))
    show()
    for words in orchestration_view.refusals(now.items):
        show(words)
    for one in reports:
        if not summary.is_success(one):
            show(f"[red]{said(f'{_entity(one)}: {summary.reason(one)}')}[/red]")
    show(_together(now, reports))
    if is_success(now, reports) and not any(one.lines for one in reports):
        show("Nothing to change: 0 lines. Everything is as before.")
    show()
    show(f"[dim]orchestration {now.status['id']}{_run(reports)}[/dim]")


def _table(reports: "Sequence[SyncReport]") -> Table:
    table = output.table(
        "entity", "state", ">read", ">created", ">updated", ">unchanged", ">failed", ">took",
        "both sides", "queue",
    )  # fmt: skip
    for one in reports:
        table.add_row(
            _entity(one),
            output.state(one.state),
            number(one.read),
            number(one.created),
            number(one.updated),
            number(one.unchanged),
            f"[red]{number(one.failed)}[/red]" if one.failed else "0",
            duration(sum(one.stage_seconds.values())),
            _agreement(one),
            f"[dim]{one.queue_id}[/dim]",
        )
    return table


def _agreement(one: "SyncReport") -> str:
    agree = one.verdict.agree if one.verdict else None
    return {True: "[green]agree[/green]", False: "[yellow]differ[/yellow]", None: ""}[agree]


def _together(now: Moment, reports: "Sequence[SyncReport]") -> str:
    done = sum(map(summary.is_success, reports))
    n_all = len(now.items)
    changed = sum(one.created + one.updated for one in reports)
    style = "green" if is_success(now, reports) else "yellow"
    return (
        f"[{style}]{done} of {n_all} entities are in step[/{style}]: "
        f"{number(sum(one.read for one in reports))} records read, {number(changed)} changed here, "
        f"{number(sum(one.failed for one in reports))} failed, in "
        f"{duration(sum(sum(one.stage_seconds.values()) for one in reports))}."
    )


def _reasons(now: Moment, reports: "Sequence[SyncReport]") -> list[str]:
    failed = [
        f"{_entity(one)}: {summary.reason(one)}" for one in reports if not summary.is_success(one)
    ]
    return [*_refusals(now), *failed] or ["Nothing was synced."]


def _refusals(now: Moment) -> list[str]:
    return [f"{one.entity}: {one.refusal}" for one in now.items if one.refusal]


def _entity(report: "SyncReport") -> str:
    return str(report.status["entity"])


def _run(reports: "Sequence[SyncReport]") -> str:
    runs = list(dict.fromkeys(one.run_id for one in reports))
    return f", Dagster run {', '.join(runs)}" if runs else ""
