"""The token bucket of a connection in Redis, for as long as Redis answers; else in PostgreSQL.

Belongs here: the same arithmetic as sql/throttle/take.sql in Lua, and falling back. Does not: what
must not be lost: the circuit and what a remote system asked for stay in PostgreSQL.

Redis gone is never an error of a sync: its tokens come from PostgreSQL until it is back, and that
is said once each way, in the log and in the activity.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from psycopg.rows import DictRow
from pydantic import SecretStr

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.throttle.activity import Status, say
from sync_pipeline.sources.throttle.bucket import Bucket, PostgresBucket, Standing
from sync_pipeline.sources.throttle.rates import Rate

_log = logging.getLogger(__name__)

# Microseconds of the server's own clock: its hosts' clocks do not matter. The key goes by itself
# when it no longer says anything.
_TAKE: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local next_at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + interval
redis.call('SET', KEYS[1], string.format('%.0f', next_at), 'PX', math.ceil((next_at - now) / 1000))
return math.max(0, math.ceil(next_at - now - interval - tolerance))
"""
_TIMEOUT_SECONDS: Final = 0.5
_TRY_AGAIN_SECONDS: Final = 5.0
_MICROSECONDS: Final = 1_000_000


class RedisBucket:
    """A Bucket whose tokens are in Redis, and in `postgres` while that is gone."""

    def __init__(
        self,
        client: Any,  # noqa: ANN401  (redis-py answers Awaitable | Any throughout)
        failures: tuple[type[Exception], ...],
        database: Database,
        connection: Connection,
        rate: Rate,
        postgres: PostgresBucket,
    ) -> None:
        """`failures`: what the client raises when Redis cannot be used."""
        self._client = client
        self._failures = failures
        self._database = database
        self._connection = connection
        self._postgres = postgres
        self._key = f"sync-pipeline:tokens:{connection.org_id}:{connection.name}"
        self._steps = [
            round(rate.interval_seconds * _MICROSECONDS),
            round(rate.tolerance_seconds * _MICROSECONDS),
        ]
        self._is_gone: bool | None = None
        self._try_again_at = 0.0

    def take(self) -> Standing:
        """One token, from where they are now."""
        if self._is_gone and time.monotonic() < self._try_again_at:
            return self._postgres.take()
        try:
            # EVAL, 400 bytes more than EVALSHA: a Redis that restarted knows no script.
            waits = int(self._client.eval(_TAKE, 1, self._key, *self._steps))
        except self._failures as failure:
            self._try_again_at = time.monotonic() + _TRY_AGAIN_SECONDS
            self._note_gone(failure)
            return self._postgres.take()
        self._note_back()
        standing = self._postgres.look()
        waits_seconds = max(waits / _MICROSECONDS, standing.blocked_seconds)
        return replace(standing, wait_seconds=waits_seconds)

    def look(self) -> Standing:
        """From PostgreSQL: what it says holds for everybody."""
        return self._postgres.look()

    def block(self, seconds: float) -> None:
        """In PostgreSQL, where it outlives Redis."""
        self._postgres.block(seconds)

    def _note_gone(self, failure: Exception) -> None:
        if self._is_gone:
            return
        self._is_gone = True
        words = (
            f"Redis cannot be used ({type(failure).__name__}): requests are counted in "
            "PostgreSQL until it is back"
        )
        self._note("redis_gone", "warning", words)

    def _note_back(self) -> None:
        if self._is_gone is False:
            return
        self._is_gone = False
        self._note("redis_back", "info", "Redis is back: requests are counted there again")

    def _note(self, what: str, status: Status, words: str) -> None:
        """Say it, unless another process has."""
        values = {
            "connection_id": self._connection.connection_id,
            "org_id": self._connection.org_id,
        }
        with self._database.organization(self._connection.org_id) as conn:
            first: DictRow | None = conn.execute(statement(f"throttle/{what}"), values).fetchone()
            if first is None:
                return
            say(conn, self._connection.connection_id, what, status, words)
        level = logging.WARNING if status == "warning" else logging.INFO
        _log.log(level, "%s: %s.", self._connection.name, words)


@contextmanager
def redis_bucket(
    database: Database,
    connection: Connection,
    rate: Rate,
    url: SecretStr | None,
    postgres: PostgresBucket,
) -> Iterator[Bucket]:
    """The bucket to use: `postgres` itself, where no Redis is set or there is no limit."""
    if url is None or rate.interval_seconds == 0:
        yield postgres
        return
    import redis  # noqa: PLC0415  (40 ms, for those who use it)
    from redis.backoff import NoBackoff  # noqa: PLC0415
    from redis.retry import Retry  # noqa: PLC0415

    try:
        client = redis.Redis.from_url(
            url.get_secret_value(),
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        _log.warning("REDIS_URL is no address of a Redis: requests are counted in PostgreSQL.")
        yield postgres
        return
    failures = (redis.RedisError, OSError)
    try:
        yield RedisBucket(client, failures, database, connection, rate, postgres)
    finally:
        client.close()
