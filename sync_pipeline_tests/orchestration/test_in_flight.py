from datetime import UTC, datetime, timedelta
from typing import ClassVar

import dagster as dg
import pytest
from dagster._core.storage.runs.schema import RunsTable

from sync_pipeline.orchestration.in_flight import (
    GONE,
    NEVER_BEGAN,
    SILENT,
    SeenRun,
    partitions_in_flight,
    patience_with,
    queues_in_flight,
    runs_to_close,
    unfinished_runs,
)
from sync_pipeline.queue.life import Life

QUEUED, NOT_STARTED, STARTING, STARTED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
)


def seen(**changes):
    """A run that works on queue q1."""
    values = {
        "run_id": "r1",
        "status": STARTED,
        "queue_id": "q1",
        "entity": "customers",
        "partition": "shop",
        "has_worker": True,
        "is_dead": False,
        "age_seconds": 600.0,
    }
    return SeenRun(**values | changes)


def close(run, silent_seconds=-20.0, last_run_id="r1"):
    return runs_to_close([run], {"q1": Life(last_run_id, silent_seconds)}).get(run.run_id)


class TestInFlight:
    @pytest.mark.parametrize(
        ("changes", "is_ahead"),
        [
            ({"status": QUEUED, "has_worker": False}, True),
            ({"status": NOT_STARTED, "has_worker": False, "age_seconds": 119}, True),
            ({"status": NOT_STARTED, "has_worker": False, "age_seconds": 121}, False),
            ({"status": STARTING, "has_worker": False, "age_seconds": 29}, True),
            ({"status": STARTING, "has_worker": False, "age_seconds": 31}, False),
            ({"status": STARTED, "has_worker": False, "age_seconds": 1}, True),
            # Its work shows with the queue from here on.
            ({"status": STARTED, "has_worker": True, "age_seconds": 1}, False),
        ],
    )
    def test_a_run_is_about_a_queue_until_its_work_shows(self, changes, is_ahead):
        assert queues_in_flight([seen(**changes)]) == ({"q1"} if is_ahead else set())

    def test_given_many_that_start_at_once_then_each_has_longer(self):
        assert [patience_with(starts) for starts in (0, 1, 2, 10)] == [30, 30, 45, 165]

    def test_given_a_start_that_its_server_has_no_process_for_then_it_has_less(self):
        assert [patience_with(starts, is_held=False) for starts in (0, 1, 2, 10)] == [
            15,
            15,
            20,
            60,
        ]

    def test_given_a_start_that_nobody_repeats_then_it_has_longer_while_its_process_lives(self):
        assert patience_with(1, is_alone=True) == 180
        assert patience_with(1, is_alone=True, is_held=False) == 15
        assert seen(queue_id=None).is_alone
        assert not seen(queue_id=None, orchestration_id="o1").is_alone

    def test_given_any_number_that_start_then_there_is_an_end_to_patience(self):
        assert patience_with(10_000) == 600

    def test_a_run_that_opened_no_queue_yet_is_about_its_partition(self):
        runs = [seen(queue_id=None), seen(entity="orders", partition="other")]

        assert queues_in_flight(runs) == set()
        assert partitions_in_flight(runs) == {"shop", "other"}
        assert partitions_in_flight(runs, "orders") == {"other"}


class TestRunsToClose:
    def test_given_a_process_that_is_gone_then_its_run_is_closed_whatever_its_queue_says(self):
        assert close(seen(is_dead=True)) == GONE

    def test_given_a_lease_that_holds_or_has_just_run_out_then_the_run_lives(self):
        assert close(seen(), silent_seconds=-5) is None
        assert close(seen(), silent_seconds=14) is None

    def test_given_a_lease_that_ran_out_a_while_ago_then_the_run_is_dead_or_hangs(self):
        assert close(seen(), silent_seconds=16) == SILENT

    def test_given_a_queue_that_another_run_took_up_then_its_lease_says_nothing_of_this_one(self):
        assert close(seen(), silent_seconds=600, last_run_id="r2") is None

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"status": STARTING, "age_seconds": 29}, None),
            ({"status": STARTING, "age_seconds": 31}, NEVER_BEGAN),
            ({"status": NOT_STARTED, "age_seconds": 121}, NEVER_BEGAN),
            ({"status": STARTED, "age_seconds": 61}, NEVER_BEGAN),
            ({"status": QUEUED, "age_seconds": 9999}, None),
            ({"status": STARTING, "age_seconds": 9999, "entity": None}, None),
        ],
    )
    def test_a_run_of_ours_without_a_process_is_closed_when_its_time_is_over(self, changes, reason):
        assert close(seen(has_worker=False, **changes)) == reason


