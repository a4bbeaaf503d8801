"""What a sync writes to the log: its stages with figures, each record with what it is about."""

import json

import pytest

from sync_pipeline import logs
from sync_pipeline.settings import LogSettings
from sync_pipeline_tests.orchestration.conftest import materialize, newest_queue
from sync_pipeline_tests.test_logs import written

__all__ = ["written"]

KEYS = {"queue", "connection", "organization", "entity", "run"}


@pytest.fixture
def log_lines(written):
    """Documents that were written, with their level at `info`."""
    logs.configure(LogSettings(format="json", level="info"))
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


class TestASync:
    def test_given_a_sync_when_it_runs_then_each_stage_begins_and_ends_with_its_figures(
        self, instance, database, connection, log_lines
    ):
        result = materialize(instance, database)

        told = [one for one in log_lines() if one["event"] in ("stage began", "stage ended")]
        assert [(one["event"], one["stage"]) for one in told] == [
            (event, stage)
            for stage in ("pages", "queue", "applied", "reconciled")
            for event in ("stage began", "stage ended")
        ]
        applied = next(one for one in told if "seconds" in one and one["stage"] == "applied")
        assert (applied["processed"], applied["failed"]) == (30, 0)
        assert applied["completion_percent"] == 100
        assert {one["run"] for one in told} == {result.run_id}
        assert {one["queue"] for one in told} == {str(newest_queue(database).id)}

    def test_given_a_sync_when_it_runs_then_what_happened_to_the_queue_is_in_the_log_too(
        self, instance, database, connection, log_lines
    ):
        materialize(instance, database)

        events = {one["event"]: one for one in log_lines()}
        assert {"queue opened", "extract completed", "enqueue completed", "queue finished"} <= (
            events.keys()
        )
        assert events["queue finished"].keys() >= KEYS
        assert events["queue finished"]["words"].startswith("done: 30 done")

    def test_given_a_store_in_trouble_when_read_then_threads_name_the_queue_and_no_key(
        self, instance, database, connection, shop, log_lines, written
    ):
        shop.stop()

        materialize(instance, database)

        errors = [one for one in log_lines() if one["event"] == "store error"]
        assert errors
        assert all(one.keys() >= KEYS for one in errors)
        assert all(one["code"].startswith("woocommerce.") for one in errors)
        assert "ck_" not in written.getvalue().replace("ck_…", "")

    def test_given_a_failed_run_when_it_ends_then_the_reason_and_the_next_try_are_told(
        self, instance, database, connection, shop, log_lines
    ):
        shop.stop()

        materialize(instance, database)

        failed = next(one for one in log_lines() if one["event"] == "run failed")
        assert "Tried again in" in failed["words"]
        assert failed["level"] == "warning"
