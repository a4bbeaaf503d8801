"""One worker's loop: claim a batch, apply it, and know what to do when the database refuses it.

Belongs here: waits, tries, and finding the line that cannot be applied. Does not: the stage as a
whole (upsert.py), the statements (queue/completion.py), what a refusal means (refusals.py).

An error of the database is either passing (try again), about the data (find the line; it tries
again later, and fails after its last try), the statement's (stop: every line would be refused) or
the connection's (stop; leases run out and another process goes on).
"""

import os
import random
import threading
import time
from collections.abc import Callable

import psycopg
from psycopg import errors

from sync_pipeline import logs
from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import completion
from sync_pipeline.queue.backoff import backoff_seconds
from sync_pipeline.queue.completion import LeaseLostError, Outcome
from sync_pipeline.queue.leases import Lease, claim, seconds_until_due
from sync_pipeline.queue.queues import Queue, is_stopped
from sync_pipeline.settings import QueueSettings
from sync_pipeline.stages import refusals

OnBatch = Callable[[Outcome], None]
"""Told after each committed batch, from the worker's thread."""

Reread = Callable[[], None]
"""Reads from the store what an operator wants tried again and we never had (see refetch.py)."""

_log = logs.get_logger(__name__)

_ATTEMPTS = 4
# A batch claimed this often has killed or stalled its workers: it is cut until the line is alone.
_CLAIMS_BEFORE_SPLIT = 5
_SHORTEST_NAP_SECONDS = 0.01
_LONGEST_NAP_SECONDS = 1.0
# How long others leave a batch alone whose records are being read again.
_REREAD_SECONDS = 1.0


class Drain:
    """The workers of one process on one queue."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        entity: Entity,
        settings: QueueSettings,
        on_batch: OnBatch | None,
        reread: Reread | None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._entity = entity
        self._settings = settings
        self._on_batch = on_batch
        self._reread = reread
        self._rereading = threading.Lock()
        self._ended = threading.Event()

    def work(self, number: int) -> Outcome:
        """Claim and apply until no batch is open or an operator stops it (in a pool thread)."""
        worker = completion.worker_name(os.getpid(), number)
        total = Outcome()
        nap_seconds = _SHORTEST_NAP_SECONDS
        try:
            while not self._ended.is_set():
                lease, wait = self._next(worker)
                if lease is not None:
                    nap_seconds = _SHORTEST_NAP_SECONDS
                    total += self._apply(lease)
                    self._rest(self._queue.batch_delay_ms / 1000)
                elif wait is None:
                    break
                else:
                    # Another worker holds the last batch, or one waits for its next try.
                    self._ended.wait(min(max(wait, _SHORTEST_NAP_SECONDS), nap_seconds))
                    nap_seconds = min(2 * nap_seconds, _LONGEST_NAP_SECONDS)
        except BaseException:
            self._ended.set()
            raise
        return total

    def _next(self, worker: str) -> tuple[Lease | None, float | None]:
        """A batch, or else the seconds until one may be had; neither: there is nothing to do."""
        lease_seconds = self._settings.lease_seconds
        with self._database.organization(self._queue.org_id, waits_for_disk=False) as conn:
            lease = claim(conn, self._queue.queue_no, worker=worker, lease_seconds=lease_seconds)
            if lease is None:
                wait = seconds_until_due(conn, self._queue.queue_no)
                is_over = wait is None or is_stopped(conn, self._queue.queue_no)
                return None, None if is_over else wait
            if lease.attempt > lease.batch_pass:
                _log.warning("batch taken over", batch=lease.batch_no, claims=lease.attempt)
            if self._reread is None or not completion.awaits_reread(conn, lease):
                return lease, None
            completion.release(conn, lease, backoff_seconds=_REREAD_SECONDS)
        # Not while the batch is leased: a slow store would let the lease run out.
        with self._rereading:
            self._reread()
        return None, 0.0

    def _rest(self, seconds: float) -> None:
        """Wait after a batch, but not on for a queue that was stopped."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._ended.is_set():
            self._ended.wait(min(left, _LONGEST_NAP_SECONDS))
            if left > _LONGEST_NAP_SECONDS:
                with self._database.organization(self._queue.org_id) as conn:
                    if is_stopped(conn, self._queue.queue_no):
                        return

    def _apply(self, lease: Lease) -> Outcome:
        try:
            outcome = self._complete(lease)
        except LeaseLostError:
            _log.warning("lease lost", batch=lease.batch_no, fence=lease.token)
            return Outcome()
        if self._on_batch:
            self._on_batch(outcome)
        return outcome

    def _complete(self, lease: Lease) -> Outcome:
        if lease.attempt - lease.batch_pass >= _CLAIMS_BEFORE_SPLIT:
            return self._isolate(
                lease,
                "queue.worker_lost",
                "its workers died or stalled on it, again and again",
                max_retries=0,
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
                        backoff_seconds=self._backoff(completion.tries(conn, lease)),
                    )
            except refusals.PASSING as error:
                if attempt == _ATTEMPTS and isinstance(error, errors.UniqueViolation):
                    return self._isolate(lease, "duplicate.key_taken", refusals.said(error))
                time.sleep(0.01 * 2**attempt * random.random())  # noqa: S311  (jitter)
            except psycopg.Error as error:
                if refusals.is_about_the_connection(error):
                    raise
                if refusals.is_about_the_statement(error):
                    self._release(lease, 0)
                    raise refusals.unusable(error) from error
                return self._isolate(lease, refusals.code_of(error), refusals.said(error))
        self._release(lease, self._backoff(lease.attempt))
        return Outcome()

    def _release(self, lease: Lease, backoff_seconds: float) -> None:
        with self._database.organization(self._queue.org_id) as conn:
            completion.release(conn, lease, backoff_seconds=backoff_seconds)

    def _isolate(
        self, lease: Lease, code: str, message: str, *, max_retries: int | None = None
    ) -> Outcome:
        """Cut the batch in two; when its line is alone, that line tries again, or fails."""
        with self._database.organization(self._queue.org_id) as conn:
            if completion.split(conn, lease):
                return Outcome()
            return completion.give_up(
                conn,
                lease,
                self._queue,
                code=code,
                message=message,
                max_retries=max_retries,
                backoff_seconds=self._backoff(completion.tries(conn, lease)),
            )

    def _backoff(self, attempt: int) -> float:
        return backoff_seconds(
            attempt,
            self._queue.initial_backoff_ms,
            self._settings.max_backoff_ms,
            random.random(),  # noqa: S311  (jitter)
        )
