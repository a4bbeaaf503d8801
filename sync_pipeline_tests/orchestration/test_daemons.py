"""Dagster's own health: silent daemons are told from absent ones."""

import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    InProcessCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo
from prometheus_client import CollectorRegistry, generate_latest

from sync_pipeline.orchestration import daemons
from sync_pipeline.orchestration.daemons import DaemonCollector, instance_checks
from sync_pipeline.queue.health import Check, Status
from sync_pipeline.settings import DatabaseSettings

METRIC = "sync_daemon_heartbeat_age_seconds"


@pytest.fixture(scope="module")
def stored() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


@pytest.fixture
def fresh(stored: dg.DagsterInstance) -> dg.DagsterInstance:
    """An instance that no daemon has ever worked for."""
    stored.wipe_daemon_heartbeats()
    for state in stored.all_instigator_state():
        stored.delete_instigator_state(state.instigator_origin_id, state.selector_id)
    return stored


def beat(
    instance: dg.DagsterInstance,
    *,
    age_seconds: float,
    errors: list[SerializableErrorInfo] | None = None,
    leave_out: str | None = None,
) -> None:
    """As if every required daemon had lived so long ago."""
    for kind in instance.get_required_daemon_types():
        if kind != leave_out:
            instance.add_daemon_heartbeat(
                DaemonHeartbeat(time.time() - age_seconds, kind, "a", errors)
            )


def switch_on_a_sensor(instance: dg.DagsterInstance) -> None:
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="sync_pipeline"))
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "here"), "retry")
    instance.add_instigator_state(
        InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING)
    )


def daemon_of(instance: dg.DagsterInstance, *, is_deployed: bool = True) -> Check:
    storage, daemon = instance_checks(instance, is_deployed=is_deployed)
    assert (storage.name, storage.status) == ("dagster storage", Status.OK)
    return daemon


def test_given_no_daemon_ever_ran_and_nothing_is_on_then_it_only_warns(
    fresh: dg.DagsterInstance,
) -> None:
    assert daemon_of(fresh).status is Status.WARN
    assert "dagster-daemon run" in daemon_of(fresh).remedy


def test_given_a_sensor_is_on_and_no_daemon_ever_ran_then_it_fails(
    fresh: dg.DagsterInstance,
) -> None:
    switch_on_a_sensor(fresh)

    assert daemon_of(fresh).status is Status.FAIL


def test_given_a_daemon_that_lives_then_it_is_well(fresh: dg.DagsterInstance) -> None:
    beat(fresh, age_seconds=31)

    assert daemon_of(fresh).status is Status.OK


def test_given_a_daemon_that_went_silent_then_it_fails_and_says_for_how_long(
    fresh: dg.DagsterInstance,
) -> None:
    beat(fresh, age_seconds=500)

    assert daemon_of(fresh).status is Status.FAIL
    assert "no sign of life for 50" in daemon_of(fresh).seen


def test_given_dev_has_ended_in_a_checkout_then_its_daemon_is_only_missed(
    fresh: dg.DagsterInstance,
) -> None:
    switch_on_a_sensor(fresh)
    beat(fresh, age_seconds=500)

    check = daemon_of(fresh, is_deployed=False)

    assert check.status is Status.WARN
    assert "no sign of life for 50" in check.seen
    assert "sync-pipeline dev" in check.remedy
    assert "wipe" not in check.remedy


def test_given_one_of_its_parts_is_missing_then_that_one_is_named(
    fresh: dg.DagsterInstance,
) -> None:
    beat(fresh, age_seconds=1, leave_out="SENSOR")

    assert daemon_of(fresh).status is Status.FAIL
    assert daemon_of(fresh).seen.endswith(": SENSOR")


def test_given_a_daemon_that_reports_errors_then_it_warns_without_quoting_them(
    fresh: dg.DagsterInstance,
) -> None:
    beat(fresh, age_seconds=1, errors=[SerializableErrorInfo("hunter2", [], None)])

    assert daemon_of(fresh).status is Status.WARN
    assert "hunter2" not in repr(daemon_of(fresh))


class TestMetric:
    def scraped(self, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance | None) -> str:
        monkeypatch.setattr(daemons, "existing_instance", lambda *_: instance)
        registry = CollectorRegistry()
        registry.register(DaemonCollector(DatabaseSettings(), lambda: None))  # type: ignore[arg-type, return-value]
        return generate_latest(registry).decode()

    def test_given_heartbeats_then_the_age_is_that_of_the_oldest_part(
        self, monkeypatch: pytest.MonkeyPatch, fresh: dg.DagsterInstance
    ) -> None:
        beat(fresh, age_seconds=10)
        fresh.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 90, "SENSOR", "a", None))

        age = float(self.scraped(monkeypatch, fresh).splitlines()[-1].split()[-1])

        assert 90 <= age < 100

    @pytest.mark.parametrize("has_instance", [True, False])
    def test_given_no_daemon_ever_ran_then_no_value_is_told(
        self, monkeypatch: pytest.MonkeyPatch, fresh: dg.DagsterInstance, has_instance: bool
    ) -> None:
        text = self.scraped(monkeypatch, fresh if has_instance else None)

        assert f"\n{METRIC} " not in text

    def test_given_a_storage_that_is_gone_then_the_scrape_goes_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gone(*_: object) -> None:
            raise ConnectionError

        monkeypatch.setattr(daemons, "existing_instance", gone)
        registry = CollectorRegistry()
        registry.register(DaemonCollector(DatabaseSettings(), lambda: None))  # type: ignore[arg-type, return-value]

        assert METRIC in generate_latest(registry).decode()
