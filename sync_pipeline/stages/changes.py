"""Applying queues of changes: what people decided, or took back, here and now.

Belongs here: working such queues in this process, without reading or comparing anything. Does not:
making them (queue/conflicts/resolving.py), what a line does (sql/queue/change.sql).

A stop leaves the queue as any other: sensors, or the same command again, go on with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sync_pipeline.entities import entity_of
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.heartbeat import working
from sync_pipeline.queue.progress import FailedLine, failed_lines
from sync_pipeline.queue.queues import begin, find_queue, queue_status
from sync_pipeline.queue.stops import refuse_if_stopped
from sync_pipeline.settings import QueueSettings
from sync_pipeline.stages.upsert import upsert

_FAILURES_TOLD = 20


@dataclass(frozen=True)
class Changed:
    """How one queue of changes ended.

    Attributes:
        state: done, partial or failed; cancelled.
        done_count, failed_count: its lines.
        failures: the first of those that failed, and why.
    """

    queue_id: UUID
    connection: str
    entity: str
    state: str
    done_count: int
    failed_count: int
    failures: tuple[FailedLine, ...]


def apply_changes(
    database: Database, queue_ids: Sequence[UUID], settings: QueueSettings
) -> list[Changed]:
    """Work the queues one after the other, each to its end, beside whoever works them too.

    Raises:
        QueueStoppedError: an operator paused or cancelled one.
        DatabaseUnavailableError: the database went away; what was applied stays.
    """
    return [_apply(database, queue_id, settings) for queue_id in queue_ids]


def _apply(database: Database, queue_id: UUID, settings: QueueSettings) -> Changed:
    queue = find_queue(database, str(queue_id))
    if queue.stage != "finished":
        refuse_if_stopped(database, queue)
        with working(database, queue):
            begin(database, queue, run_id=None)
            upsert(database, queue, entity_of(queue.source_system, queue.entity), settings)
    with database.organization(queue.org_id) as conn:
        status = queue_status(conn, queue.queue_no)
    return Changed(
        queue_id=queue.id,
        connection=queue.connection,
        entity=queue.entity,
        state=status["state"],
        done_count=status["done_count"],
        failed_count=status["failed_count"],
        failures=tuple(failed_lines(database, queue, most=_FAILURES_TOLD)),
    )
