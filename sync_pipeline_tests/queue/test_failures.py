from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_pipeline.errors import (
    DatabaseUnavailableError,
    DatabaseUnusableError,
    PermanentError,
    TransientError,
)
from sync_pipeline.queue.failures import (
    LOST_CODE,
    UNEXPECTED_CODE,
    Failure,
    aftermath,
    failure_from,
    forgive,
    record_failure,
    record_loss,
    record_success,
)
from sync_pipeline.queue.heartbeat import announce
from sync_pipeline.queue.queues import begin
from sync_pipeline.settings import QueueSettings
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    make_queue,
    row,
    rows,
    status,
)

SETTINGS = QueueSettings()
DOWN = Failure("store.down", "The store is down.", is_permanent=False)
WRONG_KEY = Failure("store.auth", "The key is refused. Make another.", is_permanent=True)
LOST = Failure(LOST_CODE, "Run r1 failed: gone", is_permanent=False)
UNFORESEEN = Failure(UNEXPECTED_CODE, "Unexpected error: KeyError: 'id'", is_permanent=False)


@pytest.fixture
def queue(database):
    return make_queue(database, make_connection(database))


def noted(database):
    return rows(
        database,
        "SELECT status, message, details FROM sync_activity WHERE activity_type = 'run_failed'"
        " ORDER BY created_at",
    )


def waits(database, queue):
    return row(
        database,
        "SELECT extract(epoch FROM retry_at - clock_timestamp())::float8 AS seconds"
        " FROM sync_queue WHERE queue_no = %s",
        queue.queue_no,
    )["seconds"]


class TestAftermath:
    def test_given_passing_faults_in_a_row_then_waits_double_up_to_ten_minutes(self):
        found = [aftermath(DOWN, before, SETTINGS, 0.0).retry_in_seconds for before in range(8)]

        assert found == [10, 20, 40, 80, 160, 320, 600, 600]

    @given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
    def test_any_number_of_passing_faults_is_followed_by_another_try(self, before, chance):
        after = aftermath(DOWN, before, SETTINGS, chance)

        assert after.reason is None
        assert after.retry_in_seconds is not None
        assert 7.5 <= after.retry_in_seconds <= 600

    def test_given_what_only_a_person_can_mend_then_there_is_a_reason_and_no_next_try(self):
        after = aftermath(WRONG_KEY, 0, SETTINGS, 0.5)

        assert after.retry_in_seconds is None
        assert after.reason == "The key is refused. Make another. (store.auth)"

    def test_given_killed_workers_in_a_row_then_waits_stay_short(self):
        found = [aftermath(LOST, before, SETTINGS, 0.0).retry_in_seconds for before in range(6)]

        assert found == [2, 4, 8, 16, 20, 20]

    def test_given_the_same_unforeseen_error_ten_times_then_a_person_looks(self):
        assert aftermath(UNFORESEEN, 8, SETTINGS, 0.0).reason is None
        assert aftermath(UNFORESEEN, 9, SETTINGS, 0.0).reason == (
            "failed 10 times in a row, and nobody foresaw why. "
            "Unexpected error: KeyError: 'id' (sync.unexpected)"
        )


class TestFailureFrom:
    @pytest.mark.parametrize(
        ("error", "code", "is_permanent"),
        [
            (TransientError("a"), "sync.transient", False),
            (PermanentError("a"), "sync.permanent", True),
            (DatabaseUnavailableError("a"), "database.unavailable", False),
            (DatabaseUnusableError("a"), "database.unusable", True),
            (KeyError("a"), UNEXPECTED_CODE, False),
        ],
    )
    def test_an_error_is_of_one_branch(self, error, code, is_permanent):
        failure = failure_from(error)

        assert (failure.code, failure.is_permanent) == (code, is_permanent)

    @pytest.mark.parametrize("kind", [TransientError, ValueError])
    def test_given_an_error_that_names_a_secret_then_it_is_not_written_down(self, kind):
        failure = failure_from(kind("GET https://ann:hidden@shop.example/?consumer_secret=cs_abc"))

        assert "hidden" not in failure.message
        assert "cs_abc" not in failure.message
        assert "shop.example" in failure.message

    def test_given_an_unforeseen_error_of_many_lines_then_the_first_is_said(self):
        assert failure_from(ValueError("one\ntwo")).message == "Unexpected error: ValueError: one"


