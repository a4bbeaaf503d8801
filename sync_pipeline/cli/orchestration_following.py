"""Saying that an orchestration was opened, following it to its end, printing it whole.

Belongs here: when to look again, and on what it is shown. Does not: reading
(queue/orchestrations/), layout (orchestration_view.py).
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import typer
from rich.live import Live

from sync_pipeline.cli import failures, orchestration_view, output
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.orchestrations import Moment, Orchestration, activities_of, moment_of

_REFRESH_SECONDS = 1.0


def say_opened(database: Database, made: Orchestration, *, is_new: bool, as_json: bool) -> None:
    """Say which queues were opened and left to a daemon.

    Raises:
        typer.Exit: there is no queue, because each was refused.
    """
    now = moment_of(database, made)
    is_any = now.status["n_queues"] > 0
    if as_json:
        document = {"success": True, "is_new": is_new} | as_document(now)
        output.print_json(document | ({} if is_any else error_of(now)))
    else:
        _show_opened(now, is_new=is_new)
    if not is_any:
        raise typer.Exit(failures.FAILED)


def error_of(now: Moment) -> dict[str, Any]:
    """What makes the document of an orchestration that is not done one of a failure."""
    it = now.status
    return {
        "success": False,
        "error": {
            "code": f"orchestration.{it['state']}",
            "message": it["action_required_reason"] or orchestration_view.one_line(now),
            "remedy": f"sync-pipeline orchestrations status {it['id']}",
        },
    }


def _show_opened(now: Moment, *, is_new: bool) -> None:
    it = now.status
    if it["n_queues"] == 0:
        output.show(f"No queue could be opened (orchestration {it['id']}).")
    else:
        first = "Opened" if is_new else "It was started before:"
        output.show(f"{first} orchestration {it['id']}. {_what_follows(now)}")
    for one in now.items:
        if one.queue_id is not None:
            joined = " (was open before)" if one.is_joined else ""
            output.show(f"  {output.said(one.connection)} {one.entity} {one.queue_id}{joined}")
    for words in orchestration_view.refusals(now.items):
        output.show(f"  {words}")
    if not now.has_ended:
        output.show(f"Watch it: sync-pipeline orchestrations status {it['id']} --watch")


def _what_follows(now: Moment) -> str:
    it = now.status
    if it["is_paused"]:
        return f"It is paused; let it go on: sync-pipeline orchestrations resume {it['id']}."
    if now.has_ended:
        return f"It has ended: {it['state']}."
    return "A running daemon starts it within seconds."


def print_whole(database: Database, chosen: Orchestration, *, as_json: bool) -> None:
    """Everything about it, as it is now."""
    now = moment_of(database, chosen)
    if as_json:
        output.print_json(as_document(now))
        return
    happened = activities_of(database, chosen.org_id, chosen.orchestration_no)
    output.show(orchestration_view.whole(now, happened))


def as_document(now: Moment) -> dict[str, Any]:
    """The JSON form of a moment."""
    return dict(now.status) | {"items": [asdict(one) for one in now.items]}


def follow(database: Database, chosen: Orchestration, *, as_json: bool) -> Moment | None:
    """Show it once a second until it ends or all that is open waits for a person.

    With JSON each change is one document on one line.

    Returns:
        The last moment; None when Ctrl-C came first.
    """
    console = output.stdout()
    last: Moment | None = None
    try:
        if not as_json and console.is_terminal:
            with Live(console=console, auto_refresh=False, transient=True) as shown:
                for last in moments(database, chosen):
                    shown.update(orchestration_view.live(last), refresh=True)
        else:
            for last in moments(database, chosen):
                if as_json:
                    output.print_json_line(as_document(last))
                else:
                    typer.echo(orchestration_view.one_line(last))
    except KeyboardInterrupt:
        output.stderr().print("Watching ended; the orchestration is as it was.")
        return None
    return last


def moments(database: Database, chosen: Orchestration) -> Iterator[Moment]:
    """Each moment that differs from the one before, until nothing moves any more."""
    before = None
    while True:
        now = moment_of(database, chosen)
        if now != before:
            yield now
        if now.is_still:
            return
        before = now
        time.sleep(_REFRESH_SECONDS)
