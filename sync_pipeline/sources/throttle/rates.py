"""How often a connection may be asked: its own rate, else the setting.

Belongs here: the arithmetic, pure. Does not: who asked when (bucket.py).
"""

from dataclasses import dataclass
from typing import Final

from sync_pipeline.errors import InputError
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import Connection

RATE_OPTION: Final = "requests_per_second"


@dataclass(frozen=True)
class Rate:
    """A rate as GCRA wants it.

    Attributes:
        interval_seconds: between two requests in the long run; 0: no limit.
        tolerance_seconds: how much earlier than that a request may come, for bursts.
    """

    interval_seconds: float
    tolerance_seconds: float


NO_LIMIT: Final = Rate(0.0, 0.0)


def rate_of(connection: Connection, settings: SourceSettings) -> Rate:
    """The rate of a connection.

    No window of w seconds sees more than w x rate + burst requests, where the burst is what
    `burst_seconds` of the rate come to, and one at least.

    Raises:
        InputError: the connection's own rate is no number.
    """
    if connection.base_url.startswith("demo:"):
        return NO_LIMIT  # we serve it ourselves, and there is nobody to be polite to
    given = connection.options.get(RATE_OPTION)
    per_second = settings.requests_per_second if given is None else _number(connection, given)
    if per_second == 0:
        return NO_LIMIT
    burst = max(1.0, per_second * settings.burst_seconds)
    return Rate(1 / per_second, (burst - 1) / per_second)


def _number(connection: Connection, given: object) -> float:
    if isinstance(given, int | float) and not isinstance(given, bool) and given >= 0:
        return float(given)
    raise InputError(
        f"The connection {connection.name} has {given!r} as its {RATE_OPTION}.",
        remedy="Register it again with --requests-per-second N (0: no limit).",
    )
