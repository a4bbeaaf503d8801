"""The throttle of one connection: tokens and circuit together, in the order a request meets them.

Belongs here: who waits, who is refused, who goes on with a probe. Does not: the tokens (bucket.py),
the circuit (circuit.py, breaker.py).

A probe is one thread's: its request, and when that fails in a way that its range may cause, the
one-record requests by which reading finds out whether anything is answered. Threads of the same
process wait for its outcome instead of failing beside it.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sync_pipeline.errors import PermanentError, SyncError
from sync_pipeline.postgres.database import Database
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.throttle.breaker import Breaker
from sync_pipeline.sources.throttle.bucket import Bucket, PostgresBucket, Standing
from sync_pipeline.sources.throttle.circuit import Policy, is_about_system
from sync_pipeline.sources.throttle.errors import AskedToWaitError
from sync_pipeline.sources.throttle.protocol import Permit, Throttle, Wait
from sync_pipeline.sources.throttle.rates import rate_of
from sync_pipeline.sources.throttle.redis_bucket import redis_bucket

# A store that asks for a day, by a slip or a full quota, is asked again after an hour.
LONGEST_BLOCK_SECONDS: Final = 3600.0
_PROBE_WAIT_SECONDS: Final = 10.0
_PROBE_LOOK_SECONDS: Final = 0.05


@dataclass(frozen=True)
class _Probe:
    """The probe that a thread of this process is at."""

    thread: int
    number: int


class ConnectionThrottle:
    """The Throttle of one connection; safe to share between threads."""

    def __init__(
        self, bucket: Bucket, breaker: Breaker, *, name: str, longest_wait_seconds: float
    ) -> None:
        """`longest_wait_seconds`: when the remote system asks for more, requests are refused."""
        self._bucket = bucket
        self._breaker = breaker
        self._name = name
        self._longest_wait_seconds = longest_wait_seconds
        self._entering = threading.Lock()
        self._probe: _Probe | None = None

    def admit(self, wait: Wait) -> Permit:
        """See Throttle.admit."""
        while not self._waits_for_probe(wait):
            standing = self._turn(wait)
            if standing is None:
                break
            if standing.is_closed:
                return _Permit(self, wait, None, is_troubled=standing.is_troubled)
            with self._entering:
                if self._probe_of_another() is None:
                    return _Permit(self, wait, self._enter(), is_troubled=True)
        # Reading was stopped: nothing will be sent.
        return _Permit(self, wait, None, is_troubled=False)

    def is_probing(self) -> bool:
        """See Throttle.is_probing."""
        probe = self._probe
        return probe is not None and probe.thread == threading.get_ident()

    def gave_up(self, error: SyncError) -> None:
        """See Throttle.gave_up."""
        probe, self._probe = self._probe, None
        self._breaker.gave_up(error, probe.number if probe else None)

    def observed(self, error: SyncError | None, *, is_troubled: bool, probe_no: int | None) -> None:
        """What a request came to; nothing is written about a success that changes nothing."""
        asked_seconds = getattr(error, "retry_after_seconds", None)
        if asked_seconds:
            self._bucket.block(min(float(asked_seconds), LONGEST_BLOCK_SECONDS))
        if error is None or isinstance(error, PermanentError):
            # An answer that needs a person is an answer.
            if is_troubled:
                self._breaker.succeeded(probe_no)
            self._end_probe(probe_no)
        elif is_about_system(error):
            self._breaker.failed(error, probe_no)
            self._end_probe(probe_no)

    def take(self, wait: Wait) -> None:
        """One token more. Raises as `admit`."""
        self._turn(wait)

    def _turn(self, wait: Wait) -> Standing | None:
        """Take a token and wait until it may be used; None when reading was stopped."""
        while True:
            standing = self._bucket.take()
            self._refuse(standing)
            # Without a rate nothing is reserved: then only what the system asked for is waited out.
            seconds = max(standing.wait_seconds, standing.blocked_seconds)
            if seconds <= 0:
                return standing
            if wait(seconds):
                return None
            # Whoever slept looks again: others may have been asked to stay away meanwhile.
            standing = self._bucket.look()
            self._refuse(standing)
            if standing.blocked_seconds <= 0:
                return standing

    def _refuse(self, standing: Standing) -> None:
        if standing.blocked_seconds > self._longest_wait_seconds:
            until_utc = datetime.now(UTC) + timedelta(seconds=standing.blocked_seconds)
            raise AskedToWaitError(
                f"{self._name} asked to be left alone until {until_utc:%H:%M:%S} UTC.",
                until_utc=until_utc,
            )
        if standing.refused_seconds <= 0:
            return
        with self._entering:
            is_ours = self._probe is not None
        if not is_ours and (refusal := self._breaker.refusal()) is not None:
            raise refusal

    def _enter(self) -> int | None:
        """Go on with this thread's probe or begin one, with `_entering` held."""
        number = self._breaker.admit(self._probe.number if self._probe else None)
        self._probe = None if number is None else _Probe(threading.get_ident(), number)
        return number

    def _end_probe(self, probe_no: int | None) -> None:
        probe = self._probe
        if probe is not None and probe.number == probe_no:
            self._probe = None

    def _probe_of_another(self) -> _Probe | None:
        probe = self._probe
        return probe if probe is not None and probe.thread != threading.get_ident() else None

    def _waits_for_probe(self, wait: Wait) -> bool:
        """Wait for what another thread of this process finds out; True: reading was stopped."""
        deadline = time.monotonic() + _PROBE_WAIT_SECONDS
        while (probe := self._probe_of_another()) is not None:
            if time.monotonic() > deadline:
                # Its thread has gone elsewhere or hangs: what the database says holds.
                self._end_probe(probe.number)
            elif wait(_PROBE_LOOK_SECONDS):
                return True
        return False


class _Permit:
    """See Permit."""

    def __init__(
        self,
        throttle: ConnectionThrottle,
        wait: Wait,
        probe_no: int | None,
        *,
        is_troubled: bool,
    ) -> None:
        self._throttle = throttle
        self._wait = wait
        self._is_troubled = is_troubled
        self._probe_no = probe_no

    def another(self) -> None:
        self._throttle.take(self._wait)

    def observed(self, error: SyncError | None) -> None:
        self._throttle.observed(error, is_troubled=self._is_troubled, probe_no=self._probe_no)


@contextmanager
def shared_throttle(
    database: Database, connection: Connection, settings: SourceSettings
) -> Iterator[Throttle]:
    """The throttle of a connection, agreed on with every other process that reads it.

    Raises:
        InputError: the connection's own rate is no number.
    """
    rate = rate_of(connection, settings)
    postgres = PostgresBucket(database, connection, rate)
    breaker = Breaker(database, connection, Policy.of(settings))
    with redis_bucket(database, connection, rate, settings.redis_url, postgres) as bucket:
        yield ConnectionThrottle(
            bucket,
            breaker,
            name=connection.name,
            longest_wait_seconds=settings.retry_after_cap_seconds,
        )
