"""How a preview looks: counts first, then fields; as words, JSON and CSV.

Belongs here: layout. Does not: what is shown (queue/differences.py), running it (preview.py).
"""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from sync_pipeline.cli import output
from sync_pipeline.cli.explain import differences
from sync_pipeline.cli.output import number, said, show
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.differences import Counts, Difference, all_differences
from sync_pipeline.queue.progress import Milestone
from sync_pipeline.queue.queues import Queue

_LONGEST_VALUE: Final = 60
_STYLES: Final = {"created": "green", "updated": "cyan", "deleted": "red", "failed": "yellow"}
_WORTH_SAYING: Final = ("absences_found", "orders_unreadable", "replay_incomplete")
_COLUMNS: Final = ("external_id", "what", "field", "before", "after", "base", "code", "message")
# Of a created row these tell who it is; the rest is in --json and --csv.
_TELLING: Final = (
    *("name", "email", "sku", "number", "status", "total"),
    *("kind", "amount", "method_title", "quantity", "stock_status"),
)


def print_preview(
    queue: Queue, counts: Counts, shown: Sequence[Difference], happened: Sequence[Milestone]
) -> None:
    """The preview on stdout."""
    show(f"[bold]{queue.connection} {queue.entity}[/bold]: what a sync would do now")
    show()
    show(output.facts(_counts(counts, queue.entity)))
    if shown:
        show()
        show(_table(shown))
    rest = counts.changes + counts.in_conflict + counts.failed - len(shown)
    if rest > 0:
        show(f"[dim]… and {number(rest)} more: --rows {len(shown) + rest}, or --csv FILE.[/dim]")
    show()
    for line in _findings(queue, counts, happened):
        show(line)


def as_document(queue: Queue, counts: Counts, shown: Sequence[Difference]) -> dict[str, Any]:
    """The JSON form."""
    return {
        "success": True,
        "preview_id": str(queue.id),
        "connection": queue.connection,
        "entity": queue.entity,
        "counts": counts,
        "changes": shown,
    }


def write_csv(database: Database, queue: Queue, path: Path) -> int:
    """Every change, one line a field; memory stays flat. How many lines were written."""
    n_lines = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for difference in all_differences(database, queue):
            for row in csv_rows(difference):
                writer.writerow(row)
                n_lines += 1
    return n_lines


def csv_rows(difference: Difference) -> Iterator[tuple[str, ...]]:
    """One line a field; one without a field where none changes. Pure."""
    head = (difference.external_id, _what(difference))
    tail = (difference.code or "", difference.message or "")
    if not difference.fields:
        yield (*head, "", "", "", "", *tail)
    for field in difference.fields:
        yield (*head, field.name, *map(_text, (field.before, field.after, field.base)), *tail)


def _counts(counts: Counts, entity: str) -> list[tuple[str, ...]]:
    rows = [
        ("created", counts.created, ""),
        ("updated", counts.updated, ""),
        ("deleted", counts.deleted, ""),
        ("unchanged", counts.unchanged, f"of {number(counts.read)} {entity} that were read"),
        ("in conflict", counts.in_conflict, "a person decides" if counts.in_conflict else ""),
        ("failed", counts.failed, ""),
    ]
    return [(name, number(count), words) for name, count, words in rows]


def _table(shown: Sequence[Difference]) -> Any:  # noqa: ANN401  (rich's)
    table = output.table("record", "what", "field", "here", "becomes")
    for difference in shown:
        style = _STYLES.get(difference.what, "dim")
        cells = [said(difference.external_id), f"[{style}]{_what(difference)}[/{style}]"]
        for row in _lines(difference):
            table.add_row(*cells, *row)
            cells = ["", ""]
    return table


def _lines(difference: Difference) -> Iterator[tuple[str, str, str]]:
    if difference.what == "created":
        told = {field.name: field.after for field in difference.fields}
        words = ", ".join(_short(told[name]) for name in _TELLING if told.get(name))
        yield "", "", words
    elif difference.what == "deleted" or not difference.fields:
        yield "", "", said(difference.message or "")
    else:
        yield from _changed(difference)


def _changed(difference: Difference) -> Iterator[tuple[str, str, str]]:
    before = {field.name: field.before for field in difference.fields}
    after = {field.name: field.after for field in difference.fields}
    for name, was, becomes in differences(before, after):
        words = _short(becomes)
        if difference.is_conflict:
            words = f"there: {words}"
        yield said(name), _short(was), words


def _findings(queue: Queue, counts: Counts, happened: Sequence[Milestone]) -> list[str]:
    lines = [said(f"{one.message}.") for one in happened if one.activity_type in _WORTH_SAYING]
    if not counts.changes and not counts.in_conflict and not counts.failed:
        lines.append("Nothing would change.")
    if counts.is_complete is False:
        reason = _reason(happened)
        lines.append(f"[yellow]The reading is not proven whole: {said(reason)}.[/yellow]")
    lines.append(
        f"Nothing was written. Do exactly this: sync-pipeline sync {queue.connection} --entity "
        f"{queue.entity} --preview {queue.id}"
    )
    return lines


def _reason(happened: Sequence[Milestone]) -> str:
    """Why a reading proves nothing, as its extract said. Pure."""
    said_then = [one.message for one in happened if one.activity_type == "extract_completed"]
    return (said_then or ["records came or went meanwhile"])[-1].rstrip(".")


def _what(difference: Difference) -> str:
    return "in conflict" if difference.is_conflict else difference.what


def _short(value: object) -> str:
    if value is None:
        return "[dim]nothing[/dim]"
    text = _text(value)
    return said(text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…")


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
