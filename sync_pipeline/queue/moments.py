"""Moments as people write them and stores date their records: whole seconds of UTC.

Belongs here: reading and writing them. Does not: what is chosen by them (filters.py).
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from sync_pipeline.errors import InputError

# No store is older; a year of two digits is a slip of the pen.
_FIRST_YEAR: Final = 1970


def moment_of(text: str, name: str) -> datetime:
    """A date or a moment as people write it, at whole seconds of UTC. Pure.

    A date is its first moment; what names no zone is UTC. Of parts of a second the next whole one
    is meant: records are dated at whole seconds.

    Raises:
        InputError: no date.
    """
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        whole = whole_second(aware.astimezone(UTC))
    except (ValueError, OverflowError):
        whole = None
    if whole is None or whole.year < _FIRST_YEAR:
        raise InputError(
            f"{name} is {text!r}, which is no date.",
            remedy="Write 2024-01-31, or 2024-01-31T12:00:00Z.",
        ) from None
    return whole


def whole_second(moment: datetime) -> datetime:
    """The moment, or else the next whole second. Pure."""
    floor = moment.replace(microsecond=0)
    return floor if floor == moment else floor + timedelta(seconds=1)


def told(moment: datetime) -> str:
    """As options and messages write it. Pure."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
