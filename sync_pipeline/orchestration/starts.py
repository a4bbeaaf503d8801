"""From "this queue needs a run" to the run that Dagster is asked for.

Belongs here: run requests: their key, tags, config. Does not: deciding (queue/attention.py,
queue/due.py).
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

import dagster as dg

from sync_pipeline.entities import entity_of
from sync_pipeline.orchestration.jobs import job_name, run_config
from sync_pipeline.orchestration.partitions import CONNECTIONS
from sync_pipeline.orchestration.runs import queue_tags
from sync_pipeline.orchestration.tags import REASON_TAG
from sync_pipeline.queue.attention import Start


def run_request(start: Start, now: datetime) -> dg.RunRequest:
    """The run that goes on with a queue.

    Its key is the same for one cause: the queue, how often it was begun, and the minute; so a tick
    that is repeated starts nothing twice, and a run that died before it began is followed by
    another in the next minute.
    """
    entity = entity_of(start.system, start.entity)
    return dg.RunRequest(
        run_key=f"{start.queue_id} {start.process_count} {now:%Y-%m-%dT%H:%M}",
        job_name=job_name(entity.name),
        partition_key=start.connection,
        run_config=run_config(entity, {"queue_id": start.queue_id}),
        tags={
            **queue_tags(
                queue_id=start.queue_id,
                connection=start.connection,
                entity=start.entity,
                organization=start.org_id,
            ),
            REASON_TAG: start.reason,
        },
    )


def missing_partitions(
    names: Iterable[str], instance: dg.DagsterInstance
) -> Sequence[dg.AddDynamicPartitionsRequest]:
    """What makes the partitions exist that a new connection has not got yet."""
    known: AbstractSet[str] = set(instance.get_dynamic_partitions(str(CONNECTIONS.name)))
    missing = sorted(set(names) - known)
    return [CONNECTIONS.build_add_request(missing)] if missing else []