def start_of(instance, status, at):
    tags = {"sync/queue_id": str(at), "sync/entity": "customers", "dagster/partition": "shop"}
    run = instance.add_run(dg.DagsterRun(job_name="sync_customers", status=status, tags=tags))
    if status == STARTED:
        instance.add_run_tags(run.run_id, {"sync/process": f"{run.run_id} elsewhere 1 2"})
    changed = RunsTable.update().where(RunsTable.c.run_id == run.run_id)
    with instance.run_storage.connect() as conn:
        conn.execute(changed.values(update_timestamp=at.replace(tzinfo=None)))
    return run.run_id


class TestUnfinishedRuns:
    @pytest.mark.parametrize("became", [STARTED, dg.DagsterRunStatus.SUCCESS])
    def test_given_many_starts_then_the_last_one_has_their_time_when_they_began_or_ended(
        self, became
    ):
        now = datetime.now(UTC)
        with dg.DagsterInstance.ephemeral() as instance:
            last = start_of(instance, STARTING, now - timedelta(seconds=150))
            for second in range(99):
                start_of(instance, became, now - timedelta(seconds=second))
            runs = {run.run_id: run for run in unfinished_runs(instance, now)}

        assert last not in runs_to_close(runs.values(), {})
        assert runs[last].is_ahead

    def test_given_a_start_that_was_given_up_then_the_next_of_its_queue_has_longer(self):
        now = datetime.now(UTC)
        with dg.DagsterInstance.ephemeral() as instance:
            second = start_of(instance, STARTING, now - timedelta(seconds=40))
            tags = {"sync/queue_id": instance.get_run_by_id(second).tags["sync/queue_id"]}
            instance.add_run(
                dg.DagsterRun(
                    job_name="sync_customers", status=dg.DagsterRunStatus.FAILURE, tags=tags
                )
            )
            (run,) = unfinished_runs(instance, now)

        assert run.patience_seconds >= 45
        assert run.is_ahead

    def test_given_starts_of_long_ago_then_they_make_nobody_wait(self):
        now = datetime.now(UTC)
        with dg.DagsterInstance.ephemeral() as instance:
            last = start_of(instance, STARTING, now - timedelta(seconds=61))
            for status in (STARTED, dg.DagsterRunStatus.SUCCESS):
                start_of(instance, status, now - timedelta(seconds=300))
            runs = unfinished_runs(instance, now)

        assert runs_to_close(runs, {})[last] == NEVER_BEGAN

    def test_given_runs_then_those_that_ended_are_left_out_and_tags_are_read(self):
        with dg.DagsterInstance.ephemeral() as instance:
            run = instance.add_run(
                dg.DagsterRun(
                    job_name="sync_customers",
                    status=STARTED,
                    tags={
                        "sync/queue_id": "q1",
                        "sync/entity": "customers",
                        "dagster/partition": "shop",
                    },
                )
            )
            instance.add_run_tags(run.run_id, {"sync/process": f"{run.run_id} elsewhere 1 2"})
            instance.add_run(dg.DagsterRun(job_name="x", status=dg.DagsterRunStatus.SUCCESS))

            (found,) = unfinished_runs(instance, datetime.now(UTC) + timedelta(seconds=30))

        assert (found.queue_id, found.entity, found.partition) == ("q1", "customers", "shop")
        assert found.has_worker
        assert not found.is_dead
        assert 25 < found.age_seconds < 60


class TestRunsOverSeveralQueues:
    TOGETHER: ClassVar = {("o1", "shop"): ["q1", "q2"], ("o1", "other"): ["q3"]}

    def run(self, **changes):
        values = {"entity": "all", "orchestration_id": "o1", "queue_id": None}
        return seen(**values | changes)

    def test_given_a_run_that_is_queued_then_it_is_about_every_queue_of_its_connection(self):
        run = self.run(status=QUEUED, has_worker=False)

        assert queues_in_flight([run], self.TOGETHER) == {"q1", "q2"}
        assert partitions_in_flight([run], "orders") == {"shop"}

    @pytest.mark.parametrize(
        ("lives", "reason"),
        [
            # One is over, and the other is in hand or to come.
            ({"q1": Life("r1", 500.0), "q2": Life("r1", -5.0)}, None),
            ({"q1": Life("r1", 500.0), "q2": Life(None, -5.0)}, None),
            ({"q1": Life("r1", 500.0), "q2": Life("r1", 16.0)}, SILENT),
            # It joined the second, whose run before has ended, and waits for its place there.
            ({"q1": Life("r1", 16.0), "q2": Life("r0", -5.0)}, None),
            # Another run works on the one that is left.
            ({"q1": Life("r1", 16.0), "q2": Life("r2", -5.0)}, SILENT),
            ({"q1": Life("r2", 500.0), "q2": Life(None, 500.0)}, None),
        ],
    )
    def test_given_a_run_that_works_then_any_of_its_queues_is_a_sign_of_its_life(
        self, lives, reason
    ):
        other = seen(run_id="r2", queue_id="q2")

        assert runs_to_close([self.run(), other], lives, self.TOGETHER).get("r1") == reason
