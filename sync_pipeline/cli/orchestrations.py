"""`sync-pipeline orchestrations`: list, status, pause, resume, cancel, retry.

Belongs here: their options and what they print. Does not: starting one (orchestrate.py), following
one (orchestration_following.py), what an action does (queue/orchestrations/acting.py).

With --json `list` prints {"orchestrations": [...]} of rows of sync_orchestration_status, `status`
one such row with its `items`, an action success and the keys of OrchestrationResult.
"""

import getpass
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer

from sync_pipeline.cli import orchestration_view, output
from sync_pipeline.cli.actions import By, Reason
from sync_pipeline.cli.orchestration_following import follow, print_whole
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import orchestrations
from sync_pipeline.queue.orchestrations import OrchestrationResult
from sync_pipeline.settings import DatabaseSettings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Syncs of several connections and entities: list, status, pause, resume, cancel, retry.",
)
OrchestrationArgument = Annotated[
    str, typer.Argument(metavar="ID", help="An orchestration's id, or how it begins.")
]


@app.command("list")
def list_(
    *,
    org: Annotated[str | None, typer.Option(help="Only those of this organization.")] = None,
    most: Annotated[int, typer.Option(help="How many to list.", min=1, max=1000)] = 20,
    as_json: output.AsJson = False,
) -> None:
    """The last ones, the newest first."""
    with Database.open(DatabaseSettings()) as database:
        found = orchestrations.recent_orchestrations(database, org_id=org, most=most)
    if as_json:
        output.print_json({"orchestrations": found})
    elif found:
        output.show(orchestration_view.listing(found))
    else:
        typer.echo("There is none yet. Start one: sync-pipeline orchestrate --org ORG")


@app.command()
def status(
    orchestration: OrchestrationArgument,
    *,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until nothing moves.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """How one stands: each connection and entity, totals, what happened to it as a whole."""
    with Database.open(DatabaseSettings()) as database:
        chosen = orchestrations.find_orchestration(database, orchestration)
        if watch:
            follow(database, chosen, as_json=as_json)
            if as_json:
                return
        print_whole(database, chosen, as_json=as_json)


def _command(name: str, act: Callable[..., OrchestrationResult], words: str) -> None:
    """The command of one action."""

    def command(
        orchestration: OrchestrationArgument,
        *,
        by: By = None,
        reason: Reason = None,
        as_json: output.AsJson = False,
    ) -> None:
        with Database.open(DatabaseSettings()) as database:
            result = act(database, orchestration, by=by or getpass.getuser(), reason=reason)
        if as_json:
            output.print_json({"success": True} | asdict(result))
            return
        output.show(output.said(result.message))
        output.show(
            f"Orchestration {output.state(result.state)}{', paused' if result.is_paused else ''}, "
            f"{result.progress:g} %  [dim]{result.orchestration_id}[/dim]"
        )

    app.command(name, help=words)(command)


_command(
    "pause",
    orchestrations.pause_orchestration,
    "Stop every queue of it after the batch in hand; what was not begun is not begun.",
)
_command("resume", orchestrations.resume_orchestration, "Let every paused queue of it go on.")
_command(
    "cancel",
    orchestrations.cancel_orchestration,
    "Cancel what is not done of every queue of it, for good; what is done stays.",
)
_command(
    "retry",
    orchestrations.retry_orchestration,
    "Try the failed lines of every queue of it again; a running daemon does the work.",
)
