"""Sequences of ids that are indexed without being built.

Belongs here: arithmetic over ranges of ids. Does not: what the ids stand for (made.py).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import overload


class SplicedIds(Sequence[int]):
    """A range of ids without some of them, between lists of other ids."""

    def __init__(
        self, low: Sequence[int], base: range, removed: Sequence[int], high: Sequence[int]
    ) -> None:
        self._low, self._base, self._high = low, base, high
        # How many ids of the base stand before each removed one and remain.
        self._kept_before = [
            base.index(record_id) - index for index, record_id in enumerate(removed)
        ]
        self._kept = len(base) - len(removed)

    def __len__(self) -> int:
        """How many ids there are."""
        return len(self._low) + self._kept + len(self._high)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        """The id at a place, or the ids of a slice as a list."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        if place < len(self._low):
            return self._low[place]
        place -= len(self._low)
        if place < self._kept:
            return self._base[place + bisect_right(self._kept_before, place)]
        return self._high[place - self._kept]


def spliced(base: range, changed: Iterable[int], matching: Sequence[int]) -> Sequence[int]:
    """The ids of a range, but of the changed ones only those that match.

    Args:
        base: ascending, step 1.
        changed: ids whose membership the range does not tell; some lie outside it.
        matching: those of the changed ids that belong in, ascending.
    """
    matches = set(matching)
    removed = sorted(i for i in changed if i in base and i not in matches)
    low = matching[: bisect_left(matching, base.start)]
    high = matching[bisect_left(matching, max(base.start, base.stop)) :]
    return SplicedIds(low, base, removed, high) if removed or low or high else base


def common(left: Sequence[int], right: Sequence[int]) -> Sequence[int]:
    """The ids that are in both, ascending; a range when both are (step 1)."""
    if isinstance(left, range) and isinstance(right, range):
        start = max(left.start, right.start)
        return range(start, max(start, min(left.stop, right.stop)))
    if isinstance(right, range):
        left, right = right, left
    inside = left if isinstance(left, range) else set(left)
    return [i for i in right if i in inside]
