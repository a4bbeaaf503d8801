from collections.abc import Iterator

import dagster as dg
import pytest

from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.orchestration.resource import SyncResource, provided
from sync_pipeline.orchestration.sensors import (
    PartitionChanges,
    connections_sensor,
    partition_changes,
)
from sync_pipeline.postgres.database import Database
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline_tests.conftest import settings_for
from sync_pipeline_tests.orchestration.conftest import connect_shop


class ConfiguredSync(SyncResource):
    """As if DATABASE_URL were set."""

    def database_settings(self) -> DatabaseSettings:
        return settings_for("postgresql://somewhere/sync")


@pytest.fixture
def own_instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def tick(
    instance: dg.DagsterInstance,
    database: Database,
    sync: SyncResource,
    cursor: str | None = "prepared",
) -> dg.SensorResult:
    with (
        dg.build_sensor_context(
            instance=instance, cursor=cursor, resources={"sync": sync}
        ) as context,
        provided(database),
    ):
        return connections_sensor(context)


class TestPartitionChanges:
    def test_given_both_alike_when_compared_then_nothing_changes(self):
        assert partition_changes({"a"}, {"a"}, set()) == PartitionChanges((), ())

    def test_given_new_and_old_names_when_compared_then_they_are_added_and_removed(self):
        assert partition_changes({"b", "a"}, {"d", "c"}, set()) == PartitionChanges(
            add=("a", "b"), remove=("c", "d")
        )

    def test_given_a_run_in_flight_when_its_connection_goes_then_its_partition_stays(self):
        assert partition_changes(set(), {"a", "b"}, {"a"}) == PartitionChanges((), ("b",))


class TestSensor:
    def test_given_connections_when_it_ticks_then_partitions_are_in_step(
        self, own_instance, database
    ):
        connect_shop(database, "https://one.test", "one")
        connect_shop(database, "https://two.test", "two")
        own_instance.add_dynamic_partitions("connections", ["two", "old"])

        result = tick(own_instance, database, ConfiguredSync())

        add, delete = result.dynamic_partitions_requests
        assert (add.partition_keys, delete.partition_keys) == (["one"], ["old"])

    def test_given_a_run_in_flight_when_its_connection_is_gone_then_its_partition_stays(
        self, own_instance, database
    ):
        own_instance.add_dynamic_partitions("connections", ["busy", "idle"])
        own_instance.add_run(
            dg.DagsterRun(
                job_name="sync_customers",
                status=dg.DagsterRunStatus.STARTED,
                tags={"dagster/partition": "busy"},
            )
        )

        result = tick(own_instance, database, ConfiguredSync())

        (delete,) = result.dynamic_partitions_requests
        assert delete.partition_keys == ["idle"]

    def test_given_a_database_that_cannot_be_read_when_it_ticks_then_it_fails(
        self, own_instance, empty_database_url
    ):
        own_instance.add_dynamic_partitions("connections", ["shop"])

        with (
            Database.open(settings_for(empty_database_url)) as unmigrated,
            pytest.raises(DatabaseUnusableError),
        ):
            tick(own_instance, unmigrated, ConfiguredSync(), cursor=None)

        assert own_instance.get_dynamic_partitions("connections") == ["shop"]

    @pytest.mark.parametrize("cursor", [None, "prepared"])
    def test_given_no_configuration_when_it_ticks_then_the_demo_is_ready(
        self, own_instance, empty_database_url, cursor
    ):
        with Database.open(settings_for(empty_database_url)) as unmigrated:
            result = tick(own_instance, unmigrated, SyncResource(), cursor)

        (add,) = result.dynamic_partitions_requests
        assert add.partition_keys == ["demo"]
        assert result.cursor == "prepared"
