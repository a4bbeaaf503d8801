"""How a queue looks while it is followed: one line, or a few lines that stay in their place.

Belongs here: layout of a moment, pure. Does not: everything about a queue (queue_view.py), reading
(queue/progress.py), when to look again (status.py).
"""

from datetime import datetime

from rich.align import Align
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar

from sync_pipeline.cli import output
from sync_pipeline.cli.output import duration, number, said
from sync_pipeline.queue.progress import Batches, Standing

_BAR_COLUMNS = 40
_STEP_WORDS = {
    "extract": "reading the store",
    "enqueue": "making the lines",
    "apply": "applying the lines",
    "finished": "finished",
}


def one_line(now: Standing, now_utc: datetime) -> str:
    """How it stands, in one plain line."""
    it = now.progress
    amount = f"{number(it.processed_count)} of {number(it.total_count)} {now.unit}"
    parts = [
        f"{amount} ({it.completion_percent:.0f} %)",
        f"{it.failed_count:,} failed",
        pace(now),
        *stops(now, now_utc),
    ]
    paused = " (paused)" if now.is_paused else ""
    return f"{it.connection} {it.entity} {it.state}{paused}: {', '.join(filter(None, parts))}"


def live(now: Standing, now_utc: datetime) -> RenderableType:
    """How it stands, with a bar, what each figure is, and why it stands still if it does."""
    it = now.progress
    paused = " [yellow](paused)[/yellow]" if now.is_paused else ""
    failed = number(it.failed_count)
    rows: list[tuple[str, str]] = [
        (_STEP_WORDS[now.stage], f"{number(it.processed_count)} of {number(it.total_count)} "
         f"{now.unit}, {it.completion_percent:g} %"),
        ("pace", pace(now) or ("not known yet" if now.is_moving else "nobody works on it")),
        ("failed", f"[red]{failed}[/red]" if it.failed_count else failed),
    ]  # fmt: skip
    if now.batches.total:
        rows.append(("batches", batches(now.batches)))
    if stopped := stops(now, now_utc):
        rows.append(("stands still", f"[yellow]{said('; '.join(stopped))}[/yellow]"))
    if now.alarm:
        rows.append(("", f"[red]{_sentence(now.alarm)}[/red]"))
    return Group(
        f"[bold]{said(it.connection)} {it.entity}[/bold]: {output.state(it.state)}{paused}  "
        f"[dim]{it.queue_id}[/dim]",
        Align.left(ProgressBar(total=100, completed=it.completion_percent, width=_BAR_COLUMNS)),
        output.facts(rows),
    )


def pace(now: Standing) -> str:
    """Rate and remaining time; empty where there is neither."""
    it = now.progress
    if not it.items_per_min:
        return ""
    left = it.eta_seconds if not now.is_over else None
    return f"{it.items_per_min:,.0f} a minute" + (
        f", {duration(left)} left" if left is not None else ""
    )


def batches(them: Batches) -> str:
    """How many batches are through, and how the last one went."""
    text = f"{number(them.ended)} of {number(them.total)} done"
    if them.last_no is None or them.last_lines is None:
        return text
    text += f"; the last: {number(them.last_lines)} lines"
    if them.last_seconds is not None and them.last_items_per_min is not None:
        text += f" in {them.last_seconds:.2f} s ({them.last_items_per_min:,.0f} a minute)"
    return text


def stops(now: Standing, now_utc: datetime) -> list[str]:
    """In words, everything that keeps an open queue from moving; empty when nothing does."""
    if now.is_over:
        return []
    reasons = []
    if now.is_paused:
        reasons.append("paused: resume it")
    if now.retry_at is not None and now.retry_at > now_utc:
        wait = duration((now.retry_at - now_utc).total_seconds())
        why = f": {now.last_error}" if now.last_error else ""
        code = f" after {now.last_error_code}" if now.last_error_code else ""
        reasons.append(f"tried again at {now.retry_at:%H:%M:%S} UTC, in {wait},{code}{why}")
    if now.progress.is_action_required:
        reasons.append(f"needs a person: {now.progress.action_required_reason}")
    if not reasons and not now.is_moving:
        reasons.append("its process is gone: it is taken over soon")
    return reasons


def _sentence(words: str) -> str:
    return said(f"{words[:1].upper()}{words[1:]}.")
