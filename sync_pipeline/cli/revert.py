"""`sync-pipeline revert`: take one sync back, after a look at what that does.

Belongs here: its options, the question, its exit code. Does not: what it does (queue/reverting.py),
how it is printed (revert_view.py), working it (launching.py).

Exit code 0 when everything was taken back, 1 when something was not (fields that moved since are in
conflict, and stay), 2 when the queue cannot be taken back. Without a terminal nobody is asked.
"""

import getpass
import sys
from typing import Annotated

import typer

from sync_pipeline.cli import failures, output, revert_view, summary
from sync_pipeline.cli.actions import By, Reason
from sync_pipeline.cli.launching import run_queue
from sync_pipeline.cli.sync import NoWait
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.lookup import queue_meant
from sync_pipeline.queue.queues import Queue
from sync_pipeline.queue.revert_preview import preview_revert
from sync_pipeline.queue.reverting import Reverting, find_revert, revert
from sync_pipeline.queue.stops import refuse_if_paused
from sync_pipeline.settings import DatabaseSettings, QueueSettings, require_valid

app = typer.Typer(add_completion=False)

_SHOWN_RECORDS = 10
_SHOWN_WHEN_ASKING = 3


@app.command("revert")
def revert_queue(
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="A queue's id, or how it begins.")],
    *,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only show what it would do; nothing is written.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=0, help="With --preview: so many records one by one.")
    ] = _SHOWN_RECORDS,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: By = None,
    reason: Reason = None,
    no_wait: NoWait = False,
    as_json: output.AsJson = False,
) -> None:
    """Take one sync back: rows it created go, fields it changed get what they held before.

    What somebody or a later sync changed since is not overwritten: it stays, as a conflict. A
    revert is a queue like any other: audited, resumed after a stop, and taken back the same way.
    """
    settings = DatabaseSettings()
    with Database.open(settings) as database:
        meant = queue_meant(database, queue)
        if preview:
            _preview(database, meant, limit, as_json=as_json)
            return
        require_valid()
        before = find_revert(database, meant)
        if before is None and not (yes or as_json) and sys.stdin.isatty():
            _ask(database, meant)
        reverting = revert(
            database, meant, by=by or getpass.getuser(), reason=reason, settings=QueueSettings()
        )
        refuse_if_paused(database, reverting.queue)
        if reverting.queue.stage == "finished":
            _say_done_before(database, reverting, as_json=as_json)
        elif no_wait:
            _say_opened(reverting, as_json=as_json)
        else:
            _work(settings, database, reverting, as_json=as_json)


def _preview(database: Database, queue: Queue, limit: int, *, as_json: bool) -> None:
    shown = preview_revert(database, queue, most=limit)
    if as_json:
        output.print_json({"success": True} | revert_view.as_document(shown))
    else:
        revert_view.show_preview(shown)


def _ask(database: Database, queue: Queue) -> None:
    """Show what would happen, and go on only if that is wanted.

    Raises:
        typer.Abort: it is not.
    """
    revert_view.show_preview(preview_revert(database, queue, most=_SHOWN_WHEN_ASKING))
    typer.confirm("Take it back?", abort=True)


def _say_opened(reverting: Reverting, *, as_json: bool) -> None:
    queue = reverting.queue
    if as_json:
        ids = {"queue_id": str(queue.id), "reverts": str(reverting.reverted.id)}
        output.print_json({"success": True, **ids, "is_new": reverting.is_new})
        return
    words = "Opened" if reverting.is_new else "It is taken back by"
    output.show(f"{words} {queue.id}. A running daemon starts it within seconds.")
    output.show(f"Watch it: sync-pipeline status {queue.id} --watch")


def _say_done_before(database: Database, reverting: Reverting, *, as_json: bool) -> None:
    """It was taken back before, and that has ended: nothing is done."""
    state = revert_view.state_of(database, reverting)
    if as_json:
        output.print_json(revert_view.ended_before(database, reverting))
    else:
        revert_view.say_taken_back_before(database, reverting)
        revert_view.say_what_next(reverting, state)
    if state != "done":
        raise typer.Exit(failures.FAILED)


def _work(
    settings: DatabaseSettings, database: Database, reverting: Reverting, *, as_json: bool
) -> None:
    """Work it to its end here, and say how that was."""
    if not reverting.is_new and not as_json:
        output.stderr().print("This revert was started before; it goes on.")
    report = run_queue(settings, database, reverting.queue, is_quiet=as_json)
    if as_json:
        document = summary.as_document(report) | {"reverts": str(reverting.reverted.id)}
        output.print_json(document | {"is_new": reverting.is_new})
    else:
        summary.print_report(database, report)
        revert_view.say_what_next(reverting, report.state)
    if not summary.is_success(report):
        raise typer.Exit(failures.FAILED)
