"""The sensor that writes down why a run failed, where the run itself could not.

Belongs here: runs that ended without a word: killed, lost, failed before or between their stages.
Does not: failures that a stage notes itself (outcomes.py), starting the next run.
"""

from typing import Final

import dagster as dg

from sync_pipeline.errors import UnknownQueueError
from sync_pipeline.orchestration.orchestrated import is_over_all
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.tags import FAILURE_TAG, NOTED_TAG, QUEUE_TAG, failure_tags
from sync_pipeline.queue.failures import LOST_CODE, Failure, record_loss, was_left_in_hand
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.redaction import without_secrets

_LONGEST_MESSAGE: Final = 500
# What Dagster writes when a code server finds that the process of a run has ended (1.13.27).
_NOTHING_SAID: Final = "This run has been marked as failed from outside"


@dg.run_failure_sensor(
    name="run_failure",
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes into a sync's activity why its run failed, where the run itself could not: "
    "its process was killed, or it never began.",
)
def run_failure_sensor(context: dg.RunFailureSensorContext, sync: SyncResource) -> None:
    """Note the failed run with its queue, unless that is done."""
    note_loss(context.instance, sync, context.dagster_run, context.failure_event.message or "")


def note_loss(
    instance: dg.DagsterInstance, sync: SyncResource, run: dg.DagsterRun, message: str
) -> bool:
    """Write down that a run failed without a word of its own; False: nothing was to be written.

    Raises:
        DatabaseUnavailableError: it cannot be written now; the sensor's next tick tries again.
    """
    # Tags as they are now: the failure may have been noted after the event was made.
    current = instance.get_run_by_id(run.run_id) or run
    queue_id = current.tags.get(QUEUE_TAG)
    if queue_id is None or _is_noted(current):
        return False
    database = sync.database()
    try:
        queue = find_queue(database, queue_id)
    except UnknownQueueError:
        return False
    if is_over_all(current) and not was_left_in_hand(database, queue, run_id=run.run_id):
        return False
    failure = Failure(LOST_CODE, lost_in_words(run.run_id, message), is_permanent=False)
    record_loss(database, queue, failure, sync.queue_settings(), run_id=run.run_id)
    instance.add_run_tags(run.run_id, failure_tags(run.run_id, failure.code))
    return True


def _is_noted(run: dg.DagsterRun) -> bool:
    if run.tags.get(NOTED_TAG) != run.run_id:
        return False
    # One over all goes on after what failed in one of its queues, and may be lost with another.
    return not is_over_all(run) or run.tags.get(FAILURE_TAG) == LOST_CODE


def lost_in_words(run_id: str, message: str) -> str:
    """One sentence for people, without the secrets that the message may name. Pure."""
    said = without_secrets(" ".join(message.split()))[:_LONGEST_MESSAGE]
    if not said or said.startswith(_NOTHING_SAID):
        said = "Its process is gone."
    return f"Run {run_id} failed: {said}"
