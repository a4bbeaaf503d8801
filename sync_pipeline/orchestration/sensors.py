"""The sensor that keeps partitions in step with the registered connections.

Belongs here: what to add and remove (pure), and the shell that asks and tells. Does not: starting
syncs (queue_sensors.py, schedules.py).
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.orchestration.in_flight import partitions_in_flight, unfinished_runs
from sync_pipeline.orchestration.partitions import CONNECTIONS
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.postgres.migrations import migrate
from sync_pipeline.sources.connections import list_connections
from sync_pipeline.stages.opening import connect_demo


@dataclass(frozen=True)
class PartitionChanges:
    """Partitions to make and to take away, by name."""

    add: tuple[str, ...]
    remove: tuple[str, ...]


def partition_changes(
    connections: AbstractSet[str], partitions: AbstractSet[str], in_flight: AbstractSet[str]
) -> PartitionChanges:
    """What brings the partitions in step. One with a run in flight stays until its end."""
    return PartitionChanges(
        add=tuple(sorted(connections - partitions)),
        remove=tuple(sorted(partitions - connections - in_flight)),
    )


@dg.sensor(
    name="connections",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps one partition per registered connection. Without DATABASE_URL it first "
    "makes the tables and connects the demo store.",
)
def connections_sensor(context: dg.SensorEvaluationContext, sync: SyncResource) -> dg.SensorResult:
    """Keep partitions in step with sync_connection."""
    # A failed read raises and the tick turns red; an empty list would remove every partition.
    names = connection_names(sync, is_first=context.cursor is None)
    changes = partition_changes(
        names,
        set(context.instance.get_dynamic_partitions(str(CONNECTIONS.name))),
        partitions_in_flight(unfinished_runs(context.instance, datetime.now(UTC))),
    )
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if changes.add:
        requests.append(CONNECTIONS.build_add_request(list(changes.add)))
    if changes.remove:
        requests.append(CONNECTIONS.build_delete_request(list(changes.remove)))
    return dg.SensorResult(dynamic_partitions_requests=requests, cursor="prepared")


def connection_names(sync: SyncResource, *, is_first: bool) -> set[str]:
    """Names of the active connections; an unconfigured checkout is prepared first.

    Raises:
        DatabaseUnavailableError, DatabaseUnusableError: they cannot be read.
    """
    database = sync.database()
    is_unconfigured = sync.database_settings().url is None
    if is_unconfigured and is_first:
        prepare(sync)
    try:
        return {connection.name for connection in list_connections(database)}
    except DatabaseUnusableError:
        # The files of the embedded server were removed since.
        if not is_unconfigured:
            raise
        prepare(sync)
        return {connection.name for connection in list_connections(database)}


def prepare(sync: SyncResource) -> None:
    """Make the tables and connect the demo store; changes nothing when both are there."""
    database = sync.database()
    migrate(database.url)
    connect_demo(database)
