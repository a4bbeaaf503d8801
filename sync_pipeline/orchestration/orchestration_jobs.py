"""Jobs by which a person starts and steers an orchestration from the UI.

Belongs here: their launchpad and what the UI shows of the result. Does not: what they do
(queue/orchestrations/), working the queues (sensors start `sync_all` for each connection).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg
from pydantic import Field

from sync_pipeline.errors import SyncError
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.queue.orchestrations import (
    Item,
    OrchestrationResult,
    cancel_orchestration,
    items_of,
    pause_orchestration,
    resume_orchestration,
    retry_orchestration,
    start_orchestration,
)

# A person waits for them: before any sync that stands in line.
_PRIORITY: Final = {"dagster/priority": "10", "sync/kind": "action"}


class OrchestrateConfig(dg.Config):
    """What is synced in one request. Nothing chosen: every entity of every connection."""

    organization: str = Field(description="Whose connections.")
    systems: list[str] | None = Field(default=None, description="Of these systems only.")
    connections: list[str] | None = Field(default=None, description="These connections only.")
    entities: list[str] | None = Field(default=None, description="These entities only.")
    full: bool = Field(
        default=False,
        description="Read everything again instead of what changed since the last sync.",
    )
    idempotency_key: str | None = Field(
        default=None,
        description="The same request with the same key within 24 hours is the same orchestration.",
    )
    by: str = Field(
        default="dagster", description="Who wants it: kept with it. Dagster does not know you."
    )


class OrchestrationActionConfig(dg.Config):
    """Which orchestration, who, why."""

    orchestration_id: str = Field(
        description="The orchestration's id, or how it begins: it stands with every run of it "
        "(sync/orchestration) and in `sync-pipeline orchestrations list`."
    )
    by: str = Field(description="Who wants it: kept with each sync. Dagster does not know you.")
    reason: str | None = Field(default=None, description="Why: kept with each sync.")


def orchestration_jobs() -> list[dg.JobDefinition]:
    """The five jobs."""
    return [
        _orchestrate_job(),
        _action_job(
            "pause_all",
            pause_orchestration,
            "Stop every sync of an orchestration after the batch in hand, until it is resumed.",
        ),
        _action_job(
            "resume_all",
            resume_orchestration,
            "Let every paused sync of an orchestration go on where it stopped.",
        ),
        _action_job(
            "cancel_all",
            cancel_orchestration,
            "Cancel what is not done of an orchestration, for good; the rest stays.",
        ),
        _action_job(
            "retry_all",
            retry_orchestration,
            "Try the failed lines of an orchestration again, after what was wrong is mended.",
        ),
    ]


def _orchestrate_job() -> dg.JobDefinition:
    description = (
        "Sync several connections and entities in one request. It opens their queues and ends; "
        "sensors then start one run for each connection."
    )

    @dg.op(name="start", description=description)
    def start(
        context: dg.OpExecutionContext, config: OrchestrateConfig, sync: SyncResource
    ) -> None:
        with _in_words():
            database = sync.database()
            orchestration, is_new = start_orchestration(
                database,
                config.organization,
                connections=config.connections,
                systems=config.systems,
                entities=config.entities,
                settings=sync.queue_settings(),
                is_full=config.full,
                idempotency_key=config.idempotency_key,
                created_by=config.by,
            )
            items = items_of(database, orchestration)
        context.add_output_metadata(
            {
                "orchestration_id": dg.MetadataValue.text(orchestration.id),
                "is_new": dg.MetadataValue.bool(is_new),
                "queues": dg.MetadataValue.int(sum(one.refusal is None for one in items)),
                "refused": dg.MetadataValue.int(sum(one.refusal is not None for one in items)),
                "items": dg.MetadataValue.table(_table(items)),
            }
        )
        words = "started" if is_new else "was started before"
        context.log.info("orchestration %s %s", orchestration.id, words)

    @dg.job(
        name="orchestrate",
        description=description,
        executor_def=dg.in_process_executor,
        tags=_PRIORITY,
    )
    def job() -> None:
        start()

    return job


def _action_job(
    name: str, action: Callable[..., OrchestrationResult], description: str
) -> dg.JobDefinition:
    @dg.op(name=f"{name}_queues", description=description)
    def act(
        context: dg.OpExecutionContext, config: OrchestrationActionConfig, sync: SyncResource
    ) -> None:
        with _in_words():
            result = action(
                sync.database(), config.orchestration_id, by=config.by, reason=config.reason
            )
        context.add_output_metadata(_shown(result))
        context.log.info(result.message)

    @dg.job(name=name, description=description, executor_def=dg.in_process_executor, tags=_PRIORITY)
    def job() -> None:
        act()

    return job


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except SyncError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"code": error.code, "remedy": error.remedy or "See its status."},
            allow_retries=False,
        ) from error


def _table(items: list[Item]) -> list[dg.TableRecord]:
    """One row per connection and entity. Pure."""
    return [
        dg.TableRecord(
            {
                "connection": one.connection,
                "entity": one.entity,
                "queue": one.queue_id or "",
                "refusal": one.refusal or "",
            }
        )
        for one in items
    ]


def _shown(result: OrchestrationResult) -> dict[str, dg.MetadataValue[Any]]:
    """The result as the UI shows it. Pure."""
    return {
        "message": dg.MetadataValue.text(result.message),
        "changed": dg.MetadataValue.bool(result.changed),
        "orchestration_id": dg.MetadataValue.text(result.orchestration_id),
        "state": dg.MetadataValue.text(result.state),
        "paused": dg.MetadataValue.bool(result.is_paused),
        "changed_queues": dg.MetadataValue.int(result.changed_queues),
        "left_queues": dg.MetadataValue.int(result.left_queues),
        "progress": dg.MetadataValue.float(result.progress),
        **(
            {"problems": dg.MetadataValue.text("; ".join(result.problems))}
            if result.problems
            else {}
        ),
    }
