"""`sync-pipeline explain`: why a record is as it is, and what happened to it.

Belongs here: the story's layout. Does not: gathering it and drawing conclusions (queue/story/).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from sync_pipeline.cli import output
from sync_pipeline.cli.output import moment, said
from sync_pipeline.entities import entity_of
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.story import Event, Story, gather, reasons, timeline
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.sources.connections import find_connection

app = typer.Typer(add_completion=False)

_LONGEST_VALUE: Final = 100
_STYLES: Final[Mapping[str, str]] = {
    "failed": "red",
    "conflict": "red",
    "skipped": "yellow",
    "retired": "yellow",
    "edited": "cyan",
    "done": "green",
    "resolved": "green",
}


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="The connection.")],
    entity: Annotated[str, typer.Argument(help="Such as customers.")],
    external_id: Annotated[str, typer.Argument(help="The record's id in the remote system.")],
    *,
    as_json: output.AsJson = False,
) -> None:
    """Tell a record's story: what it is here and why, and everything that happened to it."""
    with Database.open(DatabaseSettings()) as database:
        connection = find_connection(database, name)
        story = gather(database, connection, entity_of(connection.system, entity), external_id)
    if as_json:
        output.print_json(as_document(story))
    else:
        _print(story)


def as_document(story: Story) -> dict[str, Any]:
    """The JSON form: all that is kept, the events in order of time, and the reasons."""
    kept = {
        name: value for name, value in asdict(story).items() if name not in ("sync_ends", "lines")
    }
    lines = [asdict(line) | {"kind": line.kind} for line in story.lines]
    events = [asdict(event) for event in timeline(story)]
    quiet = len(story.quiet_ends)
    return {
        **kept, "lines": lines, "quiet_syncs": quiet, "events": events, "reasons": reasons(story),
    }  # fmt: skip


def _print(story: Story) -> None:
    output.show(f"[bold]{said(story.connection)} {story.entity} {said(story.external_id)}[/bold]")
    for sentence in reasons(story):
        output.show(said(sentence))
    if story.identity is not None and story.identity.ours is not None:
        output.show("\nOur row")
        hidden = {"id", "org_id", "email_normalized", "source_key"}
        rows = [
            (f"  {name}", _value(value) + _edited(story, name))
            for name, value in story.identity.ours.items()
            if name not in hidden
        ]
        output.show(output.facts(rows))
    output.show("\nWhat happened (UTC)")
    queue_id = None
    for event in timeline(story):
        _print_event(event, is_same_queue=event.queue_id in (None, queue_id))
        queue_id = event.queue_id or queue_id


def _edited(story: Story, name: str) -> str:
    edit = story.edits.get(name)
    return f"  [cyan]edited here; the record had {_value(edit.base)}[/cyan]" if edit else ""


def _print_event(event: Event, *, is_same_queue: bool) -> None:
    style = _STYLES.get(event.kind)
    words = f"[{style}]{said(event.words)}[/{style}]" if style else said(event.words)
    queue = "" if is_same_queue else f"  [dim]queue {event.queue_id}[/dim]"
    _show_hanging(f"  [dim]{moment(event.at)}[/dim]  ", f"{words}{queue}")
    if event.after and event.before is None:
        _show_hanging("    [dim]with[/dim] ", ", ".join(said(name) for name in event.after))
    for name, before, after in differences(event.before, event.after):
        _show_hanging("    ", f"{said(name)}: {_value(before)} [dim]became[/dim] {_value(after)}")


def _show_hanging(lead: str, words: str) -> None:
    """Words that stay to the right of what leads them where a terminal breaks the line."""
    if not output.stdout().is_terminal:
        output.show(f"{lead}{words}")
        return
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(lead, words)
    output.show(grid)


def differences(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> list[tuple[str, Any, Any]]:
    """What changed, by column; inside objects by key (`metadata.orders`). Pure."""
    if before is None or after is None:
        return []
    found: list[tuple[str, Any, Any]] = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            found += [(f"{name}.{key}", was, became) for key, was, became in differences(old, new)]
        elif old != new:
            found.append((name, old, new))
    return found


def _value(value: object) -> str:
    if value is None:
        return "[dim]nothing[/dim]"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return said(text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…")