class TestRecordFailure:
    def test_given_passing_faults_then_the_queue_waits_longer_each_time_and_says_why(
        self, database, queue
    ):
        record_failure(database, queue, DOWN, SETTINGS, run_id="r1")
        first = waits(database, queue)
        record_failure(database, queue, DOWN, SETTINGS, run_id="r2")

        found = status(database, queue)
        assert 7 < first <= 10
        assert 14 < waits(database, queue) <= 20
        assert (found["failure_count"], found["last_error_code"]) == (2, "store.down")
        assert found["last_error"] == "The store is down."
        assert found["is_action_required"] is False
        said = noted(database)
        assert [one["details"]["run_id"] for one in said] == ["r1", "r2"]
        assert said[0]["status"] == "warning"
        assert said[0]["message"].startswith("The store is down. Tried again in ")

    def test_given_what_only_a_person_can_mend_then_the_queue_says_what(self, database, queue):
        record_failure(database, queue, WRONG_KEY, SETTINGS, run_id="r1")

        found = status(database, queue)
        assert found["retry_at"] is None
        assert found["is_action_required"] is True
        assert found["action_required_reason"] == "The key is refused. Make another. (store.auth)"
        assert noted(database)[0]["status"] == "error"

    def test_given_a_stop_by_an_operator_then_nothing_is_left(self, database, queue):
        stop = Failure("queue.stopped", "paused by ann", is_permanent=True)

        record_failure(database, queue, stop, SETTINGS, run_id="r1")

        assert status(database, queue)["failure_count"] == 0
        assert noted(database) == []

    def test_given_a_finished_queue_then_the_flag_of_its_lines_stays(self, database):
        queue, _ = apply_records(database, make_connection(database), [customer(1, email="bad")])
        reason = status(database, queue)["action_required_reason"]

        record_failure(database, queue, WRONG_KEY, SETTINGS, run_id="r1")
        begin(database, queue, run_id="r2")

        assert reason
        assert status(database, queue)["action_required_reason"] == reason
        assert status(database, queue)["is_action_required"] is True

    def test_given_a_stage_that_went_well_then_what_failed_before_is_over(self, database, queue):
        record_failure(database, queue, DOWN, SETTINGS, run_id="r1")

        record_success(database, queue)

        found = status(database, queue)
        assert (found["failure_count"], found["retry_at"], found["last_error"]) == (0, None, None)

    @pytest.mark.parametrize("go_on", [forgive, lambda *queue: begin(*queue, run_id="r2")])
    def test_given_a_person_who_starts_it_again_then_it_no_longer_waits_for_one(
        self, database, queue, go_on
    ):
        record_failure(database, queue, WRONG_KEY, SETTINGS, run_id="r1")

        go_on(database, queue)

        found = status(database, queue)
        assert (found["is_action_required"], found["action_required_reason"]) == (False, None)


class TestRecordLoss:
    def test_given_the_run_that_worked_last_then_its_queue_is_free_soon(self, database, queue):
        begin(database, queue, run_id="r1")
        announce(database, queue)

        record_loss(database, queue, LOST, SETTINGS, run_id="r1")

        assert 1 < waits(database, queue) <= 2
        assert status(database, queue)["is_processing"] is False
        assert status(database, queue)["failure_count"] == 1

    def test_given_another_run_that_went_on_then_only_the_activity_says_so(self, database, queue):
        begin(database, queue, run_id="r2")
        announce(database, queue)

        record_loss(database, queue, LOST, SETTINGS, run_id="r1")

        assert status(database, queue)["is_processing"] is True
        assert status(database, queue)["failure_count"] == 0
        assert noted(database)[0]["message"] == "Run r1 failed: gone"

    def test_given_a_paused_queue_then_it_waits_for_nothing_but_its_operator(self, database, queue):
        begin(database, queue, run_id="r1")
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET is_paused = true")

        record_loss(database, queue, LOST, SETTINGS, run_id="r1")

        assert status(database, queue)["retry_at"] is None


def test_retry_at_is_of_the_databases_clock(database, queue):
    record_failure(database, queue, DOWN, SETTINGS, run_id=None)

    at = row(database, "SELECT retry_at - clock_timestamp() AS wait FROM sync_queue")["wait"]
    assert timedelta(seconds=5) < at <= timedelta(seconds=10)
