"""Dagster's own history goes when its time has passed, except what assets show as their latest."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.purge import purge_runs, shown
from sync_pipeline.orchestration.resource import provided
from sync_pipeline.queue.expiry import Held, Purged

NOW = datetime.now(UTC)
LATER = NOW + timedelta(days=31)
CHECK = dg.AssetCheckKey(dg.AssetKey("parts"), "is_fine")


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition(["one", "two"]),
    check_specs=[dg.AssetCheckSpec("is_fine", asset="parts")],
)
def parts():  # type: ignore[no-untyped-def]
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def whole() -> None:
    pass


@dg.op
def nothing_much() -> None:
    pass


@dg.job
def unrelated() -> None:
    nothing_much()


@pytest.fixture
def own_instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def materialized(instance: dg.DagsterInstance, asset: dg.AssetsDefinition, **how: str) -> str:
    return dg.materialize([asset], instance=instance, **how).run_id  # type: ignore[arg-type]


def purged(instance: dg.DagsterInstance, **how: object) -> tuple[int, int, int]:
    result = purge_runs(
        instance,
        **{"older_than_days": 30, "now_utc": LATER, "check_keys": [CHECK]} | how,  # type: ignore[arg-type]
    )
    return result.deleted, result.kept, result.left


def run_ids(instance: dg.DagsterInstance) -> set[str]:
    return {run.run_id for run in instance.get_runs()}


class TestPurgeRuns:
    def test_given_old_runs_then_all_go_but_those_with_the_latest_of_an_asset_or_partition(
        self, own_instance: dg.DagsterInstance
    ):
        first = materialized(own_instance, parts, partition_key="one")
        two = materialized(own_instance, parts, partition_key="two")
        one = materialized(own_instance, parts, partition_key="one")
        materialized(own_instance, whole)
        last = materialized(own_instance, whole)
        unrelated.execute_in_process(instance=own_instance)

        assert purged(own_instance) == (3, 3, 0)

        assert run_ids(own_instance) == {one, two, last}
        assert own_instance.all_logs(first) == []
        key = dg.AssetKey("parts")
        assert own_instance.get_materialized_partitions(key) == {"one", "two"}
        assert own_instance.get_latest_materialization_event(key) is not None
        check = own_instance.get_latest_asset_check_evaluation_record(CHECK)
        assert check is not None
        assert own_instance.all_logs(check.run_id) != []
        assert purged(own_instance) == (0, 3, 0)

    def test_given_young_and_unfinished_runs_then_they_stay(self, own_instance: dg.DagsterInstance):
        unrelated.execute_in_process(instance=own_instance)
        own_instance.create_run_for_job(unrelated, status=dg.DagsterRunStatus.STARTED)

        assert purged(own_instance, now_utc=NOW + timedelta(days=29)) == (0, 0, 0)
        assert purged(own_instance) == (1, 0, 0)
        assert len(run_ids(own_instance)) == 1

    def test_given_more_than_one_call_deletes_then_the_rest_is_left_for_the_next(
        self, own_instance: dg.DagsterInstance
    ):
        for _ in range(3):
            unrelated.execute_in_process(instance=own_instance)

        assert purged(own_instance, is_dry_run=True, most_runs=2) == (2, 0, 1)
        assert purged(own_instance, most_runs=2) == (2, 0, 1)
        assert purged(own_instance, most_runs=2) == (1, 0, 0)

    def test_given_a_stop_between_events_and_run_then_the_next_call_finishes(
        self, own_instance: dg.DagsterInstance
    ):
        run_id = unrelated.execute_in_process(instance=own_instance).run_id
        own_instance.event_log_storage.delete_events(run_id)

        assert purged(own_instance) == (1, 0, 0)

        assert run_ids(own_instance) == set()


@pytest.mark.parametrize("name", ["purge", "maintain"])
def test_given_the_jobs_then_they_run_and_say_what_they_did(database, instance, name):
    job = build_definitions().resolve_job_def(name)

    with provided(database):
        result = job.execute_in_process(instance=instance)

    assert result.success
    step = "purge_history" if name == "purge" else "begin_range"
    (output,) = [
        event
        for event in result.all_events
        if event.is_successful_output and event.step_key == step
    ]
    said = output.step_output_data.metadata
    assert ("queues" if name == "purge" else "range") in said


def test_given_what_holds_a_range_then_the_ui_names_it():
    purge = Purged(queues=2, lines=5, n_bytes=2_000_000, held=(Held(3, None, "in use"),))

    said = shown(purge)

    assert (said["queues"], said["lines"], said["megabytes"]) == (2, 5, 2.0)
    assert "range 3" in said["held"].value
    assert "in use" in said["held"].value
