"""From what people type about conflicts to values: ages, names, what a field gets. Pure."""

import re
from datetime import timedelta
from typing import Final

from sync_pipeline.errors import InputError

_AGE: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def age_of(typed: str) -> timedelta:
    """A span as people write it: 30m, 12h, 7d. Pure.

    Raises:
        InputError: it is none.
    """
    found = _AGE.fullmatch(typed.strip())
    if found is None:
        raise InputError(f"{typed!r} is no age.", remedy="Write 30m, 12h or 7d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def names_of(typed: str | None) -> list[str]:
    """The names between the commas. Pure."""
    return [one.strip() for one in (typed or "").split(",") if one.strip()]


def values_of(typed: list[str] | None) -> dict[str, str]:
    """Column -> what it gets, of `field=value` each. Pure.

    Raises:
        InputError: no equals sign.
    """
    parts = [(one, *one.partition("=")) for one in typed or []]
    for whole, name, equals, _ in parts:
        if not equals or not name.strip():
            raise InputError(f"{whole!r} sets nothing.", remedy="Write --set phone=0123.")
    return {name.strip(): value for _, name, _, value in parts}
