"""What sensors start for an orchestration: one run for a connection, and after it each alone."""

from collections.abc import Iterator

import dagster as dg
import pytest

from sync_pipeline.demo import Fault
from sync_pipeline.entities import ENTITIES
from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.graph import assets_of
from sync_pipeline.orchestration.launch import launch_orchestration
from sync_pipeline.orchestration.partitions import ensure_partition
from sync_pipeline.orchestration.processes import process_tag
from sync_pipeline.orchestration.resource import provided
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import actions, heartbeat
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.orchestrations import (
    Orchestration,
    items_of,
    orchestration_status,
    start_orchestration,
)
from sync_pipeline.queue.queues import begin, find_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline_tests.factories import make_connection, row, rows
from sync_pipeline_tests.orchestration.test_queue_sensors import change, tick

_SENSORS = ("pending", "retry", "recovery")


@pytest.fixture
def own_instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        ensure_partition(instance, "shop")
        yield instance


def started(database: Database, **chosen) -> Orchestration:
    orchestration, _ = start_orchestration(
        database, "acme", settings=QueueSettings(), created_by="tests", **chosen
    )
    return orchestration


def queues(database: Database, orchestration: Orchestration, connection="shop"):
    return {
        one.entity: find_queue(database, one.queue_id)
        for one in items_of(database, orchestration)
        if one.connection == connection and one.queue_id is not None
    }


def requests(instance, database) -> dict[str, list[dg.RunRequest]]:
    return {name: tick(name, instance, database).run_requests or [] for name in _SENSORS}


def names(instance, database) -> dict[str, list[str]]:
    """Jobs that each sensor starts."""
    found = requests(instance, database)
    return {name: sorted(one.job_name for one in asked) for name, asked in found.items()}


def run_of(instance, request: dg.RunRequest, **changes) -> dg.DagsterRun:
    """The run that Dagster makes of a request."""
    tags = {"dagster/partition": request.partition_key, "sync/entity": "all", **request.tags}
    values = {"job_name": request.job_name, "status": dg.DagsterRunStatus.NOT_STARTED, "tags": tags}
    return instance.add_run(dg.DagsterRun(**values | changes))


class TestBegin:
    def test_given_an_orchestration_over_two_connections_then_each_gets_one_run(
        self, own_instance, database
    ):
        for name in ("shop", "other"):
            make_connection(database, name=name)
        orchestration = started(database)

        found = requests(own_instance, database)

        assert {name: len(asked) for name, asked in found.items()} == {
            "pending": 2, "retry": 0, "recovery": 0,
        }  # fmt: skip
        one = next(asked for asked in found["pending"] if asked.partition_key == "shop")
        assert one.job_name == "sync_all"
        assert one.tags["sync/orchestration"] == orchestration.id
        assert set(one.asset_selection) == set(assets_of(ENTITIES))
        for request in found["pending"]:
            run_of(own_instance, request)
        assert names(own_instance, database) == {"pending": [], "retry": [], "recovery": []}

    def test_given_some_entities_then_the_run_has_their_assets_only(self, own_instance, database):
        make_connection(database)
        started(database, entities=["products", "inventory"])

        (request,) = requests(own_instance, database)["pending"]

        assert {key.path[1] for key in request.asset_selection} == {"products", "inventory"}

    def test_given_one_that_is_paused_or_refused_then_the_run_leaves_it_out_and_begins_the_others(
        self, own_instance, database
    ):
        connection = make_connection(database)
        open_queue(
            database, connection, "customers", settings=QueueSettings(), filters=Filters(limit=1)
        )
        chosen = ["customers", "products", "orders", "inventory"]
        of = queues(database, started(database, entities=chosen))
        actions.pause(database, str(of["products"].id), by="ann")
        change(database, "process_count = 1 WHERE filters <> '{}'")

        (request,) = requests(own_instance, database)["pending"]

        # What is behind them would be skipped with them, minute after minute.
        assert {key.path[1] for key in request.asset_selection} == {"orders", "inventory"}

    def test_given_a_run_that_names_no_orchestration_there_is_then_others_are_started_all_the_same(
        self, own_instance, database
    ):
        make_connection(database)
        started(database)
        tags = {"sync/entity": "all", "sync/orchestration": "abcd", "sync/queue_id": "x"}
        run = dg.DagsterRun(job_name="sync_all", status=dg.DagsterRunStatus.STARTED, tags=tags)
        own_instance.add_run(run)
        own_instance.add_run_tags(run.run_id, {"sync/process": process_tag(run.run_id)})

        assert names(own_instance, database)["pending"] == ["sync_all"]


