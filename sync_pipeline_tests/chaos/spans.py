"""What happened at the same time: spans from the requests of a store, and how many overlap.

Belongs here: counting, pure. Does not: limits, assertions.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sync_pipeline.demo.request_log import LoggedRequest

_PAUSE_SECONDS = 2.0


def busy(requests: Sequence[LoggedRequest]) -> list[tuple[float, float]]:
    """When a store was asked, from first to last; a pause of more than 2 s parts two spans."""
    spans: list[tuple[float, float]] = []
    for request in sorted(requests, key=lambda r: r.started_seconds):
        began, ended = request.started_seconds, request.started_seconds + request.elapsed_seconds
        if spans and began - spans[-1][1] < _PAUSE_SECONDS:
            spans[-1] = (spans[-1][0], max(ended, spans[-1][1]))
        else:
            spans.append((began, ended))
    return spans


def most_at_once(spans: Iterable[tuple[Any, Any, str]]) -> dict[str, int]:
    """The most spans that overlap at any instant, of each organization and of all."""
    steps = sorted(
        (at, change, org_id)
        for began, ended, org_id in spans
        for at, change in ((began, 1), (ended, -1))
    )
    now: dict[str, int] = defaultdict(int)
    most: dict[str, int] = defaultdict(int)
    for _, change, org_id in steps:
        for name in (org_id, "all"):
            now[name] += change
            most[name] = max(most[name], now[name])
    return dict(most)
