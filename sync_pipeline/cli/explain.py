"""`sync-pipeline explain`: why a record is as it is.

Belongs here: the story's layout. Does not: gathering it and drawing conclusions (queue/explain.py).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import typer

from sync_pipeline.cli import output
from sync_pipeline.cli.output import moment, said
from sync_pipeline.entities import entity_of
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.explain import Happening, Line, Story, reasons
from sync_pipeline.queue.explain import explain as gather
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.sources.connections import find_connection

app = typer.Typer(add_completion=False)

_LONGEST_VALUE = 100


@app.command()
def explain(
    name: Annotated[str, typer.Argument(help="The connection.")],
    entity: Annotated[str, typer.Argument(help="Such as customers.")],
    external_id: Annotated[str, typer.Argument(help="The record's id in the remote system.")],
    *,
    as_json: output.AsJson = False,
) -> None:
    """Tell a record's story: what it is here, every line, change and conflict, and why."""
    with Database.open(DatabaseSettings()) as database:
        connection = find_connection(database, name)
        story = gather(database, connection, entity_of(connection.system, entity), external_id)
    if as_json:
        output.print_json({**asdict(story), "reasons": reasons(story)})
    else:
        _print(story)


def _print(story: Story) -> None:
    output.show(f"[bold]{story.connection} {story.entity} {said(story.external_id)}[/bold]")
    for sentence in reasons(story):
        output.show(said(sentence))
    if story.identity is not None and story.identity.ours is not None:
        output.show("\nOur row")
        hidden = {"id", "org_id", "email_normalized"}
        rows = [(f"  {k}", _value(v)) for k, v in story.identity.ours.items() if k not in hidden]
        output.show(output.facts(rows))
    if story.lines:
        output.show("\nOn queues")
    for line in story.lines:
        _print_line(line, [one for one in story.activity if _is_of(one, line)])
    if story.conflicts:
        output.show("\nConflicts")
        for one in story.conflicts:
            end = f", {said(one.resolution)} ({said(one.resolved_by)})" if one.resolved_at else ""
            output.show(
                f"  {moment(one.created_at)}  {one.conflict_type} {one.state}: "
                f"{said(one.message)}{end}"
            )


def _is_of(happening: Happening, line: Line) -> bool:
    return happening.queue_id == line.queue_id


def _print_line(line: Line, activity: list[Happening]) -> None:
    error = f": {said(line.error_message)} ({line.error_code})" if line.error_code else ""
    output.show(f"  queue {line.queue_id}, line {line.line_no}: {output.state(line.state)}{error}")
    for one in activity:
        words = f": {said(one.message)}" if one.message else ""
        output.show(
            f"    [dim]{moment(one.created_at)}[/dim]  {one.activity_type.replace('_', ' ')}{words}"
        )
        if one.after and one.before is None:
            output.show(f"      [dim]with[/dim] {', '.join(said(name) for name in one.after)}")
        for name, before, after in differences(one.before, one.after):
            output.show(f"      {said(name)}: {_value(before)} [dim]became[/dim] {_value(after)}")


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
