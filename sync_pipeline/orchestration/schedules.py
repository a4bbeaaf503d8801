"""The schedules: what starts by the clock.

Belongs here: the shells, which ask and tell. Does not: what is due (queue/due.py), queues that
stand open (queue_sensors.py).

All are off until somebody switches them on: in the UI, or all at once with SYNC_SCHEDULES=on.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg

from sync_pipeline.entities import Entity
from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.orchestration.in_flight import partitions_in_flight, unfinished_runs
from sync_pipeline.orchestration.jobs import SyncJob, run_config
from sync_pipeline.orchestration.partitions import CONNECTIONS
from sync_pipeline.orchestration.purge import maintain_job, purge_job
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.tags import CONNECTION_TAG, ORGANIZATION_TAG, REASON_TAG
from sync_pipeline.queue.due import (
    NIGHT_HOURS,
    Connected,
    Due,
    connections_at,
    connections_due,
    full_syncs_due,
    night_began,
)
from sync_pipeline.settings import AutomationSettings

# Submitting a run takes 50 ms; the next tick comes in a minute.
_STARTS_PER_TICK: Final = 100
_HOURS_PER_DAY: Final = 24


def sync_schedules(
    entity: Entity,
    job: SyncJob,
    automation: AutomationSettings,
) -> list[dg.ScheduleDefinition]:
    """The delta and the nightly schedule of an entity."""
    return [_deltas(entity, job, automation), _nightly(entity, job, automation)]


def upkeep_schedules(automation: AutomationSettings) -> list[dg.ScheduleDefinition]:
    """What keeps history bounded: `maintain` once a day, `purge` once a month, after the night."""
    after_night = (automation.nightly_hour_utc + NIGHT_HOURS) % _HOURS_PER_DAY
    return [
        dg.ScheduleDefinition(
            name="maintain",
            job=maintain_job,
            cron_schedule="0 0 * * *",
            default_status=default_status(automation),
        ),
        dg.ScheduleDefinition(
            name="purge",
            job=purge_job,
            cron_schedule=f"30 {after_night} 1 * *",
            default_status=default_status(automation),
        ),
    ]


def default_status(automation: AutomationSettings) -> dg.DefaultScheduleStatus:
    """What a schedule is until somebody switches it in the UI."""
    status = dg.DefaultScheduleStatus
    return status.RUNNING if automation.schedules else status.STOPPED


def _deltas(
    entity: Entity,
    job: SyncJob,
    automation: AutomationSettings,
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"deltas_{entity.name}",
        job=job,
        cron_schedule="* * * * *",
        default_status=default_status(automation),
        description=f"Syncs the {entity.name} of each connection when its interval has passed "
        f"since the last sync began: {automation.delta_every_minutes} minutes, or as the "
        "connection says (connect … --every-minutes).",
    )
    def deltas(
        context: dg.ScheduleEvaluationContext, sync: SyncResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        now = _moment(context)
        rows = _connections(context, sync, entity)
        due = connections_due(
            rows,
            _in_flight(context, entity, rows),
            now,
            default_minutes=automation.delta_every_minutes,
            limit=_STARTS_PER_TICK,
        )
        return _requests(entity, due, {}, "delta")

    return deltas


def _nightly(
    entity: Entity,
    job: SyncJob,
    automation: AutomationSettings,
) -> dg.ScheduleDefinition:
    hour = automation.nightly_hour_utc
    # A night that begins late goes on after midnight.
    hours = ",".join(str((hour + passed) % _HOURS_PER_DAY) for passed in range(NIGHT_HOURS))

    @dg.schedule(
        name=f"nightly_{entity.name}",
        job=job,
        cron_schedule=f"*/5 {hours} * * *",
        default_status=default_status(automation),
        description=f"Reads everything about the {entity.name} of each connection once a night, "
        "each at its own minute, and compares both sides.",
    )
    def nightly(
        context: dg.ScheduleEvaluationContext, sync: SyncResource
    ) -> list[dg.RunRequest] | dg.SkipReason:
        now = _moment(context)
        rows = _connections(context, sync, entity)
        due = full_syncs_due(
            rows,
            _in_flight(context, entity, rows),
            now,
            night_began=night_began(now, hour),
            default_minutes=automation.delta_every_minutes,
            limit=_STARTS_PER_TICK,
        )
        return _requests(entity, due, {"full": True}, "nightly")

    return nightly


def _connections(
    context: dg.ScheduleEvaluationContext, sync: SyncResource, entity: Entity
) -> list[Connected]:
    """Connections whose syncs of the entity are scheduled, once they have their partition.

    The sensor `connections` makes those of new ones.
    """
    partitions = set(context.instance.get_dynamic_partitions(str(CONNECTIONS.name)))
    try:
        rows = connections_at(sync.database(), system=entity.system, entity=entity.name)
    except DatabaseUnusableError:
        if sync.database_settings().url is None:
            # An unconfigured checkout whose tables are about to be made.
            return []
        raise
    return [
        row
        for row in rows
        if row.connection in partitions
        and row.is_scheduled(entity.name, default=entity.is_scheduled)
    ]


def _in_flight(
    context: dg.ScheduleEvaluationContext, entity: Entity, rows: Iterable[Connected]
) -> set[str]:
    """Connections that a run is about, but for one that works a window beside."""
    windows = {row.window_id for row in rows if row.window_id is not None}
    runs = unfinished_runs(context.instance, datetime.now(UTC))
    return partitions_in_flight((run for run in runs if run.queue_id not in windows), entity.name)


def _requests(
    entity: Entity, due: list[Due], config: Mapping[str, Any], reason: str
) -> list[dg.RunRequest] | dg.SkipReason:
    if not due:
        return dg.SkipReason(f"no connection is due ({reason})")
    return [
        dg.RunRequest(
            # Of one tick. A run that died before it opened its queue is started again by the next.
            run_key=f"{reason} {one.connection} {one.due_at:%Y-%m-%dT%H:%M:%S}",
            partition_key=one.connection,
            run_config=run_config(entity, config),
            tags={
                CONNECTION_TAG: one.connection,
                ORGANIZATION_TAG: one.org_id,
                REASON_TAG: reason,
            },
        )
        for one in due
    ]


def _moment(context: dg.ScheduleEvaluationContext) -> datetime:
    return context.scheduled_execution_time.astimezone(UTC)
