"""What a sync did, in words a person understands.

Belongs here: from a report to lines of text and to JSON. Does not: running it, printing errors.
"""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sync_pipeline.cli import output
from sync_pipeline.cli.output import duration, number, said, show
from sync_pipeline.cli.progress_bar import STAGE_WORDS
from sync_pipeline.cli.proof_view import certificate_line
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.progress import FailedLine, Milestone, failed_lines, milestones
from sync_pipeline.queue.queues import Queue, find_queue

if TYPE_CHECKING:
    from sync_pipeline.orchestration.reports import SyncReport

_FAILED_SHOWN = 5
_CENT = Decimal("0.01")


def is_success(report: "SyncReport") -> bool:
    """Whether the command worked: everything that was read is applied and proven."""
    return report.success and report.state == "done"


def as_document(report: "SyncReport") -> dict[str, Any]:
    """The JSON form of a report. With `success` false, `error` says why."""
    document: dict[str, Any] = {
        "success": is_success(report),
        "queue_id": report.queue_id,
        "dagster_run_id": report.run_id,
        "is_new": report.is_new,
        "state": report.state,
        "read_count": report.read,
        "total_count": report.lines,
        "created_count": report.created,
        "updated_count": report.updated,
        "deleted_count": int(report.status["deleted_count"]),
        "unchanged_count": report.unchanged,
        "failed_count": report.failed,
        "stage_seconds": {name: round(value, 3) for name, value in report.stage_seconds.items()},
        "agree": report.verdict.agree if report.verdict else None,
        "reconciliation": asdict(report.verdict) if report.verdict else None,
        "certificate": report.status.get("certificate"),
    }
    if not is_success(report):
        document["error"] = {
            "code": report.error_code or f"queue.{report.state}",
            "message": reason(report),
            "remedy": f"sync-pipeline status {report.queue_id}",
        }
    return document


def reason(report: "SyncReport") -> str:
    """Why a sync is not simply done."""
    if report.error:
        return report.error
    return str(report.status.get("action_required_reason") or f"The sync ended as {report.state}.")


def print_report(database: Database, report: "SyncReport") -> None:
    """The summary on stdout."""
    queue = find_queue(database, report.queue_id)
    show(f"[bold]{queue.connection} {queue.entity}[/bold]: {output.state(report.state)}")
    show()
    show(output.facts(_counts(report, queue)))
    show()
    show(output.facts(_stages(report.stage_seconds)))
    show()
    for line in _findings(report, queue, milestones(database, queue)):
        show(line)
    for failed in failed_lines(database, queue, most=_FAILED_SHOWN) if report.failed else ():
        show(f"  {_failed_line(queue.entity, failed)}")
    if not is_success(report):
        show(f"[red]{said(reason(report))}[/red]")
    if n_open := (report.status.get("certificate") or {}).get("conflicted"):
        show(f"Open conflicts: {number(n_open)}. Both sides of each, and deciding:")
        show(f"sync-pipeline conflicts list {said(queue.connection)}")
    show()
    show(f"[dim]queue {report.queue_id}, Dagster run {report.run_id}[/dim]")


def _counts(report: "SyncReport", queue: Queue) -> list[tuple[str, ...]]:
    failed = f"[red]{number(report.failed)}[/red]" if report.failed else "0"
    if report.status["is_beside"]:
        return [
            ("lines", number(report.lines), f"{queue.entity} of ours that it is about"),
            ("updated", number(report.updated), ""),
            ("removed", number(report.status["deleted_count"]), ""),
            ("restored", number(report.created), ""),
            ("unchanged", number(report.unchanged), ""),
            ("failed", failed, ""),
        ]
    deleted = int(report.status["deleted_count"])
    gone = [("deleted", number(deleted), "gone from the store: marked, archived or deleted here")]
    read, lines = f"{queue.entity} in the store", "new or changed, to be applied here"
    if queue.filters.applies:
        read, lines = f"{queue.entity} by the preview; the store was not asked", "that it showed"
    return [
        ("read", number(report.read), read),
        ("lines", number(report.lines), lines),
        ("created", number(report.created), ""),
        ("updated", number(report.updated), ""),
        *(gone if deleted else ()),
        ("unchanged", number(report.unchanged), ""),
        ("failed", failed, ""),
    ]


def _stages(stage_seconds: Mapping[str, float]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        (STAGE_WORDS.get(name, name), duration(seconds), "")
        for name, seconds in stage_seconds.items()
    ]
    return [*rows, ("together", duration(sum(stage_seconds.values())), "")]


def _findings(report: "SyncReport", queue: Queue, happened: list[Milestone]) -> list[str]:
    lines = []
    if report.state == "done" and not report.lines:
        lines.append(
            f"Nothing to change: 0 lines. All {number(report.read)} {queue.entity} are as before."
        )
    certificate = report.status.get("certificate")
    if report.verdict is not None and not queue.filters.applies:
        style = {True: "green", False: "yellow", None: "dim"}[report.verdict.agree]
        words = report.verdict.in_words
        if certificate and certificate["holds"] is False:  # the same ids, not the same content
            words = words.replace("both sides agree", "the ids of both sides agree", 1)
        lines.append(f"[{style}]{_sentence(words)}[/{style}]")
    rule = str(report.status.get("lifetime_value_rule"))
    rules = [
        rules_differ(one.details, rule)
        for one in happened
        if one.activity_type == "enqueue_completed" and one.details
    ]
    lines += [sentence for sentence in rules[-1:] if sentence]
    lines += [_sentence(one.message) for one in happened if one.activity_type in _WORTH_SAYING]
    if certificate:
        lines.append(certificate_line(certificate))
    return lines


def _sentence(words: str) -> str:
    return said(f"{words[:1].upper()}{words[1:]}.")


_WORTH_SAYING = (
    "orders_unreadable",
    "currencies_mixed",
    "guests_settled",
    "guests_without_email",
    "replay_incomplete",
)


def rules_differ(amounts: Mapping[str, Any], rule: str) -> str:
    """How far the two rules of the lifetime value are apart; empty when they are not. Pure.

    Args:
        amounts: lifetime_value_all_orders and lifetime_value_paid_net, decimals as text.
        rule: the one in use.
    """
    every = Decimal(str(amounts.get("lifetime_value_all_orders", 0)))
    paid = Decimal(str(amounts.get("lifetime_value_paid_net", 0)))
    if every == paid:
        return ""
    share = f", {abs(every - paid) / every:.1%} of it" if every else ""
    return (
        f"Lifetime values: {every.quantize(_CENT):,} by all orders, {paid.quantize(_CENT):,} by "
        f"paid orders less refunds: {abs(every - paid).quantize(_CENT):,} apart{share}. "
        f"In use: {rule} (SYNC_QUEUE_LIFETIME_VALUE_RULE)."
    )


def _failed_line(entity: str, line: FailedLine) -> str:
    return f"{entity} {said(line.external_id)}: {said(line.error_message)} ({line.error_code})"
