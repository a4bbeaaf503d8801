"""Conflicts in the UI: a check that warns while any is open, and the job that resolves them.

Belongs here: the check's table, the launchpad, what the UI shows of a decision. Does not: what a
decision does (queue/conflicts/), working the queue that it opens (queue_sensors.py).
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import dagster as dg
from pydantic import Field

from sync_pipeline.errors import SyncError
from sync_pipeline.orchestration.previews import conflicts_table
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.runs import Work
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import conflicts
from sync_pipeline.queue.conflicts import Chosen, Conflict, Decision
from sync_pipeline.queue.conflicts.choosing import ConflictType
from sync_pipeline.queue.conflicts.deciding import Verb

_SHOWN: Final = 20
_PRIORITY: Final = {"dagster/priority": "10", "sync/kind": "action"}
_DESCRIPTION: Final = (
    "Decide about conflicts: take the store's values or ours, some fields, typed values, skip, or "
    "try again. It opens a queue for each connection and entity, which the sensors work."
)


def open_conflicts(work: Work) -> dg.AssetCheckResult:
    """Whether a conflict of this connection and entity waits, with the newest of them."""
    chosen = Chosen(connection=work.connection.name, entity=work.entity.name)
    count = sum(one.n_conflicts for one in conflicts.open_groups(work.database, chosen))
    newest = conflicts.list_conflicts(work.database, chosen, most=_SHOWN) if count else []
    return no_open_conflicts(count, newest)


def no_open_conflicts(count: int, newest: Sequence[Conflict]) -> dg.AssetCheckResult:
    """The check. Pure.

    Args:
        count: of open ones.
        newest: some of them, for the table.
    """
    one = newest[0] if newest else None
    how = f"sync-pipeline conflicts list {one.connection}" if one else ""
    metadata: dict[str, dg.MetadataValue[Any]] = {"open_conflicts": dg.MetadataValue.int(count)}
    if newest:
        metadata["conflicts"] = dg.MetadataValue.md(conflicts_table(newest))
        metadata["resolve"] = dg.MetadataValue.text(f"{how}, or the job resolve_conflicts")
    return dg.AssetCheckResult(
        check_name="no_open_conflicts",
        passed=count == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{count:,} conflicts wait for somebody" if count else "no conflict is open",
        metadata=metadata,
    )


class ResolveConfig(dg.Config):
    """Which conflicts, what is decided, who, why."""

    conflict_ids: list[str] = Field(
        default=[],
        description="Their ids, or how they begin: they stand with the check no_open_conflicts. "
        "Empty: all open ones that the fields below fit.",
    )
    connection: str | None = Field(default=None, description="Those of this connection.")
    entity: str | None = Field(default=None, description="Those of this entity.")
    conflict_type: str | None = Field(
        default=None,
        description="DataMismatch, DuplicateKey, ValidationError, AuthError or RetryExhausted.",
    )
    field: str | None = Field(default=None, description="With this field in dispute.")
    decision: str = Field(
        description="source: the store's values; target: ours; fields: the store's of `fields`, "
        "what is typed in `values`, ours otherwise; skip; retry: try again what failed."
    )
    fields: list[str] = Field(default=[], description="For the decision `fields`.")
    values: dict[str, str] = Field(
        default={}, description="What a field gets, whatever the sides say."
    )
    version: int | None = Field(
        default=None, description="Of the one conflict, as shown: refused if it changed since."
    )
    by: str = Field(description="Who decides: kept with each. Dagster does not know you.")
    reason: str | None = Field(default=None, description="Why: kept with each.")


@dg.op(name="decide_about_conflicts", description=_DESCRIPTION)
def _decide(context: dg.OpExecutionContext, config: ResolveConfig, sync: SyncResource) -> None:
    try:
        found = _decided(sync, config)
    except SyncError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"code": error.code, "remedy": error.remedy or "See `conflicts list`."},
            allow_retries=False,
        ) from error
    context.add_output_metadata(found)


@dg.job(
    name="resolve_conflicts",
    description=_DESCRIPTION,
    executor_def=dg.in_process_executor,
    tags=_PRIORITY,
)
def resolve_job() -> None:
    """Decide about conflicts."""
    _decide()


def _decided(sync: SyncResource, config: ResolveConfig) -> dict[str, dg.MetadataValue[Any]]:
    database = sync.database()
    chosen = _chosen(database, config)
    if config.decision == "retry":
        retried = conflicts.retry_conflicts(database, chosen, by=config.by, reason=config.reason)
        refused = [f"{queue_id}: {why}" for queue_id, why in retried.refused]
        return _shown(
            queues=retried.queue_ids, retried=retried.n_conflicts, left=retried.n_gone
        ) | ({"refused": dg.MetadataValue.json(refused)} if refused else {})
    # The constructor refuses what is no decision, and says which there are.
    decision = Decision(cast(Verb, config.decision), tuple(config.fields), config.values)
    resolving = conflicts.resolve(
        database,
        chosen,
        decision,
        by=config.by,
        reason=config.reason,
        version=config.version,
        settings=sync.queue_settings(),
    )
    return _shown(
        queues=resolving.queue_ids,
        queued=resolving.n_queued,
        skipped=resolving.n_skipped,
        left=resolving.n_left,
    )


def _chosen(database: Database, config: ResolveConfig) -> Chosen:
    if config.conflict_ids:
        ids = [conflicts.find_conflict(database, one)[0] for one in config.conflict_ids]
        return conflicts.one_of(ids)
    return Chosen(
        connection=config.connection,
        entity=config.entity,
        conflict_type=cast(ConflictType | None, config.conflict_type),
        field=config.field,
    )


def _shown(*, queues: Sequence[object], **counts: int) -> dict[str, dg.MetadataValue[Any]]:
    """What became of it, as the UI shows it. Pure."""
    return {
        "queue_ids": dg.MetadataValue.json([str(one) for one in queues]),
        **{name: dg.MetadataValue.int(count) for name, count in counts.items()},
    }
