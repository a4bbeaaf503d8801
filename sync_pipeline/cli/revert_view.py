"""What a revert would do and did, in words.

Belongs here: from queue.revert_preview to lines of text and to JSON. Does not: doing it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from sync_pipeline.cli import output
from sync_pipeline.cli.output import moment, number, said, show
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.queues import queue_status
from sync_pipeline.queue.revert_preview import Field, Record, RevertPreview
from sync_pipeline.queue.reverting import Reverting

_LONGEST_VALUE: Final = 60
_SHOWN_FIELDS: Final = 12
_COUNTS: Final[Mapping[str, tuple[str, str]]] = {
    "removed": ("to be removed", "it created them; they go into sync_archive"),
    "updated": ("to get back", "what their fields held before"),
    "restored": ("to be restored", "it had removed them"),
    "unchanged": ("as before already", ""),
    "disputed": ("in conflict", "changed since: what moved stays, the rest is taken back"),
    "left": ("left alone", "another record or a later sync has made the row its own"),
    "gone": ("gone", "deleted here since: there is nothing to put back into"),
    "exists": ("there already", "so it is not restored"),
}
_DOES: Final = {name: words for name, (words, _) in _COUNTS.items()}


def as_document(shown: RevertPreview) -> dict[str, Any]:
    """The JSON form: counts by what would become of records, fields that moved, the first ones."""
    counts = dict.fromkeys(_COUNTS, 0) | dict(shown.counts)
    return asdict(shown) | {"counts": counts, "n_records": shown.n_records}


def show_preview(shown: RevertPreview) -> None:
    """Counts, what has moved, and the first records field by field."""
    show(
        f"Taking back [bold]{said(shown.connection)} {shown.entity}[/bold] {shown.queue_id} "
        f"would touch {number(shown.n_records)} records:"
    )
    rows = [
        (words, number(shown.counts[name]), hint)
        for name, (words, hint) in _COUNTS.items()
        if shown.counts.get(name)
    ]
    show(output.facts(rows))
    if shown.moved:
        fields = ", ".join(f"{said(name)} ({number(n)})" for name, n in sorted(shown.moved.items()))
        show(f"[yellow]Changed since, and left as they are:[/yellow] {fields}")
    for record in shown.records:
        _show_record(shown.entity, record)
    rest = shown.n_records - shown.counts.get("unchanged", 0) - len(shown.records)
    if rest > 0 and shown.records:
        show(f"[dim]… and {number(rest)} more[/dim]")


def state_of(database: Database, reverting: Reverting) -> str:
    """How the revert stands."""
    return str(_status(database, reverting)["state"])


def ended_before(database: Database, reverting: Reverting) -> dict[str, Any]:
    """The JSON form of a revert that had ended before it was asked for again."""
    queue, status = reverting.queue, _status(database, reverting)
    is_done = status["state"] == "done"
    document = {
        "success": is_done,
        "queue_id": str(queue.id),
        "reverts": str(reverting.reverted.id),
        "is_new": False,
        "state": status["state"],
    }
    if is_done:
        return document
    return document | {
        "error": {
            "code": f"queue.{status['state']}",
            "message": str(status["action_required_reason"] or "It was taken back before."),
            "remedy": f"sync-pipeline status {queue.id}",
        }
    }


def say_taken_back_before(database: Database, reverting: Reverting) -> None:
    """That there was nothing to decide: the revert exists."""
    queue, status = reverting.queue, _status(database, reverting)
    show(
        f"It was taken back before: by {said(status['created_by'])} on {moment(queue.created_at)} "
        f"UTC, {output.state(status['state'])}, in queue {queue.id}."
    )


def _status(database: Database, reverting: Reverting) -> dict[str, Any]:
    queue = reverting.queue
    with database.organization(queue.org_id) as conn:
        return queue_status(conn, queue.queue_no)


def say_what_next(reverting: Reverting, state: str) -> None:
    """Where conflicts wait, and how the revert itself is taken back."""
    queue = reverting.queue
    if state != "done":
        show(f"What could not be taken back: sync-pipeline conflicts list {said(queue.connection)}")
    show(f"[dim]To take that back as well: sync-pipeline revert {queue.id}[/dim]")


def _show_record(entity: str, record: Record) -> None:
    show()
    show(f"{entity} [bold]{said(record.external_id)}[/bold] {_DOES[record.does]}")
    names = list(record.fields)
    if record.does == "removed":
        kept = [name for name in names if record.fields[name].now not in (None, "", [], {})]
        show(f"  [dim]with[/dim] {', '.join(said(name) for name in kept)}")
        return
    for name in names[:_SHOWN_FIELDS]:
        show(f"  {_field(name, record.fields[name], is_moved=name in record.moved)}")
    if len(names) > _SHOWN_FIELDS:
        show(f"  [dim]and {len(names) - _SHOWN_FIELDS} more fields[/dim]")


def _field(name: str, field: Field, *, is_moved: bool) -> str:
    if is_moved:
        left = f"[dim]stays; the sync had left[/dim] {_value(field.left)}"
        return f"[yellow]{said(name)}[/yellow]: {_value(field.now)} {left}"
    return f"{said(name)}: {_value(field.now)} [dim]becomes[/dim] {_value(field.becomes)}"


def _value(value: object) -> str:
    if value is None:
        return "[dim]nothing[/dim]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return said(text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…")
