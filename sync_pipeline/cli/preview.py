"""`sync-pipeline preview`: show what a sync would do, and write nothing.

Belongs here: its options and exit code. Does not: running it (stages/preview.py), words
(preview_view.py).

It runs in this process, without Dagster: nothing of ours is written, so there is nothing to record.
Exit code 0 when it is shown, also if records are in conflict; 1 when it failed.
"""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from sync_pipeline.cli import output, preview_view
from sync_pipeline.cli.progress_bar import showing_progress
from sync_pipeline.cli.sync import CreatedBy, Email, ExternalId, Full, Limit
from sync_pipeline.entities import entity_of
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.completion import Outcome
from sync_pipeline.queue.differences import counts_of, some_differences
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.previews import open_preview
from sync_pipeline.queue.progress import milestones
from sync_pipeline.queue.queues import Queue, queue_status
from sync_pipeline.settings import DatabaseSettings, QueueSettings, SourceSettings, require_valid
from sync_pipeline.sources.connections import find_connection
from sync_pipeline.stages.preview import Means, run_preview

app = typer.Typer(add_completion=False)

_ROWS_SHOWN = 20


@app.command()
def preview(  # noqa: PLR0913  (its options)
    name: Annotated[str, typer.Argument(help="The connection.")],
    *,
    entity: Annotated[str, typer.Option(help="Whose records.")],
    limit: Limit = None,
    email: Email = None,
    external_id: ExternalId = None,
    full: Full = False,
    from_pages: Annotated[
        bool,
        typer.Option("--from-pages", help="Of what was read before; the store is not asked."),
    ] = False,
    rows: Annotated[int, typer.Option(min=0, help="So many records one by one.")] = _ROWS_SHOWN,
    csv: Annotated[
        Path | None, typer.Option(help="Write every change to this file, one line a field.")
    ] = None,
    created_by: CreatedBy = None,
    as_json: output.AsJson = False,
) -> None:
    """Show what a sync would create, update, delete, leave and refuse; nothing of ours is written.

    `sync NAME --entity E --preview ID` then does exactly that, and names what moved meanwhile.
    """
    filters = Filters(
        limit=limit, email=email, external_id=external_id, replay=from_pages, preview=True
    )
    with Database.open(DatabaseSettings()) as database:
        queue = _run(
            database,
            name,
            entity,
            filters,
            is_full=full,
            created_by=created_by or getpass.getuser(),
            is_quiet=as_json,
        )
        counts = counts_of(database, queue)
        shown = some_differences(database, queue, rows)
        happened = milestones(database, queue)
        n_written = preview_view.write_csv(database, queue, csv) if csv else None
    if as_json:
        output.print_json(preview_view.as_document(queue, counts, shown))
        return
    preview_view.print_preview(queue, counts, shown, happened)
    if csv:
        output.show(f"{output.number(n_written)} lines in {output.said(csv)}.")


def _run(
    database: Database,
    name: str,
    entity_name: str,
    filters: Filters,
    *,
    is_full: bool,
    created_by: str,
    is_quiet: bool,
) -> Queue:
    """Make the preview, or go on with it.

    Raises:
        InputError: unknown connection or entity, keys not set, a filter that does not fit.
        SyncError: it failed.
    """
    require_valid()
    connection = find_connection(database, name)
    entity = entity_of(connection.system, entity_name)
    filters.require_fit(entity)
    if not connection.base_url.startswith("demo:") and filters.asks_store:
        connection.keys()
    settings = QueueSettings()
    queue, is_new = open_preview(
        database,
        connection,
        entity.name,
        settings=settings,
        filters=filters,
        created_by=created_by,
        is_full=is_full,
    )
    if not is_new and not is_quiet:
        output.stderr().print(
            f"A preview of just this is open, in {queue.stage}, and goes on there ({queue.id})."
        )
    means = Means(SourceSettings(), settings)
    with _telling(database, queue, means, is_quiet=is_quiet) as told:
        return run_preview(database, queue, connection, told)


@dataclass(frozen=True)
class _Step:
    """What the bars show."""

    entity: str
    stage: str
    processed: int
    total: int | None
    is_last: bool = False


@contextmanager
def _telling(database: Database, queue: Queue, means: Means, *, is_quiet: bool) -> Iterator[Means]:
    """The means, with bars on a terminal."""
    read: dict[str, tuple[int, int]] = {}
    done = {"lines": 0}

    with showing_progress(is_quiet) as tell:
        if tell is None:
            yield means
            return

        def on_read(listing: str, n_records: int, total: int | None) -> None:
            before, _ = read.get(listing, (0, 0))
            read[listing] = before + n_records, total or 0
            n_read, n_all = (sum(column) for column in zip(*read.values(), strict=True))
            tell(_Step(queue.entity, "pages", n_read, n_all or None))

        def on_batch(outcome: Outcome) -> None:
            done["lines"] += outcome.done + outcome.failed
            with database.organization(queue.org_id) as conn:
                total = int(queue_status(conn, queue.queue_no)["total_count"])
            tell(_Step(queue.entity, "decided", done["lines"], total))

        yield replace(means, on_read=on_read, on_batch=on_batch)
