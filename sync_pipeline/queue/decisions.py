"""What an operator's action means to a queue as it stands: do it, nothing to do, or not allowed.

Belongs here: the table of actions and positions. Pure. Does not: the effects (actions.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

ActionName = Literal["retry", "force-done", "pause", "resume", "cancel"]
Position = Literal["open", "paused", "finished", "forced", "cancelled"]
Verdict = Literal["do", "nothing", "refuse"]


@dataclass(frozen=True)
class Situation:
    """A queue as an action finds it.

    Attributes:
        position: `open` and `paused` are unfinished; the others have come to their end.
        state: as people see it: draft, processing, done, partial, failed, cancelled.
        failed_lines: lines that a retry would try again.
        waits: it is kept from being worked: a person is asked for, or the next try has its time.
        has_retry_time: the next try has its time.
    """

    position: Position
    state: str
    failed_lines: int = 0
    waits: bool = False
    has_retry_time: bool = False


@dataclass(frozen=True)
class Decision:
    """What to do, and in words why nothing is done or why it is not allowed."""

    verdict: Verdict
    words: str = ""


_DO: Final = Decision("do")
_REFUSALS: Final[Mapping[Position, str]] = {
    "finished": "it is finished",
    "forced": "it was forced done",
    "cancelled": "it was cancelled",
}
# Where an action is simply done, or has been done before. All else is decided below, or refused.
_TABLE: Final[Mapping[tuple[ActionName, Position], Decision]] = {
    ("pause", "open"): _DO,
    ("pause", "paused"): Decision("nothing", "it is paused already"),
    ("resume", "paused"): _DO,
    ("cancel", "open"): _DO,
    ("cancel", "paused"): _DO,
    ("cancel", "cancelled"): Decision("nothing", "it is cancelled already"),
    ("force-done", "open"): _DO,
    ("force-done", "paused"): _DO,
    ("force-done", "forced"): Decision("nothing", "it was forced done already"),
    ("retry", "forced"): Decision("nothing", "it was forced done: no line is failed"),
}


def decide(action: ActionName, found: Situation) -> Decision:
    """What the action comes to. The same action a second time is never refused."""
    if (decision := _TABLE.get((action, found.position))) is not None:
        return decision
    if action == "resume" and found.position == "open":
        return _DO if found.has_retry_time else Decision("nothing", "it is not paused")
    if action == "force-done" and found.position == "finished":
        return Decision("nothing", "it is done already") if found.state == "done" else _DO
    if action == "retry" and found.position != "cancelled":
        return _retry(found)
    return Decision("refuse", _REFUSALS[found.position])


def situation_of(status: Mapping[str, Any]) -> Situation:
    """The situation that a row of sync_queue_status is. Pure."""
    return Situation(
        position=_position(status),
        state=status["state"],
        failed_lines=status["failed_count"],
        waits=bool(status["is_action_required"] or status["retry_at"]),
        has_retry_time=status["retry_at"] is not None,
    )


def _retry(found: Situation) -> Decision:
    is_open = found.position in ("open", "paused")
    if found.failed_lines or (is_open and found.waits):
        return _DO
    if is_open:
        return Decision("nothing", "no line failed, and nothing keeps it from being worked")
    return Decision("nothing", "no line failed")


def _position(status: Mapping[str, Any]) -> Position:
    if status["state"] == "cancelled":
        return "cancelled"
    if status["stage"] == "finished":
        return "forced" if status["forced_done_at"] else "finished"
    return "paused" if status["is_paused"] else "open"
