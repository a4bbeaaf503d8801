"""The work lease of a queue: a sign, renewed every few seconds, that a process works on it.

Belongs here: renewing the lease from a thread while a block runs. Does not: the leases of batches
(leases.py), what follows from a lease that ran out (attention.py).

Any number of processes may work one queue, and each renews the same lease; it excludes nobody. A
process holds it through all the stages that it works, also while it waits between two of them, and
gives it back at the end. One that dies leaves it to run out.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import psycopg

from sync_pipeline.errors import SyncError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue

LEASE_SECONDS: Final = 20.0
# Three renewals may fail (a database that restarts takes 2 s) before anybody notices.
_RENEWAL_SECONDS: Final = 5.0
_RENEWAL_AFTER_ERROR_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class Heartbeat:
    """One process that works on one queue."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue
        self._over = threading.Event()
        self._lease_until: datetime | None = None
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Take the lease now, and renew it from now on."""
        self.renew()
        self._thread.start()

    def stop(self) -> None:
        """Give the lease back, unless another process renewed it since."""
        self._over.set()
        self._thread.join(_PATIENCE_SECONDS)
        try:
            self._give_back()
        except (psycopg.Error, SyncError) as error:
            _log.warning("The work lease of queue %s runs out by itself: %s", self._queue.id, error)

    def renew(self) -> None:
        """Hold the lease for 20 s from now; of a queue that is over and done with, nothing."""
        with self._database.organization(self._queue.org_id, waits_for_disk=False) as conn:
            row = conn.execute(
                statement("queue/renew_lease"),
                {"queue_no": self._queue.queue_no, "lease_seconds": LEASE_SECONDS},
            ).fetchone()
        self._lease_until = row["stage_lease_until"] if row else None

    def _give_back(self) -> None:
        if self._lease_until is not None:
            with self._database.organization(self._queue.org_id) as conn:
                conn.execute(
                    statement("queue/give_lease_back"),
                    {"queue_no": self._queue.queue_no, "lease_until": self._lease_until},
                )

    def _beat(self) -> None:
        wait_seconds = _RENEWAL_SECONDS
        while not self._over.wait(wait_seconds):
            wait_seconds = _RENEWAL_SECONDS if self._is_renewed() else _RENEWAL_AFTER_ERROR_SECONDS

    def _is_renewed(self) -> bool:
        """Whether it went well. No fault of the database ends the work from here."""
        try:
            self.renew()
        except (psycopg.Error, SyncError) as error:
            _log.warning("The work lease of queue %s was not renewed: %s", self._queue.id, error)
            return False
        return True


@contextmanager
def working(database: Database, queue: Queue) -> Iterator[None]:
    """Show while the block runs that the queue is worked on.

    Raises:
        DatabaseUnavailableError: the lease could not be taken. Later faults are tried again.
    """
    heartbeat = Heartbeat(database, queue)
    heartbeat.start()
    try:
        yield
    finally:
        heartbeat.stop()


def announce(database: Database, queue: Queue) -> None:
    """Show once that a process is about to work on the queue."""
    Heartbeat(database, queue).renew()