class TestGoOn:
    def test_given_a_run_that_was_killed_then_each_queue_goes_on_once_after_what_it_waits_for(
        self, own_instance, database
    ):
        make_connection(database)
        orchestration = started(database)
        of = queues(database, orchestration)
        (request,) = requests(own_instance, database)["pending"]
        run = run_of(own_instance, request, status=dg.DagsterRunStatus.STARTED)
        own_instance.add_run_tags(run.run_id, {"sync/process": process_tag(run.run_id)})
        for queue in of.values():
            heartbeat.announce(database, queue)
        for entity in ("products", "orders"):
            begin(database, of[entity], run_id=run.run_id)
        own_instance.add_run_tags(run.run_id, {"sync/queue_id": str(of["orders"].id)})

        working = names(own_instance, database)
        name, host, _, _ = process_tag(run.run_id).split()
        own_instance.add_run_tags(run.run_id, {"sync/process": f"{name} {host} 999999999 1"})
        requests(own_instance, database)
        noted = rows(
            database,
            "SELECT q.entity, q.failure_count, q.retry_at IS NULL AS is_due FROM sync_queue AS q"
            " WHERE q.failure_count > 0",
        )
        change(database, "stage_lease_until = now() - interval '1 s', retry_at = NULL")
        found = requests(own_instance, database)

        assert working == {"pending": [], "retry": [], "recovery": []}
        assert own_instance.get_run_by_id(run.run_id).status == dg.DagsterRunStatus.FAILURE
        # The one in hand is noted, with a wait; the others are not blamed.
        assert noted == [{"entity": "orders", "failure_count": 1, "is_due": False}]
        assert {name: [one.job_name for one in asked] for name, asked in found.items()} == {
            "pending": ["sync_customers"], "retry": [], "recovery": ["sync_products"],
        }  # fmt: skip
        alone = found["pending"][0]
        assert alone.tags["sync/orchestration"] == orchestration.id
        assert alone.tags["sync/queue_id"] == str(of["customers"].id)
        for request in (alone, *found["recovery"]):
            run_of(own_instance, request)
        assert names(own_instance, database) == {"pending": [], "retry": [], "recovery": []}

    def test_given_what_comes_before_waits_for_a_person_then_the_rest_goes_on(
        self, own_instance, database
    ):
        make_connection(database)
        of = queues(database, started(database, entities=["customers", "orders"]))
        begin(database, of["customers"], run_id=None)
        before = names(own_instance, database)
        change(database, "is_action_required = (entity = 'customers')")

        assert before == {"pending": [], "retry": ["sync_customers"], "recovery": []}
        assert names(own_instance, database)["pending"] == ["sync_orders"]


class TestToTheEnd:
    def test_given_an_entity_that_failed_in_the_one_run_then_sensors_finish_everything(
        self, instance, database, shop, connection
    ):
        shop.faults = [Fault("unavailable", path="customers$")]
        orchestration = started(database, entities=["customers", "orders"])
        launch_orchestration(instance, database, orchestration, "shop")
        shop.faults = []
        change(database, "retry_at = now() - interval '1 s' WHERE retry_at IS NOT NULL")
        built = build_definitions()
        ran = []

        for _ in range(2):
            asked = [one for found in requests(instance, database).values() for one in found]
            for request in asked:
                ran.append(request.job_name)
                with provided(database):
                    built.resolve_job_def(request.job_name).execute_in_process(
                        instance=instance,
                        partition_key=request.partition_key,
                        run_config=request.run_config,
                        tags=request.tags,
                    )

        assert ran == ["sync_customers", "sync_orders"]
        assert orchestration_status(database, orchestration)["state"] == "done"
        unresolved = (
            "SELECT count(*) AS n FROM sales_order WHERE customer_id IS NULL AND NOT is_guest"
        )
        assert row(database, unresolved) == {"n": 0}
