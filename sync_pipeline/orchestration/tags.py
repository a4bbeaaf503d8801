"""The tags of our runs: by them people find the runs of a queue, and sensors what a run is about.

Belongs here: their names, and values that more than one module sets. Does not: setting them
(runs.py, starts.py, worker.py).
"""

from typing import Final

QUEUE_TAG: Final = "sync/queue_id"
CONNECTION_TAG: Final = "sync/connection"
ENTITY_TAG: Final = "sync/entity"
# What a run over all entities of a connection is tagged with in place of one.
EVERY_ENTITY: Final = "all"
# The orchestration whose queues such a run works; QUEUE_TAG is then the one it works on now.
ORCHESTRATION_TAG: Final = "sync/orchestration"
ORGANIZATION_TAG: Final = "sync/organization"
# Which process works on the run (processes.py).
PROCESS_TAG: Final = "sync/process"
# Why a sensor or schedule started it: pending, retry, recovery, delta, nightly.
REASON_TAG: Final = "sync/reason"
# The run's failure is written down with its queue, under this code,
FAILURE_TAG: Final = "sync/failure_code"
# and of this run it is: one that is executed again has the tags of the first.
NOTED_TAG: Final = "sync/failure_of"
PARTITION_TAG: Final = "dagster/partition"


def queue_tags(*, queue_id: str, connection: str, entity: str, organization: str) -> dict[str, str]:
    """Tags by which people and sensors find the runs of a queue. Pure."""
    return {
        QUEUE_TAG: queue_id,
        CONNECTION_TAG: connection,
        ENTITY_TAG: entity,
        ORGANIZATION_TAG: organization,
    }


def failure_tags(run_id: str, code: str) -> dict[str, str]:
    """The tags of a run whose failure is written down. Pure."""
    return {FAILURE_TAG: code, NOTED_TAG: run_id}
