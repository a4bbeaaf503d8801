"""What an action on an orchestration came to, and the sentence that says so.

Belongs here: the result and its words, pure. Does not: acting (acting.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

OrchestrationActionName = Literal["pause", "resume", "cancel", "retry"]

PAST: Final[Mapping[OrchestrationActionName, str]] = {
    "pause": "paused",
    "resume": "resumed",
    "cancel": "cancelled",
    "retry": "retried",
}


@dataclass(frozen=True)
class OrchestrationResult:
    """What an action came to.

    Attributes:
        changed: False: it had been done before, or there was nothing to do.
        state: of the orchestration, after it.
        message: one sentence for people.
        changed_queues: how many the action changed.
        left_queues: how many needed nothing, or are over.
        kept: of each queue that a cancel left to who else asked for it, who that is.
        problems: of each queue that could not be acted on, why.
        progress: percent, after it.
    """

    orchestration_id: str
    action: OrchestrationActionName
    changed: bool
    state: str
    is_paused: bool
    message: str
    changed_queues: int
    left_queues: int
    kept: tuple[str, ...]
    problems: tuple[str, ...]
    progress: float


def message_of(
    action: OrchestrationActionName,
    changed: int,
    left: int,
    kept: Sequence[str],
    problems: Sequence[str],
) -> str:
    """What was done, in a sentence; empty when nothing was. Pure."""
    if not (changed or kept or problems):
        return ""
    words = f"{PAST[action].capitalize()}: {changed} queues"
    if left:
        words += f"; {left} needed nothing or are over"
    if kept:
        words += (
            f"; {len(kept)} go on, for somebody else asked for them too: {', '.join(kept)}"
            " (to stop one all the same: sync-pipeline cancel QUEUE)"
        )
    if problems:
        words += f"; {len(problems)} could not be {PAST[action]}, try again: {'; '.join(problems)}"
    return f"{words.rstrip('.')}."
