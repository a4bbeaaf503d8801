"""Which ranges of queue numbers are past their time, and which queue keeps one that is not. Pure.

Belongs here: the decision and its words. Does not: reading and dropping (retention.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True)
class Range:
    """What one range of queue numbers holds.

    Attributes:
        n_old: queues that finished before the limit.
        n_bytes: of all its tables; n_page_bytes: of its pages, a part of that.
        last_id: the queue that keeps the range: an unfinished one, else the one that finished
            last. None when it holds no queue.
        last_finished_at: None when that queue is not finished.
    """

    range_no: int
    n_queues: int
    n_old: int
    n_lines: int
    n_bytes: int
    n_page_bytes: int
    has_pages: bool
    has_queues: bool
    last_id: UUID | None
    last_finished_at: datetime | None

    def is_over(self, before_utc: datetime) -> bool:
        """Whether every queue of it finished before then."""
        if not self.has_queues:
            return True
        return self.last_finished_at is not None and self.last_finished_at < before_utc


@dataclass(frozen=True)
class Held:
    """A range that holds queues past their time and yet stays.

    Attributes:
        queue_id: the queue that keeps it; None when its tables are in use.
        reason: in words.
    """

    range_no: int
    queue_id: UUID | None
    reason: str


@dataclass(frozen=True)
class Purged:
    """What a purge dropped, or would drop.

    Attributes:
        ranges: whose queues, lines, activity and pages are gone; page_ranges: whose pages alone.
        n_bytes: that went back to the disk.
    """

    queues: int = 0
    lines: int = 0
    n_bytes: int = 0
    ranges: tuple[int, ...] = ()
    page_ranges: tuple[int, ...] = ()
    held: tuple[Held, ...] = ()

    def __add__(self, other: "Purged") -> "Purged":
        """Both together."""
        return Purged(
            self.queues + other.queues,
            self.lines + other.lines,
            self.n_bytes + other.n_bytes,
            self.ranges + other.ranges,
            self.page_ranges + other.page_ranges,
            self.held + other.held,
        )


def decide(
    ranges: Iterable[Range], queues_before: datetime, pages_before: datetime
) -> list[Purged]:
    """What is to go, one step a range; none for a range that stays and holds nothing old.

    Args:
        queues_before, pages_before: what finished earlier is past its time.
    """
    steps = []
    for one in ranges:
        if one.is_over(queues_before):
            steps.append(Purged(one.n_queues, one.n_lines, one.n_bytes, ranges=(one.range_no,)))
            continue
        held = (_held(one),) if one.n_old else ()
        if one.has_pages and one.is_over(pages_before):
            steps.append(Purged(n_bytes=one.n_page_bytes, page_ranges=(one.range_no,), held=held))
        elif held:
            steps.append(Purged(held=held))
    return steps


def _held(one: Range) -> Held:
    if one.last_finished_at is None:
        return Held(one.range_no, one.last_id, "it is not finished")
    return Held(one.range_no, one.last_id, f"it finished on {one.last_finished_at:%Y-%m-%d}")
