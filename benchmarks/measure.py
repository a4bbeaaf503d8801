"""Timing in turns, ratios, and the figures that a benchmark hands back.

Belongs here: arithmetic on times, the shape of a result. Does not: what is measured, printing
(report.py).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

CpuClock = Callable[[], float | None]
"""CPU seconds that a server's backends used so far; None where that cannot be seen."""


@dataclass(frozen=True)
class Target:
    """What a figure must be."""

    op: Literal["≥", "≤"]
    bound: float

    def is_met_by(self, value: float) -> bool:
        """Whether the figure keeps to it."""
        return value >= self.bound if self.op == "≥" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.op} {self.bound:g}"


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Attributes:
        name: what it is of.
        value: in `unit`; a ratio has the unit "x".
        target: None for information.
        note: what it was made from, in words.
    """

    name: str
    value: float
    unit: str
    target: Target | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is kept; None without one."""
        return None if self.target is None else self.target.is_met_by(self.value)


@dataclass(frozen=True)
class Subject:
    """All figures of one benchmark, and what exactly was compared."""

    title: str
    figures: Sequence[Figure]
    remarks: Sequence[str] = ()


@dataclass
class Span:
    """One measured stretch. CPU is that of the database's backends, in seconds."""

    wall_seconds: float = 0.0
    cpu_seconds: float | None = None


@dataclass
class Rounds:
    """Spans by name, one per round, measured in turns: A B C A B C …"""

    spans: dict[str, list[Span]] = field(default_factory=dict)

    def add(self, name: str, span: Span) -> None:
        """Keep the span of one more round."""
        self.spans.setdefault(name, []).append(span)

    def wall(self, name: str) -> float:
        """The median of its wall time, in seconds."""
        return median(span.wall_seconds for span in self.spans[name])

    def cpu(self, name: str) -> float | None:
        """The median of its backends' CPU time, in seconds."""
        seen = [span.cpu_seconds for span in self.spans[name] if span.cpu_seconds is not None]
        return median(seen) if seen else None

    def ratio(self, above: Sequence[str], below: Sequence[str]) -> float:
        """The median over the rounds of (time of `above`) / (time of `below`).

        Both times of one ratio are of one round, so what slowed the machine slowed both.
        """
        return median(paired_ratios(self._per_round(above), self._per_round(below)))

    def cpu_ratio(self, above: Sequence[str], below: Sequence[str]) -> float | None:
        """The same of CPU time; None where it was not seen."""
        totals = [[self.cpu(name) for name in names] for names in (above, below)]
        if any(value is None for names in totals for value in names):
            return None
        over, under = (sum(value or 0.0 for value in names) for names in totals)
        return over / under if under else None

    def _per_round(self, names: Sequence[str]) -> list[float]:
        columns = [[span.wall_seconds for span in self.spans[name]] for name in names]
        return [sum(row) for row in zip(*columns, strict=True)]


def paired_ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """above[i] / below[i] of every round."""
    return [a / b for a, b in zip(above, below, strict=True)]


def lowest_share(rates: Mapping[int, float]) -> float:
    """The lowest rate over that of the smallest size: 0.9 is a loss of 10 %."""
    return min(rates.values()) / rates[min(rates)]


@contextmanager
def timed(rounds: Rounds, name: str, cpu: CpuClock = lambda: None) -> Iterator[None]:
    """Measure the block as one round of `name`."""
    cpu_before = cpu()
    started = time.perf_counter()
    yield
    wall_seconds = time.perf_counter() - started
    cpu_after = cpu()
    used = None if cpu_before is None or cpu_after is None else cpu_after - cpu_before
    rounds.add(name, Span(wall_seconds, used))
