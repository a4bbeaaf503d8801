"""What workers log of leases, from their own threads."""

import json

import pytest

from sync_pipeline import logs
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue import completion
from sync_pipeline.queue.completion import LeaseLostError
from sync_pipeline.queue.leases import claim
from sync_pipeline.settings import LogSettings
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import customer, fill_queue, make_connection, queue_settings
from sync_pipeline_tests.test_logs import written

__all__ = ["written"]


@pytest.fixture
def queue(database):
    return fill_queue(database, make_connection(database), [customer(1), customer(2)])


@pytest.fixture
def log_lines(written):
    logs.configure(LogSettings(format="json"))
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


class TestLeases:
    def test_given_a_worker_that_died_when_its_batch_is_taken_over_then_the_log_names_the_queue(
        self, database, queue, log_lines
    ):
        with database.organization(queue.org_id) as conn:
            claim(conn, queue.queue_no, worker="dead", lease_seconds=0)

        with logs.bound(queue=str(queue.id)):
            upsert(database, queue, CUSTOMERS, queue_settings(workers=1))

        (taken,) = [one for one in log_lines() if one["event"] == "batch taken over"]
        assert (taken["queue"], taken["batch"], taken["claims"]) == (str(queue.id), 1, 2)

    def test_given_a_worker_that_came_too_late_when_refused_then_the_log_says_so(
        self, database, queue, log_lines, monkeypatch
    ):
        complete = completion.complete

        def late(conn, lease, *arguments, **named):
            monkeypatch.setattr(completion, "complete", complete)
            raise LeaseLostError("another worker has it")

        monkeypatch.setattr(completion, "complete", late)

        upsert(database, queue, CUSTOMERS, queue_settings(workers=1, lease_seconds=0.1))

        assert [one["batch"] for one in log_lines() if one["event"] == "lease lost"] == [1]

    def test_given_nothing_unusual_when_drained_then_a_quiet_log_stays_empty(
        self, database, queue, log_lines
    ):
        upsert(database, queue, CUSTOMERS, queue_settings())

        assert log_lines() == []
