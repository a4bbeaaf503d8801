"""Which action means what to a queue in which position."""

import pytest

from sync_pipeline.queue.decisions import Situation, decide, situation_of

# do, nothing, refuse. In the order of the columns: pause, resume, cancel, force-done, retry.
ACTIONS = ("pause", "resume", "cancel", "force-done", "retry")
TABLE = {
    ("open", "processing"): ("do", "nothing", "do", "do", "nothing"),
    ("paused", "processing"): ("nothing", "do", "do", "do", "nothing"),
    ("finished", "done"): ("refuse", "refuse", "refuse", "nothing", "nothing"),
    ("finished", "partial"): ("refuse", "refuse", "refuse", "do", "nothing"),
    ("forced", "done"): ("refuse", "refuse", "refuse", "nothing", "nothing"),
    ("cancelled", "cancelled"): ("refuse", "refuse", "nothing", "refuse", "refuse"),
}


@pytest.mark.parametrize(
    ("position", "state", "action", "verdict"),
    [
        (*place, action, verdict)
        for place, verdicts in TABLE.items()
        for action, verdict in zip(ACTIONS, verdicts, strict=True)
    ],
)
def test_given_a_position_when_an_action_comes_then_it_is_decided_by_the_table(
    position, state, action, verdict
):
    decision = decide(action, Situation(position, state))

    assert decision.verdict == verdict
    assert bool(decision.words) == (verdict != "do")


@pytest.mark.parametrize("position", ["open", "paused", "finished"])
def test_given_failed_lines_when_retried_then_it_is_done(position):
    assert decide("retry", Situation(position, "partial", failed_lines=1)).verdict == "do"


@pytest.mark.parametrize("position", ["open", "paused"])
def test_given_an_unfinished_queue_that_waits_for_a_person_when_retried_then_it_is_done(position):
    assert decide("retry", Situation(position, "processing", waits=True)).verdict == "do"


def test_given_a_finished_queue_that_was_not_proven_when_retried_then_no_line_can_be():
    found = Situation("finished", "partial", waits=True)

    assert decide("retry", found).words == "no line failed"


def test_given_a_queue_that_waits_for_its_next_try_when_resumed_then_it_need_not_wait():
    found = Situation("open", "processing", waits=True, has_retry_time=True)

    assert decide("resume", found).verdict == "do"


@pytest.mark.parametrize(
    ("changes", "position"),
    [
        ({}, "open"),
        ({"is_paused": True}, "paused"),
        ({"stage": "finished", "state": "partial"}, "finished"),
        ({"stage": "finished", "state": "done", "forced_done_at": "2026-01-01"}, "forced"),
        ({"stage": "finished", "state": "cancelled"}, "cancelled"),
    ],
)
def test_given_a_row_of_the_status_view_then_its_position_is_told(changes, position):
    status = {
        "stage": "apply",
        "state": "processing",
        "is_paused": False,
        "forced_done_at": None,
        "failed_count": 2,
        "is_action_required": False,
        "retry_at": None,
    }

    found = situation_of(status | changes)

    assert (found.position, found.failed_lines, found.waits) == (position, 2, False)
