"""Ranges of positions: cutting them, and the order in which they are read.

Belongs here: arithmetic on ranges and the list of what is still to be read, without threads or
requests. Does not: reading (paging.py), which size works (adaptive.py).
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from sync_pipeline.sources.adaptive import PageSizes
from sync_pipeline.sources.protocol import PageRequest


def page_requests(total: int, size: int, *, start: int = 0) -> Iterator[PageRequest]:
    """The ranges that cover positions start … total - 1."""
    for offset in range(start, total, size):
        yield PageRequest(offset, min(size, total - offset))


def parts_of(request: PageRequest, size: int) -> list[PageRequest]:
    """The range in parts of `size`, the last one maybe smaller."""
    return list(page_requests(request.offset + request.limit, size, start=request.offset))


def places_outside(request: PageRequest) -> list[PageRequest]:
    """Single positions to ask elsewhere: first of all, behind the range, before it."""
    behind = request.offset + request.limit
    offsets = dict.fromkeys(
        offset
        for offset in (0, behind, request.offset - 1)
        if not request.offset <= offset < behind
    )
    return [PageRequest(offset, 1) for offset in offsets if offset >= 0]


@dataclass(frozen=True)
class Task:
    """One range to read; narrowed ones are parts of a range that failed."""

    request: PageRequest
    narrowed: bool


class Work:
    """What is still to be read: parts of failed ranges first, then the caller's ranges."""

    def __init__(self, requests: Iterator[PageRequest], sizes: PageSizes) -> None:
        self._requests = requests
        self._sizes = sizes
        self._waiting: deque[Task] = deque()

    def take(self) -> Task | None:
        """The next range, no larger than the size that works now; None when all is taken."""
        if not self._waiting:
            request = next(self._requests, None)
            if request is None:
                return None
            self._waiting.append(Task(request, narrowed=False))
        task = self._waiting.popleft()
        if task.narrowed or task.request.limit <= self._sizes.current:
            return task
        first, *rest = parts_of(task.request, self._sizes.current)
        self._waiting.extendleft(Task(part, narrowed=False) for part in reversed(rest))
        return Task(first, narrowed=False)

    def put_first(self, parts: list[PageRequest]) -> None:
        """Parts of a range that failed: read next."""
        self._waiting.extendleft(Task(part, narrowed=True) for part in reversed(parts))

    def drop(self) -> None:
        """Nothing more is to be read."""
        self._waiting.clear()
        self._requests = iter(())
