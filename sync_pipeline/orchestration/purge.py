"""The jobs that keep history bounded: of the syncs once a month, of the day once a day.

Belongs here: Dagster's own history of runs, and the jobs' shells. Does not: the history of the
syncs (queue/retention.py), when the jobs run (schedules.py), ticks (dagster.yaml, `retention`).

Dagster deletes no run by itself. A run that holds what the UI shows as the latest of an asset (its
last materialization, of each partition, or last check) stays, however old: a few a connection.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import dagster as dg
from pydantic import Field

from sync_pipeline.entities import ENTITIES
from sync_pipeline.orchestration.assets import entity_assets
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.queue import retention
from sync_pipeline.queue.expiry import Purged

_FINISHED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_PAGE_RUNS: Final = 200
_PAGE_EVENTS: Final = 200
# 20 to 50 ms each on PostgreSQL; what is left is next time's.
_MOST_RUNS: Final = 20_000
_KIND: Final = {"sync/kind": "maintenance"}


@dataclass(frozen=True)
class PurgedRuns:
    """What became of Dagster's finished runs that are past their time.

    Attributes:
        kept: because they hold the latest of an asset; left: more than one call deletes.
    """

    deleted: int
    kept: int
    left: int


def purge_runs(
    instance: dg.DagsterInstance,
    *,
    older_than_days: float,
    now_utc: datetime,
    check_keys: Iterable[dg.AssetCheckKey] = (),
    most_runs: int = _MOST_RUNS,
    is_dry_run: bool = False,
) -> PurgedRuns:
    """Delete finished runs that ended long ago, their events and what they printed.

    Events go before their run, so that what a stop leaves is found again by the next call.

    Args:
        check_keys: checks whose latest evaluation is kept.
        most_runs: deletes no more than these, the oldest first.
    """
    before_utc = now_utc - timedelta(days=older_than_days)
    old = list(_ended_before(instance, before_utc))
    latest = _runs_with_latest(instance, before_utc, check_keys) if old else set()
    past = [run_id for run_id in old if run_id not in latest]
    if not is_dry_run:
        for run_id in past[:most_runs]:
            instance.event_log_storage.delete_events(run_id)
            instance.compute_log_manager.delete_logs(prefix=[run_id])
            instance.run_storage.delete_run(run_id)
    deleted = min(len(past), most_runs)
    return PurgedRuns(deleted=deleted, kept=len(old) - len(past), left=len(past) - deleted)


def known_checks() -> list[dg.AssetCheckKey]:
    """Every check of every asset, for `purge_runs`."""
    assets = [asset for entity in ENTITIES for asset in entity_assets(entity)]
    return [key for asset in assets for key in asset.check_keys]


def _ended_before(instance: dg.DagsterInstance, before_utc: datetime) -> Iterator[str]:
    """Ids of finished runs, oldest first."""
    filters = dg.RunsFilter(statuses=list(_FINISHED), created_before=before_utc)
    cursor = None
    while True:
        page = instance.get_run_records(filters, limit=_PAGE_RUNS, cursor=cursor, ascending=True)
        for record in page:
            if (record.end_time or 0) < before_utc.timestamp():
                yield record.dagster_run.run_id
        if len(page) < _PAGE_RUNS:
            return
        cursor = page[-1].dagster_run.run_id


def _runs_with_latest(
    instance: dg.DagsterInstance, before_utc: datetime, check_keys: Iterable[dg.AssetCheckKey]
) -> set[str]:
    """Runs that hold the latest materialization of an asset or partition, or the latest check."""
    found = {
        record.run_id
        for key in check_keys
        if (record := instance.get_latest_asset_check_evaluation_record(key))
    }
    materialized = dg.DagsterEventType.ASSET_MATERIALIZATION
    for key in instance.all_asset_keys():
        if event := instance.get_latest_materialization_event(key):
            found.add(event.run_id)
        ids = sorted(instance.get_latest_storage_id_by_partition(key, materialized).values())
        for storage_ids in (ids[n : n + _PAGE_EVENTS] for n in range(0, len(ids), _PAGE_EVENTS)):
            page = instance.fetch_materializations(
                dg.AssetRecordsFilter(
                    asset_key=key,
                    storage_ids=storage_ids,
                    before_timestamp=before_utc.timestamp(),
                ),
                limit=len(storage_ids),
            )
            found |= {record.run_id for record in page.records}
    return found


class PurgeConfig(dg.Config):
    """Whether it is meant."""

    dry_run: bool = Field(default=False, description="Only say what would go.")


@dg.op(description="Drops the queues, lines, activity and pages of syncs that are past their time.")
def purge_history(context: dg.OpExecutionContext, config: PurgeConfig, sync: SyncResource) -> None:
    """One step of job `purge`."""
    purged = retention.purge(sync.database(), sync.retention_settings(), is_dry_run=config.dry_run)
    context.add_output_metadata(shown(purged))


@dg.op(
    ins={"after": dg.In(dg.Nothing)},
    description="Deletes Dagster's finished runs and their events when they are past their time; "
    "the latest materialization and check of each asset and partition stay.",
)
def purge_dagster(context: dg.OpExecutionContext, config: PurgeConfig, sync: SyncResource) -> None:
    """One step of both jobs."""
    purged = purge_runs(
        context.instance,
        older_than_days=sync.retention_settings().dagster_runs_days,
        now_utc=datetime.now(UTC),
        check_keys=known_checks(),
        is_dry_run=config.dry_run,
    )
    context.add_output_metadata(asdict(purged))


@dg.op(
    description="Begins a new range of queue numbers, about one a day; it is dropped as a whole."
)
def begin_range(context: dg.OpExecutionContext, sync: SyncResource) -> None:
    """One step of job `maintain`."""
    context.add_output_metadata({"range": retention.maintain(sync.database())})


@dg.job(
    name="purge",
    executor_def=dg.in_process_executor,
    tags=_KIND,
    description="Drops history that is past its time: finished syncs, landed pages, Dagster's runs "
    "(SYNC_RETENTION_…_DAYS). What keeps a range of syncs that is not dropped is named.",
)
def purge_job() -> None:
    """Once a month."""
    purge_dagster(after=purge_history())


@dg.job(
    name="maintain",
    executor_def=dg.in_process_executor,
    tags=_KIND,
    description="Begins a new range of queue numbers and deletes Dagster's runs that are past "
    "their time, a day's at a time.",
)
def maintain_job() -> None:
    """Once a day."""
    purge_dagster(after=begin_range())


def shown(purged: Purged) -> dict[str, Any]:
    """What a purge did, as the UI shows it. Pure."""
    held = [f"- range {one.range_no}: {one.queue_id or ''} {one.reason}" for one in purged.held]
    return {
        "queues": purged.queues,
        "lines": purged.lines,
        "megabytes": round(purged.n_bytes / 1e6, 1),
        "ranges": len(purged.ranges),
        "ranges_of_pages": len(purged.page_ranges),
        "held": dg.MetadataValue.md("\n".join(held) or "nothing"),
    }
