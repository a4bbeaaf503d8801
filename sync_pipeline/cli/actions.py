"""`retry`, `force-done`, `pause`, `resume`, `cancel`: what an operator can do to a sync.

Belongs here: their options and what they print. Does not: what they do (queue/actions.py).

With --json the result is printed: success, and the keys of queue.action_results.ActionResult. Exit
code 0 also where there was nothing to do (`changed` is false), 2 where the state forbids it. With
--wait the sync is worked here as by `sync`: its document is printed, with the result as `action`.
"""

import getpass
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

import typer

from sync_pipeline.cli import failures, output, summary
from sync_pipeline.cli.launching import run_queue
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import actions
from sync_pipeline.queue.action_results import ActionResult
from sync_pipeline.queue.lookup import queue_meant
from sync_pipeline.queue.queues import Queue, latest_queue
from sync_pipeline.settings import DatabaseSettings

Action = Callable[..., ActionResult]
QueueArgument = Annotated[
    str | None, typer.Argument(metavar="QUEUE", help="A queue's id, or how it begins.")
]
Latest = Annotated[bool, typer.Option("--latest", help="The newest queue.")]
By = Annotated[str | None, typer.Option(help="Who does it; you, when left out.")]
Reason = Annotated[str | None, typer.Option(help="Why; kept with the sync.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Work the sync here, instead of leaving it to a daemon.")
]

_UNFINISHED = ("draft", "processing")


def _app(action: Action, words: str, *, is_worked: bool = False) -> typer.Typer:
    """The command of one action.

    Args:
        words: its help.
        is_worked: the sync may have work afterwards, so there is --wait.
    """
    app = typer.Typer(add_completion=False)

    def act(
        queue: QueueArgument = None,
        *,
        latest: Latest = False,
        by: By = None,
        reason: Reason = None,
        as_json: output.AsJson = False,
    ) -> None:
        _act(action, queue, latest=latest, by=by, reason=reason, as_json=as_json)

    def act_and_work(
        queue: QueueArgument = None,
        *,
        latest: Latest = False,
        by: By = None,
        reason: Reason = None,
        wait: Wait = False,
        as_json: output.AsJson = False,
    ) -> None:
        _act(action, queue, latest=latest, by=by, reason=reason, wait=wait, as_json=as_json)

    app.command(help=words)(act_and_work if is_worked else act)
    return app


def _act(
    action: Action,
    queue: str | None,
    *,
    latest: bool,
    by: str | None,
    reason: str | None,
    wait: bool = False,
    as_json: bool,
) -> None:
    if (queue is None) == (not latest):
        raise InputError("Which sync?", remedy="Give a queue's id, or --latest.")
    settings = DatabaseSettings()
    with Database.open(settings) as database:
        chosen = _chosen(database, queue)
        result = action(database, str(chosen.id), by=by or getpass.getuser(), reason=reason)
        if not as_json:
            _print(chosen, result)
        if wait and result.state in _UNFINISHED and not result.is_paused:
            _work(settings, database, chosen, result, as_json=as_json)
            return
    if as_json:
        output.print_json({"success": True} | asdict(result))


def _print(queue: Queue, result: ActionResult) -> None:
    output.show(output.said(result.message))
    output.show(
        f"{output.said(queue.connection)} {queue.entity}: {output.state(result.state)}"
        f"{', paused' if result.is_paused else ''}, {_counts(result)}  [dim]{queue.id}[/dim]"
    )


def _work(
    settings: DatabaseSettings,
    database: Database,
    queue: Queue,
    result: ActionResult,
    *,
    as_json: bool,
) -> None:
    """Work the sync to its end, as `sync` does, and print how that ended."""
    report = run_queue(settings, database, queue, is_quiet=as_json)
    if as_json:
        output.print_json(summary.as_document(report) | {"action": asdict(result)})
    else:
        output.show()
        summary.print_report(database, report)
    if not summary.is_success(report):
        raise typer.Exit(failures.FAILED)


def _chosen(database: Database, queue: str | None) -> Queue:
    if queue is None:
        return latest_queue(database, connection=None, entity=None)
    return queue_meant(database, queue)


def _counts(result: ActionResult) -> str:
    counts = {
        "to do": result.draft_count + result.processing_count,
        "done": result.done_count,
        "failed": result.failed_count,
        "cancelled": result.cancelled_count,
    }
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "no lines"


retry_app = _app(
    actions.retry,
    "Try a sync's failed lines again, after what was wrong is mended; a finished sync reopens.\n\n"
    "Each line has all its tries again. Records that the store could not serve are read again.",
    is_worked=True,
)
force_done_app = _app(
    actions.force_done, "Cancel what is left of a sync, failed lines too, and call it done."
)
pause_app = _app(
    actions.pause, "Stop a sync after the batch in hand; `resume` lets it go on there."
)
resume_app = _app(actions.resume, "Let a paused sync go on where it stopped.", is_worked=True)
cancel_app = _app(
    actions.cancel, "Cancel what is not done of a sync, for good; what is done stays."
)
