from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.resource import SyncResource, provided
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.due import minute_of_night
from sync_pipeline.queue.filters import Filters
from sync_pipeline.settings import AutomationSettings
from sync_pipeline_tests.conftest import settings_for
from sync_pipeline_tests.factories import make_connection, make_queue
from sync_pipeline_tests.orchestration.test_queue_sensors import ConfiguredSync

LATER = datetime.now(UTC) + timedelta(hours=2)


@pytest.fixture
def own_instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("connections", ["shop"])
        yield instance


def tick(
    name: str,
    instance: dg.DagsterInstance,
    database: Database,
    *,
    at: datetime = LATER,
    sync: SyncResource | None = None,
    automation: AutomationSettings | None = None,
) -> list[dg.RunRequest]:
    sync = sync or ConfiguredSync()
    schedule = build_definitions(sync=sync, automation=automation).resolve_schedule_def(name)
    with (
        dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, resources={"sync": sync}
        ) as context,
        provided(database),
    ):
        found = schedule(context)
    return found if isinstance(found, list) else []


class TestDeltas:
    def test_given_a_connection_whose_interval_has_passed_then_its_sync_is_started(
        self, own_instance, database
    ):
        make_connection(database)

        (request,) = tick("deltas_customers", own_instance, database)

        assert request.partition_key == "shop"
        assert request.tags["sync/reason"] == "delta"
        assert request.tags["sync/connection"] == "shop"
        assert request.run_config == {"ops": {"woocommerce__customers__pages": {"config": {}}}}

    def test_given_an_open_queue_or_no_partition_then_nothing_is_started(
        self, own_instance, database
    ):
        make_queue(database, make_connection(database))
        make_connection(database, name="new")

        assert tick("deltas_customers", own_instance, database) == []

    def test_given_a_run_in_flight_then_no_other_is_started(self, own_instance, database):
        make_connection(database)
        own_instance.add_run(
            dg.DagsterRun(
                job_name="sync_customers",
                status=dg.DagsterRunStatus.STARTING,
                tags={"sync/entity": "customers", "dagster/partition": "shop"},
            )
        )

        assert tick("deltas_customers", own_instance, database) == []

    def test_given_a_run_of_a_window_then_the_sync_of_what_changed_is_started_beside_it(
        self, own_instance, database
    ):
        shop = make_connection(database, options={"entities": ["orders"]})
        january = Filters.from_dict({"created_before": "2024-02-01"})
        window = make_queue(database, shop, january, entity=ORDERS)
        own_instance.add_run(
            dg.DagsterRun(
                job_name="sync_orders",
                status=dg.DagsterRunStatus.STARTING,
                tags={
                    "sync/entity": "orders",
                    "sync/queue_id": str(window.id),
                    "dagster/partition": "shop",
                },
            )
        )

        assert len(tick("deltas_orders", own_instance, database)) == 1

    def test_given_a_database_that_cannot_be_read_then_the_tick_turns_red(
        self, own_instance, empty_database_url
    ):
        with Database.open(settings_for(empty_database_url)) as unmigrated:
            with pytest.raises(DatabaseUnusableError):
                tick("deltas_customers", own_instance, unmigrated)
            assert tick("deltas_customers", own_instance, unmigrated, sync=SyncResource()) == []


class TestNightly:
    def test_given_its_minute_of_the_night_then_everything_is_read(self, own_instance, database):
        make_connection(database)
        night = LATER.replace(hour=1, minute=0, second=0, microsecond=0) + timedelta(days=1)
        minute = night + minute_of_night("shop")

        before = tick("nightly_customers", own_instance, database, at=minute - timedelta(minutes=1))
        (request,) = tick("nightly_customers", own_instance, database, at=minute)

        assert before == []
        assert request.run_config["ops"]["woocommerce__customers__pages"]["config"] == {
            "full": True
        }
        assert request.tags["sync/reason"] == "nightly"


class TestSwitch:
    def test_given_nothing_said_then_every_schedule_is_off_and_every_sensor_on(self):
        built = build_definitions()

        schedules = [built.resolve_schedule_def(name) for name in names_of(built.schedules)]
        sensors = [built.resolve_sensor_def(name) for name in names_of(built.sensors)]
        off = {one.default_status for one in schedules}
        assert off == {dg.DefaultScheduleStatus.STOPPED}
        assert {"pending", "retry", "recovery", "connections", "run_failure"} <= {
            one.name for one in sensors
        }
        assert {one.default_status for one in sensors} == {dg.DefaultSensorStatus.RUNNING}

    def test_given_that_they_are_wanted_then_every_schedule_is_on(self, monkeypatch):
        monkeypatch.setenv("SYNC_SCHEDULES", "on")
        built = build_definitions(automation=AutomationSettings())

        on = {
            name: built.resolve_schedule_def(name).default_status
            for name in names_of(built.schedules)
        }
        assert {"deltas_customers", "nightly_customers", "purge", "maintain"} <= set(on)
        assert set(on.values()) == {dg.DefaultScheduleStatus.RUNNING}

    @pytest.mark.parametrize(
        ("hour", "night", "after"), [(19, "19,20,21,22", 23), (22, "22,23,0,1", 2)]
    )
    def test_given_another_hour_then_the_night_is_then_and_the_purge_after_it(
        self, hour: int, night: str, after: int
    ):
        built = build_definitions(automation=AutomationSettings(nightly_hour_utc=hour))

        crons = {
            name: built.resolve_schedule_def(name).cron_schedule
            for name in names_of(built.schedules)
        }
        assert crons["nightly_customers"] == f"*/5 {night} * * *"
        assert crons["purge"] == f"30 {after} 1 * *"
        assert crons["maintain"] == "0 0 * * *"


def names_of(definitions):
    return [one.name for one in definitions]
