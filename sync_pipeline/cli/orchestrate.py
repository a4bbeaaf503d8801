"""`sync-pipeline orchestrate`: sync several connections and entities of an organization.

Belongs here: its options and exit code. Does not: following one (orchestration_following.py),
acting on it (orchestrations.py), starting it (queue/orchestrations/starting.py).

With --json the orchestration is printed as by `orchestrations status`, with success, is_new and,
when it was waited for and is not done, an error. Exit code 1 with --wait when it is not done, and
when no queue at all could be opened.
"""

import getpass
from typing import Annotated

import typer

from sync_pipeline.cli import failures, output
from sync_pipeline.cli.launching_all import names_of
from sync_pipeline.cli.orchestration_following import (
    as_document,
    error_of,
    follow,
    moments,
    print_whole,
    say_opened,
)
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.orchestrations import Moment, Orchestration, start_orchestration
from sync_pipeline.settings import DatabaseSettings, QueueSettings, require_valid

app = typer.Typer(add_completion=False)


@app.command()
def orchestrate(  # noqa: PLR0913  (its options)
    *,
    org: Annotated[str, typer.Option(help="The organization.")],
    connections: Annotated[
        str | None, typer.Option(help="Which, with commas; all when left out.")
    ] = None,
    systems: Annotated[
        str | None, typer.Option(help="Of which systems, with commas; all when left out.")
    ] = None,
    entities: Annotated[
        str | None, typer.Option(help="What, with commas; everything when left out.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Read everything again, not only what changed.")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key within 24 hours is the same orchestration.")
    ] = None,
    created_by: Annotated[
        str | None, typer.Option(help="Who asks for it; you, when left out.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end; exit code 1 when it is not done.")
    ] = False,
    as_json: output.AsJson = False,
) -> None:
    """Sync several connections and entities of an organization, one status over all.

    Every queue is opened at once and left to a running Dagster daemon, in dependency order. The
    same request again joins the one that is unfinished.
    """
    require_valid()
    with Database.open(DatabaseSettings()) as database:
        made, is_new = start_orchestration(
            database,
            org,
            connections=names_of(connections),
            systems=names_of(systems),
            entities=names_of(entities),
            settings=QueueSettings(),
            is_full=full,
            idempotency_key=idempotency_key,
            created_by=created_by or getpass.getuser(),
        )
        if wait:
            _wait(database, made, is_new=is_new, as_json=as_json)
        else:
            say_opened(database, made, is_new=is_new, as_json=as_json)


def _wait(database: Database, made: Orchestration, *, is_new: bool, as_json: bool) -> None:
    """Follow it until nothing moves any more, and print how it ended.

    Raises:
        typer.Exit: it is not done, or Ctrl-C came first; it goes on all the same.
    """
    last: Moment | None
    if as_json:
        *_, last = moments(database, made)
        error = {} if last.status["state"] == "done" else error_of(last)
        output.print_json({"success": True, "is_new": is_new} | as_document(last) | error)
    else:
        if not is_new:
            output.stderr().print("It was started before, and goes on.")
        last = follow(database, made, as_json=False)
        if last is None:
            raise typer.Exit(failures.INTERRUPTED)
        print_whole(database, made, as_json=False)
    if last.status["state"] != "done":
        raise typer.Exit(failures.FAILED)
