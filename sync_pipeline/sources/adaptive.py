"""What reading learns about a store: how many requests at once, how many records at a time.

Belongs here: both decisions, pure: no clock, no thread, no request. Does not: reading (paging.py).

Recorded on a two-core store: 8 pages of customers took 3.3 s one by one, 2.4 s two at once and
3.6 s four at once, with 3.8 times the latency. More is not faster; so it is tried, measured and
taken back.
"""

from dataclasses import dataclass

LADDER = (100, 50, 25, 10, 5, 2, 1)
_SMALLEST_REMEMBERED = 10  # smaller ones only close in on one bad record

_GAIN_TO_KEEP = 1.1  # one more at once must carry a tenth more records a second
_LATENCY_BLOW_UP = 3.0  # against the best window; two at once on two cores is not even 2
_WINDOWS_BEFORE_ANOTHER_TRY = 8


@dataclass(frozen=True)
class _Window:
    """Requests answered at one limit: records a second and seconds a request."""

    limit: int
    records_per_second: float
    latency_seconds: float


class AdaptiveLimit:
    """How many requests may be in flight: grows while throughput does, halves on trouble.

    Throughput is judged per window of twice the limit, by Little's law: limit x records / latency.
    Not for sharing between threads.

    Attributes:
        current: the limit now, 1 … maximum.
        maximum: never exceeded.
    """

    def __init__(self, maximum: int, *, start: int = 2) -> None:
        self.maximum = maximum
        self.current = min(start, maximum)
        self._samples: list[float] = []
        self._size = 0
        self._kept: _Window | None = None
        self._best_latency_seconds: float | None = None
        self._windows_to_rest = 0

    def succeeded(self, elapsed_seconds: float, size: int) -> None:
        """A range of `size` records was answered."""
        if size != self._size:  # other sizes, other latencies: what was learnt does not compare
            self._size = size
            self._forget()
        self._samples.append(elapsed_seconds)
        if len(self._samples) >= 2 * self.current:
            latency_seconds = max(sum(self._samples) / len(self._samples), 1e-6)
            self._samples = []
            self._decide(
                _Window(self.current, self.current * size / latency_seconds, latency_seconds)
            )

    def failed(self) -> None:
        """A range failed in a way that may pass: half as many at once."""
        self.current = max(1, self.current // 2)
        self._forget()
        self._windows_to_rest = 1

    def _forget(self) -> None:
        self._samples = []
        self._kept = None
        self._best_latency_seconds = None

    def _decide(self, window: _Window) -> None:
        best = self._best_latency_seconds
        self._best_latency_seconds = min(best or window.latency_seconds, window.latency_seconds)
        if best is not None and window.latency_seconds > _LATENCY_BLOW_UP * best:
            self.current = max(1, self.current // 2)
            self._rest_at(None)
        elif self._windows_to_rest > 0:
            self._windows_to_rest -= 1
            self._kept = window
        elif self._kept is None or self._was_worth_it(self._kept, window):
            self._kept = window
            self.current = min(self.maximum, self.current + 1)
        elif window.limit > self._kept.limit:
            self.current = self._kept.limit
            self._rest_at(self._kept)
        else:
            self._rest_at(window)

    def _was_worth_it(self, kept: _Window, window: _Window) -> bool:
        if window.limit == kept.limit:
            return True  # rested long enough: try one more
        return window.records_per_second >= _GAIN_TO_KEEP * kept.records_per_second

    def _rest_at(self, window: _Window | None) -> None:
        self._kept = window
        self._windows_to_rest = _WINDOWS_BEFORE_ANOTHER_TRY


class PageSizes:
    """How many records to ask for at a time; steps down and remembers, never up by itself.

    Attributes:
        current: records a request; store it with the connection and start from it next time.
    """

    def __init__(self, start: int = LADDER[0]) -> None:
        self.current = start
        self._faults = 0

    def worked(self, size: int) -> None:
        """A range of `size` was answered."""
        if size >= self.current:
            self._faults = 0

    def timed_out(self, size: int) -> None:
        """A range of `size` took too long: ask for less from now on."""
        if size >= self.current:
            self._step_down(size)

    def failed(self, size: int) -> None:
        """A range of `size` failed. Twice in a row is taken for its size, not for its records."""
        if size >= self.current:
            self._faults += 1
            if self._faults > 1:
                self._step_down(size)

    def _step_down(self, size: int) -> None:
        self._faults = 0
        self.current = max(min(self.current, _SMALLEST_REMEMBERED), rung_below(size))


def rung_below(size: int) -> int:
    """The next smaller number of records to try, 1 at the end."""
    if size > 2 * LADDER[0]:
        return size // 2
    return next((rung for rung in LADDER if rung < size), 1)
