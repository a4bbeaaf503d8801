"""How a followed queue looks on a terminal."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console

from sync_pipeline.cli.live_view import live, one_line
from sync_pipeline.queue.progress import Batches, Progress, Standing

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


def progress(**changes: Any) -> Progress:
    values: dict[str, Any] = {
        "queue_id": "64d10946-90f4-4240-9ab2-cdd390d1e942",
        "connection": "shop",
        "entity": "customers",
        "state": "processing",
        "total_count": 10_000,
        "draft_count": 5_500,
        "processing_count": 0,
        "done_count": 4_497,
        "failed_count": 3,
        "cancelled_count": 0,
        "created_count": 4_497,
        "updated_count": 0,
        "unchanged_count": 0,
        "progress": 44.97,
        "processed_count": 4_500,
        "items_per_min": 12_000.0,
        "eta_seconds": 27.5,
        "completion_percent": 45.0,
        "is_processing": True,
        "is_action_required": False,
        "action_required_reason": None,
        "process_count": 1,
    }
    return Progress(**values | changes)


def standing(numbers: Progress | None = None, **changes: Any) -> Standing:
    values: dict[str, Any] = {
        "progress": numbers or progress(),
        "batches": Batches(20, 9, 9, 500, 0.05, 600_000.0),
        "org_id": "acme",
        "stage": "apply",
        "unit": "lines",
        "line_count": 10_000,
        "is_over": False,
        "is_paused": False,
        "is_moving": True,
        "failure_count": 0,
        "retry_at": None,
        "last_error_code": None,
        "last_error": None,
        "scanned_count": 10_000,
        "source_total": 10_000,
        "is_complete": True,
        "reconciliation": None,
        "filters": {},
        "lifetime_value_rule": "all_orders",
        "dagster_run_id": None,
        "created_by": None,
        "created_at": NOW,
        "finished_at": None,
    }
    return Standing(**values | changes)


def shown(now: Standing) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(live(now, NOW))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


class TestMoving:
    def test_given_a_queue_in_work_when_shown_then_every_figure_is_there(self):
        text = shown(standing())

        assert "applying the lines" in text
        assert "4,500 of 10,000 lines, 45 %" in text
        assert "12,000 a minute, 27.5 s left" in text
        assert "9 of 20 done; the last: 500 lines in 0.05 s (600,000 a minute)" in text
        assert "stands still" not in text

    def test_given_a_bar_when_shown_then_it_has_a_line_of_its_own(self):
        lines = shown(standing()).splitlines()

        assert [line.strip() for line in lines if "━" in line] == [lines[1].strip()]
        assert lines[2].startswith("applying the lines")

    def test_given_a_queue_that_has_just_begun_when_shown_then_its_pace_is_not_known(self):
        text = shown(standing(progress(items_per_min=0.0, eta_seconds=None)))

        assert "not known yet" in text

    def test_given_a_store_that_names_no_total_when_shown_then_it_is_a_question(self):
        numbers = progress(total_count=None, completion_percent=0.0, eta_seconds=None)

        text = shown(standing(numbers, stage="extract", unit="records", batches=NO_BATCHES))

        assert "reading the store" in text
        assert "4,500 of ? records" in text
        assert "batches" not in text

    def test_given_one_line_when_it_moves_then_it_holds_pace_and_rest(self):
        assert one_line(standing(), NOW) == (
            "shop customers processing: 4,500 of 10,000 lines (45 %), 3 failed, "
            "12,000 a minute, 27.5 s left"
        )


class TestStandingStill:
    still = standing(progress(items_per_min=0.0, eta_seconds=None), is_moving=False)

    def test_given_a_paused_queue_when_shown_then_it_says_so_beside_its_state(self):
        text = shown(replace(self.still, is_paused=True))

        assert "processing (paused)" in text
        assert "paused: resume it" in text

    def test_given_a_retry_to_come_when_shown_then_its_time_and_reason_count_down(self):
        now = replace(
            self.still,
            retry_at=NOW + timedelta(seconds=83),
            last_error_code="woocommerce.unavailable",
            last_error="the store answers 503",
        )

        assert "tried again at 12:01:23 UTC, in 1 min 23 s" in shown(now)
        assert "woocommerce.unavailable: the store answers 503" in " ".join(shown(now).split())

    def test_given_a_person_is_needed_when_shown_then_the_reason_is_as_it_is(self):
        numbers = progress(is_action_required=True, action_required_reason="the key [/] is wrong")

        assert "needs a person: the key [/] is wrong" in shown(
            replace(self.still, progress=numbers)
        )

    def test_given_a_dead_process_when_shown_then_it_says_that_nobody_works(self):
        assert "its process is gone" in shown(self.still)

    def test_given_a_cancelled_queue_when_shown_then_nothing_is_waited_for(self):
        numbers = progress(state="cancelled", items_per_min=0.0, eta_seconds=0.0)

        text = shown(standing(numbers, stage="finished", is_over=True, is_moving=False))

        assert "cancelled" in text
        assert "stands still" not in text


class TestAlarm:
    def test_given_failures_only_when_shown_then_it_stands_out(self):
        numbers = progress(done_count=0, failed_count=4_500)

        assert "Every line so far failed: check the store and the mapping." in shown(
            standing(numbers)
        )


NO_BATCHES = Batches(0, 0, None, None, None, None)
