"""From "this queue needs a run" to the run that Dagster is asked for.

Belongs here: run requests: their key, tags, config. Does not: deciding (queue/attention.py,
queue/due.py).
"""

import logging
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from functools import cache
from typing import Final

import dagster as dg

from sync_pipeline.entities import entity_of
from sync_pipeline.errors import UnknownEntityError
from sync_pipeline.orchestration.graph import applying, assets_of
from sync_pipeline.orchestration.jobs import SYNC_ALL, job_name, run_config
from sync_pipeline.orchestration.orchestrated import orchestration_tags
from sync_pipeline.orchestration.partitions import CONNECTIONS
from sync_pipeline.orchestration.tags import ORCHESTRATION_TAG, REASON_TAG, queue_tags
from sync_pipeline.queue.attention import Attention, Start
from sync_pipeline.queue.orchestrations import Item, Orchestration

_log: Final = logging.getLogger(__name__)


def startable(rows: Iterable[Attention]) -> list[Attention]:
    """The queues that there is a job for; of the others each entity is named once in the log.

    A queue may be of an entity that only a newer or an older version knows.
    """
    return [row for row in rows if _is_known(row.system, row.entity)]


def run_request(start: Start, now: datetime) -> dg.RunRequest:
    """The run that goes on with a queue.

    Its key is the same for one cause: the queue, how often it was begun, when an operator acted on
    it last, and the quarter of the minute; so a tick that is repeated starts nothing twice, a run
    that a pause refused is followed by another as soon as the queue is resumed, and one that died
    before it began, in the next quarter.
    """
    entity = entity_of(start.system, start.entity)
    return dg.RunRequest(
        run_key=f"{start.queue_id} {start.process_count} {start.updated_at.timestamp():.6f} "
        f"{_quarter(now)}",
        job_name=job_name(entity.name),
        partition_key=start.connection,
        run_config=None if start.is_change else run_config(entity, {"queue_id": start.queue_id}),
        asset_selection=applying(entity) if start.is_change else None,
        tags={
            **queue_tags(
                queue_id=start.queue_id,
                connection=start.connection,
                entity=start.entity,
                organization=start.org_id,
            ),
            REASON_TAG: start.reason,
            **({ORCHESTRATION_TAG: start.orchestration_id} if start.orchestration_id else {}),
        },
    )


def whole_request(
    start: Start, orchestration: Orchestration, items: Iterable[Item], now: datetime
) -> dg.RunRequest:
    """The one run that begins all that a connection has in an orchestration.

    Its key is the same for a quarter of a minute: one that died before it began any queue is
    followed by another; whatever was begun goes on alone.

    Args:
        items: those of the connection that wait for no person. One without a queue is left out
            too: what comes after it would be skipped with it, and never begun.
    """
    known = [
        entity_of(one.system, one.entity)
        for one in items
        if one.queue_id is not None and _is_known(one.system, one.entity)
    ]
    return dg.RunRequest(
        run_key=f"{orchestration.id} {start.connection} {start.updated_at.timestamp():.6f} "
        f"{_quarter(now)}",
        job_name=SYNC_ALL,
        partition_key=start.connection,
        asset_selection=assets_of(known),
        tags={**orchestration_tags(orchestration, start.connection), REASON_TAG: start.reason},
    )


def missing_partitions(
    names: Iterable[str], instance: dg.DagsterInstance
) -> Sequence[dg.AddDynamicPartitionsRequest]:
    """What makes the partitions exist that a new connection has not got yet."""
    known: AbstractSet[str] = set(instance.get_dynamic_partitions(str(CONNECTIONS.name)))
    missing = sorted(set(names) - known)
    return [CONNECTIONS.build_add_request(missing)] if missing else []


def _quarter(now: datetime) -> str:
    return f"{now:%Y-%m-%dT%H:%M}:{now.second // 15 * 15:02d}"


@cache
def _is_known(system: str, entity: str) -> bool:
    try:
        entity_of(system, entity)
    except UnknownEntityError as error:
        _log.warning("Open syncs are left alone, for this version does not know them: %s", error)
        return False
    return True
