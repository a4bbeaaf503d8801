"""How conflicts look: a table of them, both sides of one, counts.

Belongs here: layout. Does not: asking (queue/conflicts/), what was decided (conflicts_deciding.py).
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from sync_pipeline.cli import output
from sync_pipeline.cli.output import moment, said
from sync_pipeline.queue.conflicts import Chosen, Conflict, Count, Shown, Side, Stats

_SHORT_ID: Final = 8
_LONGEST_VALUE: Final = 60
_SECONDS: Final = {"d": 86_400, "h": 3_600, "min": 60}


def as_document(conflict: Conflict) -> dict[str, Any]:
    """The JSON form of one conflict."""
    return {name: value for name, value in asdict(conflict).items() if name != "conflict_no"}


def print_list(found: Sequence[Conflict], chosen: Chosen, *, is_more: bool) -> None:
    """A line for each, and what to do next."""
    if not found:
        output.show(f"No conflict is {chosen.state}." if chosen.state else "There is none.")
        return
    table = output.table("id", "connection", "entity", "record", "type", "what", ">age")
    now = datetime.now(UTC)
    for one in found:
        table.add_row(
            str(one.id)[:_SHORT_ID],
            said(one.connection),
            one.entity,
            said(one.external_id),
            one.conflict_type,
            said(_what(one)),
            age((now - one.created_at).total_seconds()),
        )
    output.show(table)
    if is_more:
        output.show(f"\nMore: --after {str(found[-1].id)[:_SHORT_ID]}")
    if any(one.state == "open" for one in found):
        output.show("\nBoth sides of one: sync-pipeline conflicts show ID")


def _what(one: Conflict) -> str:
    """What is in dispute, or why it failed, and what happens next."""
    words = ", ".join(one.fields) if one.fields else one.message
    if one.is_being_resolved:
        return f"{words} (decided, being applied)"
    if one.strategy == "AutoRetry" and one.state == "open":
        return f"{words} (try {one.tries + 1} at {moment(one.next_try_at)})"
    return words if one.state == "open" else f"{words} ({one.state} by {one.resolved_by})"


def age(seconds: float) -> str:
    """A span in its largest whole unit."""
    for unit, size in _SECONDS.items():
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def print_one(shown: Shown) -> None:
    """Everything about one conflict, and how to decide."""
    one = shown.conflict
    output.show(
        f"[bold]{one.conflict_type}[/bold] {said(one.connection)} {one.entity} "
        f"{said(one.external_id)}: {_state(one.state)}  [dim]{one.id}[/dim]"
    )
    output.show(said(one.message))
    if shown.sides:
        output.show("" if one.state == "open" else "\nAs both sides were when it was decided:")
        output.show(_sides(shown))
    output.show()
    output.show(output.facts(_facts(one)))
    if one.state == "open":
        output.show()
        for line in _ways(shown):
            output.show(said(line))


def _state(state: str) -> str:
    style = {"open": "yellow", "resolved": "green"}.get(state, "dim")
    return f"[{style}]{state}[/{style}]"


def _sides(shown: Shown) -> Any:  # noqa: ANN401  (a rich table)
    is_open = shown.conflict.state == "open"
    headings = ("field", *_headings(shown), *(["becomes"] if is_open else []))
    table = output.table(*headings)
    for side in (part for one in shown.sides for part in parts_of(one)):
        becomes = "[yellow]you decide[/yellow]" if side.is_disputed else _value(side.merged)
        table.add_row(
            f"[bold]{said(side.name)}[/bold]" if side.is_disputed else said(side.name),
            _value(side.base),
            _value(side.ours),
            "" if shown.is_deletion else _value(side.theirs),
            *([becomes] if is_open else []),
        )
    return table


def _headings(shown: Shown) -> tuple[str, str, str]:
    """What the three sides are: of an undo the store is none of them."""
    if shown.is_undo:
        there = "the undo removes it" if shown.is_deletion else "the undo wants"
        return "as synced", "here", there
    return "last agreed", "here", "in the store: gone" if shown.is_deletion else "in the store"


def parts_of(side: Side) -> list[Side]:
    """An object by its keys that differ (`address.city`); anything else as it is. Pure."""
    known = [one for one in (side.ours, side.theirs) if one is not None]
    if not known or not all(isinstance(one, dict) for one in known):
        return [side]
    base, ours, theirs, merged = (
        one if isinstance(one, dict) else {}
        for one in (side.base, side.ours, side.theirs, side.merged)
    )
    found = [
        Side(
            f"{side.name}.{key}", base.get(key), ours.get(key), theirs.get(key), merged.get(key),
            side.is_disputed,
        )
        for key in sorted(ours.keys() | theirs.keys())
        if ours.get(key) != theirs.get(key) or merged.get(key) != ours.get(key)
    ]  # fmt: skip
    return found or [side]


def _value(value: object) -> str:
    if value is None:
        return "[dim]nothing[/dim]"
    if value == "":
        return "[dim]empty[/dim]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return said(text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…")


def _facts(one: Conflict) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("version", str(one.version)),
        ("opened (UTC)", moment(one.created_at)),
        ("last changed (UTC)", moment(one.updated_at)),
        ("met by", f"queue {one.queue_id}" if one.queue_id else "a queue that was purged"),
    ]
    if one.strategy == "AutoRetry" and one.next_try_at:
        rows.append(("next try (UTC)", f"{moment(one.next_try_at)}, after {one.tries}"))
    if one.resolution_queue_id:
        is_refused = one.state == "open" and not one.is_being_resolved
        refused = f"not applied, what {said(one.decided_by)} decided: " if is_refused else ""
        rows.append(("decided in", f"{refused}{one.resolution_queue_id}"))
    if one.resolved_at:
        rows.append(("resolved (UTC)", f"{moment(one.resolved_at)} by {said(one.resolved_by)}"))
        rows.append(("how", said(one.resolution)))
    return rows


def _ways(shown: Shown) -> list[str]:
    """The commands that decide about it, with the version that is shown."""
    one = shown.conflict
    command = f"sync-pipeline conflicts resolve {str(one.id)[:_SHORT_ID]}"
    if one.conflict_type != "DataMismatch":
        return [f"{command} --retry | --skip"]
    if shown.is_deletion:
        goes = "our row goes into sync_archive" if shown.is_undo else "our row goes, by the policy"
        return [
            f"{command} --version {one.version} --take source   ({goes})",
            f"{command} --version {one.version} --take target   (our row stays)",
            f"{command} --version {one.version} --skip",
        ]
    fields = ",".join(one.fields)
    first = one.fields[0] if one.fields else "field"
    meant = "   (source: what the undo wants)" if shown.is_undo else ""
    return [
        f"{command} --version {one.version} --take source | --take target | --skip{meant}",
        f"{command} --version {one.version} --fields {fields} | --set {first}=VALUE",
    ]


def print_stats(stats: Stats, state: str) -> None:
    """Counts, one table a dimension."""
    one = stats.total == 1
    are = "" if state == "all" else f" {'is' if one else 'are'} {state}"
    output.show(f"{stats.total:,} conflict{'' if one else 's'}{are}.")
    for title, counts in (
        ("type", stats.by_type),
        ("strategy", stats.by_strategy),
        ("age", stats.by_age),
        ("connection", stats.by_connection),
    ):
        if counts:
            output.show()
            output.show(_counts(title, counts))


def _counts(title: str, counts: Sequence[Count]) -> Any:  # noqa: ANN401  (a rich table)
    table = output.table(title, ">conflicts", "oldest (UTC)")
    for one in counts:
        table.add_row(said(one.value), f"{one.n_conflicts:,}", moment(one.oldest_at))
    return table
