"""Upsert: apply the queue's batches until none is open, with as many workers as are set.

Belongs here: workers, waits, and what to do when the database refuses a batch. Does not: the
statements (queue/completion.py, sql/queue/).

Each batch commits alone, so a stop at any instant loses nothing; several processes may drain one
queue at once. Batches do not wait for the disk: all that one does is in this database, so a crash
of the server that loses its commit loses batch, rows and audit together, and the batch is worked
again. Finishing the queue does wait, and makes every commit before it durable. (Waiting at every
batch took a third of the time.)

An error of the database is either passing (try again), about the data (find the line), the
statement's (stop: every line would be refused) or the connection's (stop; leases run out and
another process goes on).
"""

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from psycopg import errors

from sync_pipeline.entities import Entity
from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import completion
from sync_pipeline.queue.backoff import backoff_seconds
from sync_pipeline.queue.completion import LeaseLostError, Outcome
from sync_pipeline.queue.leases import Lease, claim, seconds_until_due
from sync_pipeline.queue.queues import Queue, finish, is_stopped
from sync_pipeline.settings import QueueSettings

OnBatch = Callable[[Outcome], None]
"""Told after each committed batch, from the worker's thread."""

_PASSING = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    # A race on a key: on the next try the other transaction's row is there to be seen.
    errors.UniqueViolation,
)
_ATTEMPTS = 4
_CONFLICT_TYPES = {"duplicate": "DuplicateKey", "queue": "RetryExhausted"}
# A batch claimed this often has killed or stalled its workers: it is cut until the line is alone.
_CLAIMS_BEFORE_SPLIT = 5
_SHORTEST_NAP_SECONDS = 0.01
_LONGEST_NAP_SECONDS = 1.0


def upsert(
    database: Database,
    queue: Queue,
    entity: Entity,
    settings: QueueSettings,
    on_batch: OnBatch | None = None,
) -> Outcome:
    """Apply every open batch, wait for those that try again, and finish the queue.

    Returns:
        What this process did; other processes may have done the rest.

    Raises:
        DatabaseUnavailableError: the database went away; leases run out, the next start goes on.
        DatabaseUnusableError: it would refuse every line (no rights, another schema); none failed.
    """
    drain = _Drain(database, queue, entity, settings, on_batch)
    with ThreadPoolExecutor(settings.workers, thread_name_prefix="upsert") as pool:
        futures = [pool.submit(drain.work, number) for number in range(settings.workers)]
        outcomes = [future.result() for future in futures]
    finish(database, queue)
    return sum(outcomes, Outcome())


class _Drain:
    """The workers of one process on one queue."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        entity: Entity,
        settings: QueueSettings,
        on_batch: OnBatch | None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._entity = entity
        self._settings = settings
        self._on_batch = on_batch
        self._failed = threading.Event()

    def work(self, number: int) -> Outcome:
        """Claim and apply until no batch is open (in a pool thread)."""
        worker = completion.worker_name(os.getpid(), number)
        total = Outcome()
        nap_seconds = _SHORTEST_NAP_SECONDS
        try:
            while not self._failed.is_set():
                with self._database.organization(self._queue.org_id, waits_for_disk=False) as conn:
                    lease = claim(
                        conn,
                        self._queue.queue_no,
                        worker=worker,
                        lease_seconds=self._settings.lease_seconds,
                    )
                    wait = None if lease else seconds_until_due(conn, self._queue.queue_no)
                    stopped = wait is not None and is_stopped(conn, self._queue.queue_no)
                if lease is not None:
                    nap_seconds = _SHORTEST_NAP_SECONDS
                    total += self._apply(lease)
                    time.sleep(self._queue.batch_delay_ms / 1000)
                elif wait is None or stopped:
                    break
                else:
                    # Another worker holds the last batch, or one waits for its next try.
                    time.sleep(min(max(wait, _SHORTEST_NAP_SECONDS), nap_seconds))
                    nap_seconds = min(2 * nap_seconds, _LONGEST_NAP_SECONDS)
        except BaseException:
            self._failed.set()
            raise
        return total

    def _apply(self, lease: Lease) -> Outcome:
        try:
            outcome = self._complete(lease)
        except LeaseLostError:
            return Outcome()
        if self._on_batch:
            self._on_batch(outcome)
        return outcome

    def _complete(self, lease: Lease) -> Outcome:
        if lease.attempt - lease.batch_pass >= _CLAIMS_BEFORE_SPLIT:
            return self._isolate(
                lease, "queue.worker_lost", "its workers died or stalled on it, again and again"
            )
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._database.organization(
                    self._queue.org_id, isolation=self._settings.isolation, waits_for_disk=False
                ) as conn:
                    return completion.complete(
                        conn,
                        lease,
                        self._queue,
                        self._entity,
                        backoff_seconds=self._backoff(lease.batch_pass),
                    )
            except _PASSING as error:
                if attempt == _ATTEMPTS and isinstance(error, errors.UniqueViolation):
                    return self._isolate(lease, "duplicate.key_taken", _said(error))
                time.sleep(0.01 * 2**attempt * random.random())  # noqa: S311  (jitter)
            except psycopg.Error as error:
                if _is_about_the_connection(error):
                    raise
                if _is_about_the_statement(error):
                    self._release(lease, 0)
                    raise _unusable(error) from error
                return self._isolate(lease, f"sql.{error.sqlstate or 'unknown'}", _said(error))
        self._release(lease, self._backoff(lease.attempt))
        return Outcome()

    def _release(self, lease: Lease, backoff_seconds: float) -> None:
        with self._database.organization(self._queue.org_id) as conn:
            completion.release(conn, lease, backoff_seconds=backoff_seconds)

    def _isolate(self, lease: Lease, code: str, message: str) -> Outcome:
        """Cut the batch in two; when its line is alone, that line fails."""
        with self._database.organization(self._queue.org_id) as conn:
            if completion.split(conn, lease):
                return Outcome()
            return completion.give_up(
                conn,
                lease,
                self._queue,
                code=code,
                message=message,
                conflict_type=_CONFLICT_TYPES.get(code.partition(".")[0], "ValidationError"),
            )

    def _backoff(self, attempt: int) -> float:
        return backoff_seconds(
            attempt,
            self._queue.initial_backoff_ms,
            self._settings.max_backoff_ms,
            random.random(),  # noqa: S311  (jitter)
        )


def _is_about_the_connection(error: psycopg.Error) -> bool:
    """Whether no other batch would fare better: the server is gone, full, stopping.

    A limit of the program (54000: a value too large for an index) is an OperationalError to
    psycopg, and yet about one row.
    """
    if isinstance(error, errors.ProgramLimitExceeded):
        return False
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))


def _is_about_the_statement(error: psycopg.Error) -> bool:
    """Whether every line would be refused: a right or a column is missing, a type is another.

    A trigger or function of the company's own may raise the same codes about one row; then the
    error says in whose context it came.
    """
    return isinstance(error, psycopg.ProgrammingError) and error.diag.context is None


def _unusable(error: psycopg.Error) -> DatabaseUnusableError:
    return DatabaseUnusableError(
        f"The database refuses every line: {error.diag.message_primary or type(error).__name__}.",
        remedy="See what is missing with `sync-pipeline db verify`; the sync then goes on where it "
        "stopped.",
    )


def _said(error: psycopg.Error) -> str:
    """What the database said, without the row it said it about."""
    return f"the database refused it: {error.diag.message_primary or type(error).__name__}"
