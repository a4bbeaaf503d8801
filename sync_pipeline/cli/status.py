"""`sync-pipeline status`: how syncs stand.

Belongs here: which queues are shown and how often. Does not: reading (queue/progress.py), layout
(queue_view.py, live_view.py).

With --json a queue is printed with exactly the keys of queue.progress.Progress; without a queue
{"queues": [...]} of them. With --watch --json each change is one document on one line.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.live import Live

from sync_pipeline.cli import live_view, output, queue_view
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.lookup import queue_meant
from sync_pipeline.queue.progress import Standing, failed_lines, milestones, recent, standing
from sync_pipeline.queue.queues import Queue, latest_queue
from sync_pipeline.settings import DatabaseSettings

app = typer.Typer(add_completion=False)

_FAILED_SHOWN = 10
_REFRESH_SECONDS = 1.0


@app.command()
def status(
    queue: Annotated[str | None, typer.Argument(help="A queue's id, or how it begins.")] = None,
    *,
    latest: Annotated[bool, typer.Option("--latest", help="The newest queue.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it is finished.")] = False,
    most: Annotated[int, typer.Option(help="How many queues to list.", min=1, max=1000)] = 20,
    as_json: output.AsJson = False,
) -> None:
    """How syncs stand: the last ones of all organizations, or one of them whole."""
    if queue is not None and latest:
        raise InputError("A queue and --latest are two answers.", remedy="Give one of them.")
    with Database.open(DatabaseSettings()) as database:
        if queue is None and not latest and not watch:
            _list(recent(database, most=most), as_json=as_json)
            return
        chosen = (
            queue_meant(database, queue)
            if queue is not None
            else latest_queue(database, connection=None, entity=None)
        )
        if watch:
            if _is_watched_to_its_end(database, chosen, as_json=as_json) and not as_json:
                _print_whole(database, chosen)
        elif as_json:
            output.print_json(standing(database, chosen).progress)
        else:
            _print_whole(database, chosen)


def _list(queues: list[Standing], *, as_json: bool) -> None:
    if as_json:
        output.print_json({"queues": [one.progress for one in queues]})
    elif queues:
        output.show(queue_view.listing(queues))
    else:
        typer.echo("Nothing was synced yet. Start with: sync-pipeline demo")


def _print_whole(database: Database, queue: Queue) -> None:
    now = standing(database, queue)
    output.show(
        queue_view.whole(
            now,
            milestones(database, queue),
            failed_lines(database, queue, most=_FAILED_SHOWN) if now.progress.failed_count else [],
        )
    )


def _is_watched_to_its_end(database: Database, queue: Queue, *, as_json: bool) -> bool:
    """Follow the queue until it is finished; False when Ctrl-C came first."""
    console = output.stdout()
    try:
        if as_json:
            for now in _moments(database, queue):
                output.print_json_line(now.progress)
        elif console.is_terminal:
            with Live(console=console, auto_refresh=False, transient=True) as shown:
                # A wait for the next try counts down though nothing else changes.
                for now in _moments(database, queue, changes_only=False):
                    shown.update(live_view.live(now, datetime.now(UTC)), refresh=True)
        else:
            for now in _moments(database, queue):
                typer.echo(live_view.one_line(now, datetime.now(UTC)))
    except KeyboardInterrupt:
        output.stderr().print("Watching ended; the sync is as it was.")
        return False
    return True


def _moments(database: Database, queue: Queue, *, changes_only: bool = True) -> Iterator[Standing]:
    """How it stands, once a second, until nothing moves any more."""
    before = None
    while True:
        now = standing(database, queue)
        if now != before or not changes_only:
            yield now
        if now.is_over:
            return
        before = now
        time.sleep(_REFRESH_SECONDS)
