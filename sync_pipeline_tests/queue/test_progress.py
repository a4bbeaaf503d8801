"""Rates and remaining time, on numbers; and what the database says of a queue."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import leases
from sync_pipeline.queue.progress import (
    completion_percent,
    eta_seconds,
    failed_lines,
    items_per_min,
    milestones,
    standing,
)
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    make_queue,
    queue_settings,
)

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


def numbers(**changes: Any) -> dict[str, Any]:
    return {
        "stage": "apply",
        "apply_began_at": NOW - timedelta(seconds=30),
        "finished_at": None,
        "processed_count": 500,
        "recent_count": 500,
        "total_count": 2000,
    } | changes


class TestRate:
    def test_given_half_a_minute_of_work_when_asked_then_it_is_not_spread_over_a_whole_one(self):
        assert items_per_min(numbers(), NOW) == 1000.0

    def test_given_hours_of_work_when_asked_then_the_last_minute_counts(self):
        row = numbers(apply_began_at=NOW - timedelta(hours=3), processed_count=9, recent_count=120)

        assert items_per_min(row, NOW) == 120.0

    def test_given_a_finished_queue_when_asked_later_then_its_whole_time_counts(self):
        row = numbers(
            stage="finished",
            apply_began_at=NOW - timedelta(hours=5),
            finished_at=NOW - timedelta(hours=5) + timedelta(seconds=60),
            processed_count=2000,
            recent_count=0,
        )

        assert items_per_min(row, NOW) == 2000.0

    def test_given_lines_that_are_not_made_yet_when_asked_then_it_is_nothing(self):
        assert items_per_min(numbers(apply_began_at=None), NOW) == 0.0


class TestRemaining:
    def test_given_a_rate_when_asked_then_the_rest_takes_its_time(self):
        assert eta_seconds(numbers(), 1000.0) == 90.0

    def test_given_no_rate_when_asked_then_nobody_knows(self):
        assert eta_seconds(numbers(), 0.0) is None

    def test_given_a_finished_queue_when_asked_then_nothing_remains(self):
        assert eta_seconds(numbers(stage="finished"), 0.0) == 0.0

    def test_given_failed_lines_when_asked_then_they_came_to_an_end_too(self):
        assert completion_percent(numbers(processed_count=1500)) == 75.0

    def test_given_no_lines_yet_when_asked_then_nothing_is_complete(self):
        assert completion_percent(numbers(total_count=0, processed_count=0)) == 0.0


class TestStanding:
    def test_given_a_queue_that_reads_when_asked_then_it_has_no_lines_and_no_rate(
        self, database: Database
    ):
        queue = make_queue(database, make_connection(database))

        now = standing(database, queue)

        assert (now.stage, now.is_over, now.progress.state) == ("extract", False, "processing")
        assert (now.progress.eta_seconds, now.progress.completion_percent) == (None, 0.0)

    def test_given_a_batch_in_work_when_asked_then_it_is_being_processed(self, database: Database):
        queue = fill_queue(database, make_connection(database), [customer(1), customer(2)])
        with database.organization(queue.org_id) as conn:
            leases.claim(conn, queue.queue_no, worker="w", lease_seconds=60)

        now = standing(database, queue)

        assert (now.progress.processing_count, now.progress.is_processing) == (2, True)

    def test_given_a_drained_queue_when_asked_then_it_is_over_with_a_rate(self, database: Database):
        queue = fill_queue(database, make_connection(database), [customer(1), customer(2)])
        upsert(database, queue, CUSTOMERS, queue_settings())

        now = standing(database, queue)

        assert (now.is_over, now.progress.eta_seconds) == (True, 0.0)
        assert now.progress.items_per_min > 0

    def test_given_failures_when_asked_then_they_come_with_their_reasons(self, database: Database):
        queue, _ = apply_records(
            database, make_connection(database), [customer(1, email="none"), customer(2)]
        )

        failed = failed_lines(database, queue, most=10)

        assert [line.external_id for line in failed] == ["1"]
        assert failed[0].error_code.startswith("validation.")

    def test_given_a_queue_when_asked_what_happened_then_it_is_in_order(self, database: Database):
        queue, _ = apply_records(database, make_connection(database), [customer(1)])

        happened = [one.activity_type for one in milestones(database, queue)]

        assert happened == ["queue_opened", "enqueue_completed", "queue_finished"]
