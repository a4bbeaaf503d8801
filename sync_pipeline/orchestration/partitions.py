"""What the assets are cut into: one partition per connection, and nothing else.

Belongs here: the definition. Does not: keeping it in step with `sync_connection` (sensors.py).
"""

from typing import Final

import dagster as dg

CONNECTIONS: Final = dg.DynamicPartitionsDefinition(name="connections")


def ensure_partition(instance: dg.DagsterInstance, connection_name: str) -> None:
    """Make the connection's partition exist, for who cannot wait for the sensor."""
    if not instance.has_dynamic_partition(str(CONNECTIONS.name), connection_name):
        instance.add_dynamic_partitions(str(CONNECTIONS.name), [connection_name])
