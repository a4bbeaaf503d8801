"""The circuit breaker of a connection as a pure machine: what is, what happens, what becomes of it.

Belongs here: every transition. Does not: where it is kept, one process at a time (breaker.py), and
which failure is one of the remote system (`is_about_system`: all but those that a smaller range may
cure).

    closed ----- too many failures in a row, over some time; or reading gave up ----> open
    open ------- the wait is over: the first who asks is let through, a probe ------> half_open
    half_open -- the probe was answered --------------------------------------------> closed
    half_open -- it was not: a longer wait -----------------------------------------> open
    half_open -- the probe's time is up (its process is gone): another one ---------> half_open

What a request says that began before the circuit opened changes nothing: only the current probe,
known by its number, is heard while it is not closed.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sync_pipeline.errors import SyncError, TransientError
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.errors import PageFaultError

State = Literal["closed", "open", "half_open"]
_MOST_DOUBLINGS = 16  # far beyond any cap


@dataclass(frozen=True)
class Circuit:
    """One circuit; a row of sync_circuit. Times are aware, of the database's clock.

    Attributes:
        failure_count: in a row, without a success in between; failing_since is the first's time.
        open_count: times in a row that it opened without closing.
        open_until: when a probe may go; also while it is under way.
        probe_no: of the latest probe; it only grows.
        probe_until: when the probe is given up and another may go.
    """

    state: State = "closed"
    failure_count: int = 0
    failing_since: datetime | None = None
    open_count: int = 0
    opened_at: datetime | None = None
    open_until: datetime | None = None
    probe_no: int = 0
    probe_until: datetime | None = None
    last_error_code: str | None = None
    last_error: str | None = None


@dataclass(frozen=True)
class Policy:
    """When a circuit opens and for how long.

    Attributes:
        failures: in a row that open it …
        failing_seconds: … once they have lasted so long: parallel requests that fail together are
            no outage yet.
        open_seconds: the first wait; each further one is twice as long, up to open_cap_seconds.
        probe_seconds: a probe that says nothing for so long is given up.
    """

    failures: int
    failing_seconds: float
    open_seconds: float
    open_cap_seconds: float
    probe_seconds: float

    @classmethod
    def of(cls, settings: SourceSettings) -> "Policy":
        """As the settings say; a probe may take as long as a request and its wait."""
        return cls(
            failures=settings.circuit_failures,
            failing_seconds=settings.circuit_failing_seconds,
            open_seconds=settings.circuit_open_seconds,
            open_cap_seconds=settings.circuit_open_cap_seconds,
            probe_seconds=settings.connect_timeout_seconds
            + settings.read_timeout_seconds
            + settings.backoff_cap_seconds,
        )


@dataclass(frozen=True)
class Trouble:
    """A failure, as it is kept."""

    code: str
    message: str


def is_about_system(error: SyncError) -> bool:
    """Whether a failed request says that the remote system as a whole is in trouble.

    A PageFaultError does not: one record may be the cause, and reading closes in on it. When all
    of the system fails that way, reading gives up, and that is told by `gave_up`.
    """
    return isinstance(error, TransientError) and not isinstance(error, PageFaultError)


def admitted(
    circuit: Circuit, policy: Policy, now_utc: datetime, *, probe_no: int | None = None
) -> tuple[Circuit, int | None] | None:
    """Let a request through, or not.

    Args:
        probe_no: of the probe that the request goes on with, if it is part of one.

    Returns:
        What becomes of the circuit, and the number of the probe that the request is (None: an
        ordinary one); None when it is refused.
    """
    if circuit.state == "closed":
        return circuit, None
    probe_until = now_utc + timedelta(seconds=policy.probe_seconds)
    if circuit.state == "half_open" and probe_no == circuit.probe_no:
        return replace(circuit, probe_until=probe_until), probe_no
    if _refused_until(circuit) > now_utc:
        return None
    number = circuit.probe_no + 1
    return replace(circuit, state="half_open", probe_no=number, probe_until=probe_until), number


def succeeded(circuit: Circuit, *, probe_no: int | None = None) -> Circuit:
    """The remote system answered: the current probe closes the circuit."""
    if not _is_heard(circuit, probe_no):
        return circuit
    return Circuit(
        probe_no=circuit.probe_no,
        last_error_code=circuit.last_error_code,
        last_error=circuit.last_error,
    )


def failed(
    circuit: Circuit,
    policy: Policy,
    now_utc: datetime,
    trouble: Trouble,
    *,
    probe_no: int | None = None,
) -> Circuit:
    """A request failed in a way that says something about the remote system."""
    if not _is_heard(circuit, probe_no):
        return circuit
    since = circuit.failing_since or now_utc
    counted = replace(
        circuit,
        failure_count=circuit.failure_count + 1,
        failing_since=since,
        last_error_code=trouble.code,
        last_error=trouble.message,
    )
    lasted_seconds = (now_utc - since).total_seconds()
    is_enough = (
        counted.failure_count >= policy.failures and lasted_seconds >= policy.failing_seconds
    )
    return _opened(counted, policy, now_utc) if is_enough or circuit.state != "closed" else counted


def gave_up(
    circuit: Circuit,
    policy: Policy,
    now_utc: datetime,
    trouble: Trouble,
    *,
    probe_no: int | None = None,
) -> Circuit:
    """Reading ended because nothing could be read, neither the range nor one record elsewhere."""
    if not _is_heard(circuit, probe_no):
        return circuit
    counted = replace(
        circuit,
        failure_count=max(circuit.failure_count + 1, policy.failures),
        failing_since=circuit.failing_since or now_utc,
        last_error_code=trouble.code,
        last_error=trouble.message,
    )
    return _opened(counted, policy, now_utc)


def open_seconds(policy: Policy, open_count: int) -> float:
    """How long the circuit stays open when it opens for the `open_count`th time in a row."""
    doublings = min(open_count - 1, _MOST_DOUBLINGS)
    return min(policy.open_cap_seconds, policy.open_seconds * 2.0**doublings)


def _is_heard(circuit: Circuit, probe_no: int | None) -> bool:
    if circuit.state == "closed":
        return True
    return circuit.state == "half_open" and probe_no == circuit.probe_no


def _refused_until(circuit: Circuit) -> datetime:
    until = circuit.probe_until if circuit.state == "half_open" else circuit.open_until
    assert until is not None  # noqa: S101  (held by the table's checks)
    return until


def _opened(circuit: Circuit, policy: Policy, now_utc: datetime) -> Circuit:
    count = circuit.open_count + 1
    return replace(
        circuit,
        state="open",
        open_count=count,
        opened_at=circuit.opened_at or now_utc,
        open_until=now_utc + timedelta(seconds=open_seconds(policy, count)),
        probe_until=None,
    )
