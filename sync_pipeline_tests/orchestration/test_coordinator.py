"""Which queued runs start next, asked of Dagster's own daemon with the limits that we write."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import yaml
from dagster._core.instance.types import InstanceType
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator import SubmitRunContext
from dagster._core.storage.event_log import InMemoryEventLogStorage
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.root import TemporaryLocalArtifactStorage
from dagster._core.storage.runs import InMemoryRunStorage
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import (
    QueuedRunCoordinatorDaemon,
)
from hypothesis import given
from hypothesis import strategies as st

from sync_pipeline.orchestration import coordinator
from sync_pipeline.orchestration.coordinator import PRIORITY_TAG, FairRunCoordinator, turn_tags
from sync_pipeline.orchestration.instance import servers_yaml
from sync_pipeline.orchestration.tags import ORGANIZATION_TAG, PARTITION_TAG
from sync_pipeline.settings import RunSettings
from sync_pipeline_tests.factories import make_connection

ORIGIN = RemoteJobOrigin(
    RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("sync_pipeline"), "__repository__"),
    "sync_customers",
)


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def instance():
    """Ours, but for its storage, which is in memory."""
    settings = yaml.safe_load(servers_yaml(RunSettings()))
    with dg.DagsterInstance(
        instance_type=InstanceType.EPHEMERAL,
        local_artifact_storage=TemporaryLocalArtifactStorage(),
        run_storage=InMemoryRunStorage(),
        event_storage=InMemoryEventLogStorage(),
        compute_log_manager=NoOpComputeLogManager(),
        run_coordinator=FairRunCoordinator(**settings["run_coordinator"]["config"]),
        run_launcher=SyncInMemoryRunLauncher(),
        settings={"concurrency": settings["concurrency"]},
    ) as instance:
        yield instance


@pytest.fixture
def queue(instance):
    """Queue runs of an organization, each of a connection of its own."""

    def queue(organization, number, **tags):
        for place in range(number):
            mine = {PARTITION_TAG: f"{organization}-{place}", ORGANIZATION_TAG: organization}
            submit(instance, mine | tags)

    return queue


def submit(instance, tags):
    run = instance.create_run(
        job_name="sync_customers",
        run_id=None,
        run_config={},
        status=None,
        tags=tags,
        root_run_id=None,
        parent_run_id=None,
        step_keys_to_execute=None,
        execution_plan_snapshot=None,
        job_snapshot=None,
        parent_job_snapshot=None,
        asset_selection=None,
        asset_check_selection=None,
        resolved_op_selection=None,
        op_selection=None,
        remote_job_origin=ORIGIN,
        job_code_origin=None,
        asset_graph=None,
    )
    return instance.run_coordinator.submit_run(SubmitRunContext(run, workspace=None))


def next_to_start(instance):
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)
    return daemon._get_runs_to_dequeue(
        instance, instance.get_concurrency_config(), fixed_iteration_time=None
    )


def organizations(runs):
    return sorted(run.tags[ORGANIZATION_TAG] for run in runs)


def test_given_one_organization_with_many_queued_then_five_of_it_and_all_of_another_start(
    instance, queue
):
    queue("big", 90)
    queue("small", 2)

    assert organizations(next_to_start(instance)) == ["big"] * 5 + ["small"] * 2


def test_given_two_that_could_fill_every_place_then_a_third_one_has_its_turn(instance, queue):
    queue("big", 40)
    queue("great", 40)
    queue("small", 1)

    started = organizations(next_to_start(instance))

    assert len(started) == 10
    assert "small" in started


def test_given_two_runs_of_a_connection_then_one_starts(instance, queue):
    queue("acme", 1)
    queue("acme", 1)

    assert len(next_to_start(instance)) == 1


def test_given_a_machine_with_room_then_as_many_run_as_it_is_told():
    settings = RunSettings(max_concurrent_runs=120, max_runs_per_organization=12)

    concurrency = yaml.safe_load(servers_yaml(settings))["concurrency"]

    limits = {one["key"]: one["limit"] for one in concurrency["runs"]["tag_concurrency_limits"]}
    assert concurrency["runs"]["max_concurrent_runs"] == 120
    assert concurrency["pools"]["default_limit"] == 120
    assert limits == {"dagster/partition": 1, "sync/organization": 12}


def test_given_a_run_that_names_its_partition_only_then_its_organization_is_found(
    instance, database, org_id, monkeypatch
):
    shop = make_connection(database, org_id)
    monkeypatch.setattr(coordinator.SyncResource, "database", lambda _: database)

    run = submit(instance, {PARTITION_TAG: shop.name})

    assert run.tags[ORGANIZATION_TAG] == org_id


def test_given_a_run_of_no_connection_then_it_is_queued_as_it_is(instance, database, monkeypatch):
    monkeypatch.setattr(coordinator.SyncResource, "database", lambda _: database)

    assert submit(instance, {PARTITION_TAG: "gone"}).status is dg.DagsterRunStatus.QUEUED
    assert submit(instance, {}).status is dg.DagsterRunStatus.QUEUED


def test_given_a_priority_that_somebody_gave_then_it_stays():
    assert PRIORITY_TAG not in turn_tags({PRIORITY_TAG: "7"}, "acme", 3, NOW)


def waits_of_runs(connections_per_organization, places, places_per_organization, minutes):
    """Minutes that each run waited or waits, when every connection is due again as soon as it ran.

    Runs take a minute. Who starts is chosen as Dagster's daemon does: by priority, then by age,
    without those that the limit of their organization holds back.
    """
    idle = [
        (f"org-{number}", place)
        for number, count in enumerate(connections_per_organization)
        for place in range(count)
    ]
    queued, waits = [], []
    for minute in range(minutes):
        for who in idle:
            organization = who[0]
            outstanding = sum(other[0] == organization for _, _, other in queued)
            moment = NOW + timedelta(minutes=minute)
            tags = turn_tags({}, organization, outstanding, moment)
            queued.append((int(tags[PRIORITY_TAG]), minute, who))
        queued.sort(key=lambda run: -run[0])
        running = Counter()
        idle = []
        for run in list(queued):
            _, since, who = run
            if len(idle) < places and running[who[0]] < places_per_organization:
                running[who[0]] += 1
                idle.append(who)
                queued.remove(run)
                waits.append(minute - since)
    return [*waits, *(minutes - since for _, since, _ in queued)]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 6), st.integers(1, 5))
def test_any_queued_run_starts_within_a_bound_however_much_more_work_there_is_than_places(
    connections_per_organization, places, places_per_organization
):
    waits = waits_of_runs(connections_per_organization, places, places_per_organization, 120)

    # Whatever is queued later than its turn is behind it; what is before it starts in rounds.
    largest_turn = max(connections_per_organization)
    rounds = sum(connections_per_organization) / min(places, places_per_organization)
    assert max(waits) <= largest_turn + rounds + 1
