"""`sync-pipeline sync`: bring one entity of a connection up to date.

Belongs here: its options and exit code. Does not: running it (launching.py), words (summary.py).

Exit code 1 when the sync failed, and when it is `partial`: something was not applied or not
proven, and the reason is printed. 0 means that both sides agree, or that the filter was met.
"""

import getpass
from typing import Annotated

import typer

from sync_pipeline.cli import failures, output, summary
from sync_pipeline.cli.launching import SyncOrder, open_sync, run_sync
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.filters import Filters
from sync_pipeline.settings import DatabaseSettings

app = typer.Typer(add_completion=False)


# What may be asked of a sync.
Entity = Annotated[str, typer.Option(help="What to sync.")]
Limit = Annotated[int | None, typer.Option(help="Only the first N records by id.")]
Email = Annotated[str | None, typer.Option(help="Only the account with this address.")]
ExternalId = Annotated[
    str | None, typer.Option(help="Only the record with this id in the remote system.")
]
BatchSize = Annotated[int | None, typer.Option(help="Lines a batch; SYNC_QUEUE_BATCH_SIZE, 500.")]
IdempotencyKey = Annotated[
    str | None, typer.Option(help="The same key again is the same sync, resumed.")
]
Full = Annotated[bool, typer.Option("--full", help="Read everything again, not only what changed.")]
CreatedBy = Annotated[str | None, typer.Option(help="Who asks for it; you, when left out.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Leave the work to a running Dagster daemon.")
]


@app.command()
def sync(  # noqa: PLR0913  (its options)
    name: Annotated[str, typer.Argument(help="The connection.")],
    *,
    entity: Entity = "customers",
    limit: Limit = None,
    email: Email = None,
    external_id: ExternalId = None,
    batch_size: BatchSize = None,
    idempotency_key: IdempotencyKey = None,
    full: Full = False,
    created_by: CreatedBy = None,
    no_wait: NoWait = False,
    as_json: output.AsJson = False,
) -> None:
    """Bring one entity of a connection up to date, through Dagster.

    A sync that was stopped goes on where it was. Exit code 0 when it is done, 1 when it failed or
    is partial (the reason is printed), 2 for wrong input.
    """
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size is {batch_size}.", remedy="Use 1 or more, or leave it out.")
    order = SyncOrder(
        connection=name,
        entity=entity,
        filters=Filters(limit=limit, email=email, external_id=external_id),
        idempotency_key=idempotency_key,
        batch_size=batch_size,
        is_full=full,
        created_by=created_by or getpass.getuser(),
    )
    if no_wait:
        _open(order, as_json=as_json)
        return
    settings = DatabaseSettings()
    with Database.open(settings) as database:
        report = run_sync(settings, database, order, is_quiet=as_json)
        if as_json:
            output.print_json(summary.as_document(report))
        else:
            if not report.is_new:
                output.stderr().print("This sync was started before; it was resumed.")
            summary.print_report(database, report)
    if not summary.is_success(report):
        raise typer.Exit(failures.FAILED)


def _open(order: SyncOrder, *, as_json: bool) -> None:
    """Open the queue and say its id; nothing is read here."""
    with Database.open(DatabaseSettings()) as database:
        queue, is_new = open_sync(database, order)
    if as_json:
        output.print_json({"success": True, "queue_id": str(queue.id), "is_new": is_new})
        return
    words = "Opened" if is_new else "It was started before:"
    output.show(f"{words} {queue.id}. A running daemon starts it within seconds.")
    output.show(f"Watch it: sync-pipeline status {queue.id} --watch")
