"""The circuit of a connection in PostgreSQL: one process decides at a time, and says what changed.

Belongs here: the row of sync_circuit, held while a transition of circuit.py is made, and its
activity. Does not: the transitions, and which request asks (throttle.py).
"""

import logging
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from psycopg import Connection as SqlConnection

from sync_pipeline import logs
from sync_pipeline.errors import SyncError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.throttle import circuit as machine
from sync_pipeline.sources.throttle.activity import Status, say
from sync_pipeline.sources.throttle.circuit import Circuit, Policy, Trouble
from sync_pipeline.sources.throttle.errors import CircuitOpenError

_LONGEST_ERROR: Final = 500
_log: Final = logs.get_logger(__name__)

Transition = Callable[[Circuit, datetime], Circuit]


class Breaker:
    """The circuit of one connection; safe to share between threads."""

    def __init__(self, database: Database, connection: Connection, policy: Policy) -> None:
        self._database = database
        self._connection = connection
        self._policy = policy

    def admit(self, probe_no: int | None) -> int | None:
        """Let a request through, or not; see circuit.admitted.

        Returns:
            The number of the probe that it is, None when the circuit is closed.

        Raises:
            CircuitOpenError: it is refused.
        """
        number: int | None = None
        refused: CircuitOpenError | None = None

        def transition(circuit: Circuit, now_utc: datetime) -> Circuit:
            nonlocal number, refused
            admitted = machine.admitted(circuit, self._policy, now_utc, probe_no=probe_no)
            if admitted is None:
                refused = self._refusal(circuit)
                return circuit
            after, number = admitted
            return after

        self._change(transition)
        if refused is not None:
            raise refused
        return number

    def refusal(self) -> CircuitOpenError | None:
        """The error that a request meets now; None when it would be let through."""
        with self._database.organization(self._connection.org_id) as conn:
            circuit, now_utc = self._locked(conn)
        admitted = machine.admitted(circuit, self._policy, now_utc)
        return self._refusal(circuit) if admitted is None else None

    def succeeded(self, probe_no: int | None) -> None:
        """The remote system answered."""
        self._change(lambda circuit, _: machine.succeeded(circuit, probe_no=probe_no))

    def failed(self, error: SyncError, probe_no: int | None) -> None:
        """A request failed in a way that is about the system as a whole."""
        trouble = _trouble(error)
        self._change(
            lambda circuit, now_utc: machine.failed(
                circuit, self._policy, now_utc, trouble, probe_no=probe_no
            )
        )

    def gave_up(self, error: SyncError, probe_no: int | None) -> None:
        """Reading ended because nothing could be read."""
        trouble = _trouble(error)
        self._change(
            lambda circuit, now_utc: machine.gave_up(
                circuit, self._policy, now_utc, trouble, probe_no=probe_no
            )
        )

    def _change(self, transition: Transition) -> None:
        with self._database.organization(self._connection.org_id) as conn:
            before, now_utc = self._locked(conn)
            after = transition(before, now_utc)
            if after == before:
                return
            values = {**asdict(after), "connection_id": self._connection.connection_id}
            conn.execute(statement("throttle/circuit_keep"), values)
            if after.state != before.state:
                self._say(conn, after)

    def _locked(self, conn: SqlConnection[dict[str, Any]]) -> tuple[Circuit, datetime]:
        values = {
            "connection_id": self._connection.connection_id,
            "org_id": self._connection.org_id,
        }
        conn.execute(statement("throttle/circuit_row"), values)
        row = conn.execute(statement("throttle/circuit_lock"), values).fetchone()
        assert row is not None  # noqa: S101  (made by the statement before)
        now_utc: datetime = row.pop("now_utc")
        return Circuit(**row), now_utc

    def _refusal(self, circuit: Circuit) -> CircuitOpenError:
        until_utc = circuit.probe_until if circuit.state == "half_open" else circuit.open_until
        assert until_utc is not None  # noqa: S101  (held by the table's checks)
        return CircuitOpenError(
            f"{self._connection.name} is left alone until {until_utc:%H:%M:%S} UTC: "
            f"{circuit.last_error}",
            until_utc=until_utc,
        )

    def _say(self, conn: SqlConnection[dict[str, Any]], circuit: Circuit) -> None:
        activity_type, status, message = said(circuit)
        details = {
            "code": circuit.last_error_code,
            "error": circuit.last_error,
            "failure_count": circuit.failure_count,
            "open_count": circuit.open_count,
            "open_until": circuit.open_until.isoformat() if circuit.open_until else None,
        }
        _log.log(
            logging.WARNING if circuit.state == "open" else logging.INFO,
            activity_type.replace("_", " "),
            words=message,
            connection=self._connection.name,
            organization=self._connection.org_id,
        )
        say(conn, self._connection.connection_id, activity_type, status, message, details)


def said(circuit: Circuit) -> tuple[str, Status, str]:
    """Type, status and words of the activity about a circuit that has just changed. Pure."""
    if circuit.state == "open":
        words = (
            f"no requests until {circuit.open_until:%H:%M:%S} UTC, after {circuit.failure_count} "
            f"failures in a row; the last ({circuit.last_error_code}): {circuit.last_error}"
        )
        return "circuit_opened", "error", words
    if circuit.state == "half_open":
        return "circuit_half_opened", "info", "one request tries whether the store answers again"
    return "circuit_closed", "success", f"the store answers again, after {circuit.last_error_code}"


def circuit_of(database: Database, connection: Connection) -> Circuit:
    """How the circuit of a connection stands now; closed when it never was asked."""
    with database.organization(connection.org_id) as conn:
        values = {"connection_id": connection.connection_id}
        row = conn.execute(statement("throttle/circuit"), values).fetchone()
    return Circuit(**row) if row else Circuit()


def _trouble(error: SyncError) -> Trouble:
    return Trouble(error.code, error.message[:_LONGEST_ERROR])
