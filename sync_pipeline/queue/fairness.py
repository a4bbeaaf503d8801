"""Whose turn it is when there is more to start than may start at once. Pure.

Belongs here: the order. Does not: what is due (attention.py, due.py), how much may start.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar


class Waiting(Protocol):
    """Something of an organization that waits since a moment."""

    @property
    def org_id(self) -> str:
        """Whose it is."""
        ...

    @property
    def due_at(self) -> datetime:
        """Since when it could start."""
        ...


T = TypeVar("T", bound=Waiting)


def in_turns(waiting: Iterable[T]) -> list[T]:
    """One of each organization, then the next of each, and so on; within each, oldest due first.

    Organizations are in the order of their oldest. Whoever waits comes nearer to the front with
    every look, as those before them start.
    """
    of_organization: dict[str, list[T]] = defaultdict(list)
    for one in sorted(waiting, key=lambda one: one.due_at):
        of_organization[one.org_id].append(one)
    turns = [
        (turn, one.due_at, place, one)
        for place, queue in enumerate(of_organization.values())
        for turn, one in enumerate(queue)
    ]
    return [one for *_, one in sorted(turns, key=lambda turn: turn[:3])]
