"""The job `preview`: show in the UI what a sync would do, without doing it.

Belongs here: its launchpad and what the UI shows of it. Does not: making it (stages/preview.py).

It fills no asset: nothing of ours is written, and no check turns green by it.
"""

from typing import Any

import dagster as dg
from pydantic import Field

from sync_pipeline.entities import entity_of
from sync_pipeline.errors import InputError, SyncError
from sync_pipeline.orchestration.previews import differences_table
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.runs import run_tags
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.differences import counts_of, some_differences
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.previews import open_preview
from sync_pipeline.queue.queues import Queue, find_queue
from sync_pipeline.sources.connections import find_connection
from sync_pipeline.stages.preview import Means, run_preview


class PreviewConfig(dg.Config):
    """Of what. Nothing set but connection and entity: what the next sync would do."""

    connection: str | None = Field(default=None, description="The connection's name.")
    entity: str = Field(default="customers", description="Whose records.")
    full: bool = Field(
        default=False, description="Of a sync that reads everything, not only what changed."
    )
    from_pages: bool = Field(
        default=False,
        description="Of what was read before, with today's mapping; the store is not asked.",
    )
    limit: int | None = Field(default=None, description="Only the first N records by id.")
    email: str | None = Field(default=None, description="Only the account with this e-mail.")
    external_id: str | None = Field(
        default=None, description="Only the record with this id in the remote system."
    )
    rows: int = Field(default=50, ge=0, description="So many records one by one.")
    by: str = Field(default="dagster", description="Who asks for it: kept with the preview.")
    queue_id: str | None = Field(
        default=None, description="Go on with this preview; the rest but rows then means nothing."
    )

    def filters(self) -> Filters:
        """What it is about.

        Raises:
            InputError: a filter that cannot select anything.
        """
        return Filters(
            limit=self.limit,
            email=self.email,
            external_id=self.external_id,
            replay=self.from_pages,
            preview=True,
        )


@dg.op(description="Reads what a sync would read, decides as it would, and shows what that is.")
def show(context: dg.OpExecutionContext, config: PreviewConfig, sync: SyncResource) -> None:
    """Make a preview, or go on with one."""
    try:
        database = sync.database()
        queue = _opened(database, sync, config)
        context.instance.add_run_tags(context.run_id, run_tags(context.run_id, queue))
        connection = find_connection(database, queue.connection)
        shown = run_preview(
            database,
            queue,
            connection,
            Means(
                sync.source_settings(),
                sync.queue_settings(),
                source=lambda: sync.source(connection),
                run_id=context.run_id,
            ),
        )
    except SyncError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"code": error.code, "remedy": error.remedy or "Start it again later."},
            allow_retries=False,
        ) from error
    context.add_output_metadata(_metadata(database, shown, config.rows))


@dg.job(
    name="preview",
    executor_def=dg.in_process_executor,
    description="Show what a sync of one connection and entity would create, update, delete, leave "
    "and refuse, field by field; nothing of ours is written. The field `applies` of a sync's "
    "config then does exactly that.",
)
def preview_job() -> None:
    """One preview."""
    show()


def _opened(database: Database, sync: SyncResource, config: PreviewConfig) -> Queue:
    if config.queue_id is not None:
        queue = find_queue(database, config.queue_id)
        if not queue.filters.preview:
            raise InputError(f"The queue {queue.id} is no preview.")
        return queue
    if config.connection is None:
        raise InputError("No connection is named.", remedy="Set `connection` in the config.")
    connection = find_connection(database, config.connection)
    filters = config.filters()
    filters.require_fit(entity_of(connection.system, config.entity))
    queue, _ = open_preview(
        database,
        connection,
        config.entity,
        settings=sync.queue_settings(),
        filters=filters,
        created_by=config.by,
        is_full=config.full,
    )
    return queue


def _metadata(database: Database, queue: Queue, most: int) -> dict[str, dg.MetadataValue[Any]]:
    counts = counts_of(database, queue)
    shown = some_differences(database, queue, most)
    apply = Filters(applies=str(queue.id)).as_command(queue.connection, queue.entity)
    return {
        "read": dg.MetadataValue.int(counts.read),
        "created": dg.MetadataValue.int(counts.created),
        "updated": dg.MetadataValue.int(counts.updated),
        "deleted": dg.MetadataValue.int(counts.deleted),
        "unchanged": dg.MetadataValue.int(counts.unchanged),
        "in_conflict": dg.MetadataValue.int(counts.in_conflict),
        "failed": dg.MetadataValue.int(counts.failed),
        "changes": dg.MetadataValue.md(differences_table(shown)),
        "preview_id": dg.MetadataValue.text(str(queue.id)),
        "apply_it": dg.MetadataValue.text(apply),
    }
