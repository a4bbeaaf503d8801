"""The token bucket of one connection, in PostgreSQL: one statement a token.

Belongs here: taking, looking, blocking. Does not: waiting and refusing (throttle.py), how often
(rates.py), the same in Redis (redis_bucket.py).
"""

from dataclasses import dataclass
from typing import Any, Protocol

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.throttle.rates import Rate


@dataclass(frozen=True)
class Standing:
    """How a connection stands at one instant of the database's clock.

    Attributes:
        wait_seconds: until the token that was taken may be used.
        blocked_seconds: for how long the remote system asked everybody to stay away.
        refused_seconds: for how long an open circuit, or another's probe, refuses requests.
        is_closed: the circuit is.
        is_troubled: a success would change the circuit.
    """

    wait_seconds: float
    blocked_seconds: float
    refused_seconds: float
    is_closed: bool
    is_troubled: bool


class Bucket(Protocol):
    """The tokens of one connection, shared by every process that asks it."""

    def take(self) -> Standing:
        """Take one token, to be used after `wait_seconds`."""
        ...

    def look(self) -> Standing:
        """How it stands, without taking a token."""
        ...

    def block(self, seconds: float) -> None:
        """No token may be used for so long."""
        ...


class PostgresBucket:
    """A Bucket in the table sync_throttle."""

    def __init__(self, database: Database, connection: Connection, rate: Rate) -> None:
        self._database = database
        self._org_id = connection.org_id
        self._is_limited = rate.interval_seconds > 0
        self._values = {
            "connection_id": connection.connection_id,
            "org_id": connection.org_id,
            "interval_seconds": rate.interval_seconds,
            "tolerance_seconds": rate.tolerance_seconds,
        }

    def take(self) -> Standing:
        """One row written, or only read when there is no limit."""
        return self._standing("take") if self._is_limited else self.look()

    def look(self) -> Standing:
        """One row read."""
        return self._standing("look")

    def block(self, seconds: float) -> None:
        """Seen by everybody who takes or looks from now on."""
        with self._database.organization(self._org_id, waits_for_disk=False) as conn:
            conn.execute(statement("throttle/block"), {**self._values, "seconds": seconds})

    def _standing(self, name: str) -> Standing:
        # Tokens that a crash of the server forgets are not worth a wait for the disk.
        with self._database.organization(self._org_id, waits_for_disk=False) as conn:
            row: dict[str, Any] | None = conn.execute(
                statement(f"throttle/{name}"), self._values
            ).fetchone()
        assert row is not None  # noqa: S101  (both statements answer one row)
        return Standing(**row)
