"""`sync-pipeline sync`: bring a connection up to date, whole or one entity of it.

Belongs here: its options and exit code. Does not: running it (launching.py, launching_all.py),
words (summary.py, summary_all.py).

Exit code 1 when the sync failed, and when it is `partial`: something was not applied or not
proven, and the reason is printed. 0 means that both sides agree, or that the filter was met.
"""

import getpass
from typing import Annotated, TypedDict

import typer

from sync_pipeline.cli import failures, output, summary, summary_all
from sync_pipeline.cli.launching import SyncOrder, open_sync, run_sync
from sync_pipeline.cli.launching_all import AllOrder, names_of, open_all, run_all
from sync_pipeline.cli.orchestration_following import say_opened
from sync_pipeline.errors import InputError, UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.lookup import queue_meant
from sync_pipeline.queue.orchestrations import moment_of
from sync_pipeline.queue.previews import PreviewUnusableError
from sync_pipeline.settings import DatabaseSettings

app = typer.Typer(add_completion=False)


# What may be asked of a sync.
Entity = Annotated[str | None, typer.Option(help="Only this; everything when left out.")]
Entities = Annotated[str | None, typer.Option(help="Only these, with commas, in dependency order.")]
Limit = Annotated[int | None, typer.Option(help="Only the first N records by id.")]
Email = Annotated[str | None, typer.Option(help="Only the account with this address.")]
ExternalId = Annotated[
    str | None, typer.Option(help="Only the record with this id in the remote system.")
]
CreatedAfter = Annotated[
    str | None,
    typer.Option(help="Only what was created then or later: 2024-01-31, or a moment (UTC)."),
]
CreatedBefore = Annotated[str | None, typer.Option(help="Only what was created before.")]
BatchSize = Annotated[int | None, typer.Option(help="Lines a batch; SYNC_QUEUE_BATCH_SIZE, 500.")]
IdempotencyKey = Annotated[
    str | None, typer.Option(help="The same key again is the same sync, resumed.")
]
Full = Annotated[bool, typer.Option("--full", help="Read everything again, not only what changed.")]
DeletionLimitPercent = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="Once: so much of what we know may be gone in the store, and is looked for there.",
    ),
]
Preview = Annotated[
    str | None,
    typer.Option(help="Do exactly what this preview showed: its id, or how it begins."),
]
CreatedBy = Annotated[str | None, typer.Option(help="Who asks for it; you, when left out.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Leave the work to a running Dagster daemon.")
]


@app.command()
def sync(  # noqa: PLR0913  (its options)
    name: Annotated[str, typer.Argument(help="The connection.")],
    *,
    entity: Entity = None,
    entities: Entities = None,
    limit: Limit = None,
    email: Email = None,
    external_id: ExternalId = None,
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
    batch_size: BatchSize = None,
    idempotency_key: IdempotencyKey = None,
    full: Full = False,
    deletion_limit_percent: DeletionLimitPercent = None,
    preview: Preview = None,
    created_by: CreatedBy = None,
    no_wait: NoWait = False,
    as_json: output.AsJson = False,
) -> None:
    """Bring a connection up to date, through Dagster: everything, or one entity of it.

    A sync that was stopped goes on where it was. Exit code 0 when it is done, 1 when it failed or
    is partial (the reason is printed), 2 for wrong input.
    """
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size is {batch_size}.", remedy="Use 1 or more, or leave it out.")
    filters = Filters.from_dict(
        {
            "limit": limit,
            "email": email,
            "external_id": external_id,
            "created_after": created_after,
            "created_before": created_before,
            "deletion_limit_percent": deletion_limit_percent,
            "applies": preview and _meant(preview),
        }
    )
    common = _Common(
        idempotency_key=idempotency_key,
        batch_size=batch_size,
        is_full=full,
        created_by=created_by or getpass.getuser(),
    )
    if entity is None:
        _require_no_filter(filters)
        whole = AllOrder(connection=name, entities=names_of(entities), **common)
        (_open_all if no_wait else _sync_all)(whole, as_json=as_json)
        return
    if entities is not None:
        raise InputError("--entity and --entities are two answers.", remedy="Give one of them.")
    order = SyncOrder(connection=name, entity=entity, filters=filters, **common)
    start(order, no_wait=no_wait, as_json=as_json)


def _meant(typed: str) -> str:
    """The id of the preview that was typed, or the beginning of it."""
    with Database.open(DatabaseSettings()) as database:
        try:
            return str(queue_meant(database, typed).id)
        except UnknownQueueError:
            raise PreviewUnusableError(
                f"There is no preview {typed}: it was purged, or never made.",
                remedy="Make one: sync-pipeline preview NAME --entity E.",
            ) from None


def start(order: SyncOrder, *, no_wait: bool, as_json: bool) -> None:
    """Sync one entity here, or open its queue for a daemon, and say what came of it.

    Raises:
        typer.Exit: it failed or is partial.
        InputError: as `run_sync`.
    """
    (_open if no_wait else _sync)(order, as_json=as_json)


class _Common(TypedDict):
    """What may be asked of one entity and of all."""

    idempotency_key: str | None
    batch_size: int | None
    is_full: bool
    created_by: str


def _require_no_filter(filters: Filters) -> None:
    if filters != Filters():
        deed = "is about" if filters.is_everything else "chooses among the records of"
        raise InputError(
            f"{filters.as_options()} {deed} one entity.",
            remedy="Name it: --entity customers, for one.",
        )


def _sync(order: SyncOrder, *, as_json: bool) -> None:
    """Sync one entity here, and say how that ended."""
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


def _sync_all(order: AllOrder, *, as_json: bool) -> None:
    """Sync several entities here, and say how each ended and all together."""
    settings = DatabaseSettings()
    with Database.open(settings) as database:
        orchestration, reports = run_all(settings, database, order, is_quiet=as_json)
        now = moment_of(database, orchestration)
    if as_json:
        output.print_json(summary_all.as_document(now, reports))
    else:
        summary_all.print_reports(now, reports)
    if not summary_all.is_success(now, reports):
        raise typer.Exit(failures.FAILED)


def _open_all(order: AllOrder, *, as_json: bool) -> None:
    """Open the queues and say their ids; nothing is read here."""
    with Database.open(DatabaseSettings()) as database:
        orchestration, is_new = open_all(database, order)
        say_opened(database, orchestration, is_new=is_new, as_json=as_json)


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
