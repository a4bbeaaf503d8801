"""The sensors that start runs for queues: pending, retry and recovery.

Belongs here: the shells, which ask and tell. Does not: deciding (queue/attention.py, in_flight.py).

The three look at the same rows and differ in which of them they take, so that each can be switched
off and has a history of its own. A look is one query to our database and one to Dagster's.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from sync_pipeline.entities import ENTITIES
from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.orchestration.in_flight import (
    SeenRun,
    Together,
    close,
    queues_in_flight,
    queues_of,
    runs_to_close,
    unfinished_runs,
)
from sync_pipeline.orchestration.jobs import SyncJob
from sync_pipeline.orchestration.orchestrated import items_at
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.run_failures import note_loss
from sync_pipeline.orchestration.starts import (
    missing_partitions,
    run_request,
    startable,
    whole_request,
)
from sync_pipeline.queue.attention import (
    Attention,
    Reason,
    Start,
    needing_attention,
    next_look,
    queues_to_start,
)
from sync_pipeline.queue.life import queues_together, signs_of_life
from sync_pipeline.queue.orchestrations import find_orchestration

# Submitting a run takes 50 ms: a tick stays far below its limit of 60 s, whatever has piled up.
STARTS_PER_TICK: Final = 25
_SECONDS_BETWEEN_LOOKS: Final = 2

_WORDS: Final[dict[Reason, str]] = {
    "pending": "Starts syncs that were opened elsewhere, such as by `sync --no-wait`, and one run "
    "for all that an orchestration opened of a connection.",
    "retry": "Goes on with syncs that failed for a passing reason, when their wait is over, and "
    "with those that an operator resumed or retried.",
    "recovery": "Goes on with syncs that nobody works on any more because a process died or "
    "hangs, and closes the runs of such processes.",
}


def queue_sensors(jobs: Sequence[SyncJob]) -> list[dg.SensorDefinition]:
    """The three sensors; a run they start is one of these jobs."""
    return [_queue_sensor(reason, jobs) for reason in _WORDS]


def _queue_sensor(reason: Reason, jobs: Sequence[SyncJob]) -> dg.SensorDefinition:
    @dg.sensor(
        name=reason,
        jobs=jobs,
        minimum_interval_seconds=_SECONDS_BETWEEN_LOOKS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=_WORDS[reason],
    )
    def look(context: dg.SensorEvaluationContext, sync: SyncResource) -> dg.SensorResult:
        now = datetime.now(UTC)
        # Runs first: one that shows its work between the two looks is seen by the second.
        runs = unfinished_runs(context.instance, now)
        together = worked_together(sync, runs)
        if reason == "recovery":
            close_dead(context, sync, runs, together)
        rows = open_queues(sync, int(context.cursor or 0))
        in_flight = queues_in_flight(runs, together)
        starts = queues_to_start(startable(rows), in_flight, now, STARTS_PER_TICK, (reason,))
        for start in starts:
            context.log.info("%s: %s %s", reason, start.connection, start.entity)
        stopped = {row.queue_id for row in rows if row.waits_for_a_person}
        cursor = str(next_look(rows))
        if not starts:
            said = f"{len(rows)} open queues, none needs a run ({reason})"
            return dg.SensorResult(skip_reason=said, cursor=cursor)
        return dg.SensorResult(
            run_requests=[request_for(sync, start, stopped, now) for start in starts],
            dynamic_partitions_requests=missing_partitions(
                (start.connection for start in starts), context.instance
            ),
            cursor=cursor,
        )

    return look


def open_queues(sync: SyncResource, after_queue_no: int) -> list[Attention]:
    """What may need a run; nothing while an unconfigured checkout has no tables yet.

    Raises:
        DatabaseUnavailableError, DatabaseUnusableError: it cannot be read: the tick turns red.
    """
    names = [entity.name for entity in ENTITIES]
    try:
        return needing_attention(sync.database(), names, after_queue_no=after_queue_no)
    except DatabaseUnusableError:
        if sync.database_settings().url is None:
            return []
        raise


def worked_together(sync: SyncResource, runs: Sequence[SeenRun]) -> Together:
    """The queues that runs over all entities are about; asks nothing when there are no such runs.

    Raises:
        DatabaseUnavailableError, DatabaseUnusableError: they cannot be read.
    """
    ids = {run.orchestration_id for run in runs if run.orchestration_id is not None}
    return queues_together(sync.database(), ids) if ids else {}


def request_for(
    sync: SyncResource, start: Start, stopped: Collection[str], now: datetime
) -> dg.RunRequest:
    """The run that goes on with a queue, or begins all that a connection has in an orchestration.

    Args:
        stopped: ids of queues that wait for a person.

    Raises:
        DatabaseUnavailableError, DatabaseUnusableError: the orchestration cannot be read.
    """
    if not start.is_whole or start.orchestration_id is None:
        return run_request(start, now)
    orchestration = find_orchestration(sync.database(), start.orchestration_id)
    items = items_at(sync.database(), orchestration, start.connection)
    return whole_request(
        start, orchestration, [one for one in items if one.queue_id not in stopped], now
    )


def close_dead(
    context: dg.SensorEvaluationContext,
    sync: SyncResource,
    runs: Sequence[SeenRun],
    together: Together,
) -> None:
    """Close the runs that nobody works on, so that the places they hold are free."""
    queue_ids = {one for run in runs if run.has_worker for one in queues_of(run, together)}
    lives = signs_of_life(sync.database(), queue_ids) if queue_ids else {}
    reasons = runs_to_close(runs, lives, together)
    for run_id in close(context.instance, reasons):
        context.log.info("closed run %s: %s", run_id, reasons[run_id])
        if (run := context.instance.get_run_by_id(run_id)) is not None:
            note_loss(context.instance, sync, run, reasons[run_id])
