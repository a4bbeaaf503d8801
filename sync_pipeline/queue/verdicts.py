"""Whether queues are well: the verdicts on how every connection and entity stands.

Belongs here: pure decisions, and their thresholds; the alarm rules of deploy/prometheus-rules.yml
have the same. Does not: reading (situations.py), the database as a whole (health.py).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Final

from sync_pipeline.queue.health import Check, Status
from sync_pipeline.queue.situations import Situation

# Recovery promises a minute; after five nobody is coming.
LATE_SECONDS: Final = 60.0
STUCK_SECONDS: Final = 300.0
LONG_PAUSE_SECONDS: Final = 86_400.0
_MOST_NAMED: Final = 5
_START_WORK: Final = (
    "Is the Dagster daemon running, with its sensors on? By hand: sync-pipeline sync NAME."
)


def queue_checks(found: Sequence[Situation]) -> list[Check]:
    """Every check on queues. Pure."""
    return [
        stuck_check(found),
        retries_check(found),
        failures_check(found),
        action_check(found),
        paused_check(found),
        circuits_check(found),
    ]


def stuck_check(found: Iterable[Situation]) -> Check:
    """Queues that could be worked on, and are not."""
    late = _longest(found, lambda one: one.stuck_seconds)
    if not late:
        return Check("stuck queues", Status.OK, "none")
    longest = late[0].stuck_seconds
    seen = f"nobody works on {_named(late)}, for {_span(longest)}"
    status = Status.FAIL if longest > STUCK_SECONDS else Status.WARN
    return Check("stuck queues", status, seen, _START_WORK)


def retries_check(found: Iterable[Situation]) -> Check:
    """Next tries whose time has come, and that nobody makes."""
    late = _longest(found, lambda one: one.retry_overdue_seconds)
    if not late:
        return Check("due retries", Status.OK, "none overdue")
    longest = late[0].retry_overdue_seconds
    seen = f"the oldest is {_span(longest)} overdue: {_named(late)}"
    status = Status.FAIL if longest > STUCK_SECONDS else Status.WARN
    return Check("due retries", status, seen, _START_WORK)


def failures_check(found: Iterable[Situation]) -> Check:
    """The alarm "100 % failures: check the store"."""
    failing = [one for one in found if one.is_failing_whole]
    if not failing:
        return Check("failures", Status.OK, "no connection fails as a whole")
    words = [
        f"every line of the last sync of {one.name} failed"
        if one.ended_state == "failed"
        else f"{one.failure_count} runs of {one.name} in a row ended with {one.last_error_code}"
        for one in failing
    ]
    names = list(dict.fromkeys(one.connection for one in failing))
    remedy = "Check the store: " + ", ".join(
        f"sync-pipeline doctor {name}" for name in names[:_MOST_NAMED]
    )
    return Check("failures", Status.FAIL, f"100 % failures: {_some(words, '; ')}", remedy)


def action_check(found: Iterable[Situation]) -> Check:
    """Connections of which a queue waits for a person; it fails where one stands still for it."""
    waiting = [one for one in found if one.is_action_required]
    if not waiting:
        return Check("action required", Status.OK, "nothing waits for a person")
    words = [f"{one.name}: {one.action_required_reason or 'no reason given'}" for one in waiting]
    # An open one stands still until then, and no other is started beside it.
    stopped = [one for one in waiting if one.is_stopped]
    first = (stopped or waiting)[0]
    remedy = f"See: sync-pipeline status {first.newest_queue_id}"
    status = Status.FAIL if stopped else Status.WARN
    return Check("action required", status, _some(words, "; "), remedy)


def paused_check(found: Iterable[Situation]) -> Check:
    """What operators paused; forgotten pauses are named, and are no fault."""
    paused = [one for one in found if one.is_paused]
    forgotten = [one for one in paused if one.paused_seconds > LONG_PAUSE_SECONDS]
    if not paused:
        return Check("paused", Status.OK, "none")
    if not forgotten:
        return Check("paused", Status.OK, _named(paused))
    seen = f"for more than a day: {_named(forgotten)}"
    remedy = f"If nobody needs it any more: sync-pipeline resume {forgotten[0].open_queue_id}"
    return Check("paused", Status.OK, seen, remedy)


def circuits_check(found: Iterable[Situation]) -> Check:
    """Stores that are not asked, because they failed too often in a row."""
    stores = {one.connection: one for one in found}.values()
    open_now = [one for one in stores if one.is_circuit_open]
    trying = [one for one in stores if one.circuit_state != "closed" and not one.is_circuit_open]
    if not open_now and not trying:
        return Check("circuits", Status.OK, "all closed")
    words = [f"{one.connection} until {_clock(one)}{_because(one)}" for one in open_now]
    words += [f"{one.connection} is about to be tried{_because(one)}" for one in trying]
    remedy = f"It closes by itself. See: sync-pipeline doctor {(open_now or trying)[0].connection}"
    status = Status.FAIL if open_now else Status.WARN
    return Check("circuits", status, f"open: {_some(words, '; ')}", remedy)


def _longest(found: Iterable[Situation], seconds: Callable[[Situation], float]) -> list[Situation]:
    late = [one for one in found if seconds(one) > LATE_SECONDS]
    return sorted(late, key=seconds, reverse=True)


def _named(found: Sequence[Situation]) -> str:
    return _some([one.name for one in found], ", ")


def _some(words: Sequence[str], between: str) -> str:
    rest = len(words) - _MOST_NAMED
    return between.join(words[:_MOST_NAMED]) + (f"{between}{rest} more" if rest > 0 else "")


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _clock(one: Situation) -> str:
    until = one.circuit_open_until
    return f"{until:%H:%M:%S} UTC" if until else "further notice"


def _because(one: Situation) -> str:
    return f": {one.circuit_error.rstrip('.')}" if one.circuit_error else ""
