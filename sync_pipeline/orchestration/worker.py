"""What the process of a run shows of itself: which it is, and that it works on a queue.

Belongs here: the run's side of what sensors look at (in_flight.py). Does not: the lease itself
(queue/heartbeat.py).

It shows both from before its first step to its end. A run may wait for a place in a pool before it
reads a single page, and between two stages; without a sign it would pass for dead meanwhile.
"""

from contextlib import ExitStack

import dagster as dg

from sync_pipeline.orchestration.processes import process_tag
from sync_pipeline.orchestration.tags import PROCESS_TAG
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.heartbeat import working
from sync_pipeline.queue.queues import Queue


class Worker:
    """This process, while it executes one run."""

    def __init__(self) -> None:
        self._shown: dict[int, ExitStack] = {}

    def show_itself(self, instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
        """Tag the run with this process."""
        instance.add_run_tags(run.run_id, {PROCESS_TAG: process_tag(run.run_id)})

    def show_work_on(self, database: Database, queue: Queue) -> None:
        """Hold the queue's work lease until it is left, or the run ends; again: changes nothing.

        Raises:
            DatabaseUnavailableError: the lease could not be taken.
        """
        if queue.queue_no not in self._shown:
            shown = ExitStack()
            shown.enter_context(working(database, queue))
            self._shown[queue.queue_no] = shown

    def leave(self, queue: Queue) -> None:
        """Give the queue's lease back: a run over several goes on with the others."""
        if (shown := self._shown.pop(queue.queue_no, None)) is not None:
            shown.close()

    def close(self) -> None:
        """Give all leases back."""
        while self._shown:
            self._shown.popitem()[1].close()
