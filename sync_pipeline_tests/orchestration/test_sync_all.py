"""One run over everything of a connection: the order of its assets, and what becomes of faults."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.demo.request_log import LoggedRequest
from sync_pipeline.entities import ENTITIES, ORDERS, PRODUCTS
from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.graph import assets_of
from sync_pipeline.orchestration.jobs import SYNC_ALL
from sync_pipeline.orchestration.launch import launch_orchestration
from sync_pipeline.orchestration.progress import STAGES
from sync_pipeline.orchestration.resource import SyncResource, provided
from sync_pipeline.orchestration.troubles import WAITS_CODE
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import actions
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.orchestrations import (
    Orchestration,
    find_orchestration,
    items_of,
    orchestration_status,
    start_orchestration,
)
from sync_pipeline.queue.queues import Queue, latest_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline_tests.factories import product, rows

NAMES = [entity.name for entity in ENTITIES]
_definitions = build_definitions()
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@pytest.fixture
def stocked(connection: Connection, shop: DemoServer) -> DemoServer:
    """The shop, connected, with two products."""
    for number in (5, 6):
        shop.store.catalog.put_product(product(number) | {"_links": {}})
    shop.log.clear()
    return shop


def run_all(
    instance: dg.DagsterInstance,
    database: Database,
    *,
    tags: Mapping[str, str] | None = None,
    config: Mapping[str, Any] | None = None,
    entities: list[str] | None = None,
    stages: Sequence[str] = STAGES,
) -> dg.ExecuteInProcessResult:
    """Run `sync_all` as the UI would: of the shop, all or some entities."""
    job = _definitions.resolve_job_def(SYNC_ALL)
    chosen = [one for one in ENTITIES if entities is None or one.name in entities]
    with provided(database):
        return job.execute_in_process(
            instance=instance,
            partition_key="shop",
            asset_selection=[key for key in assets_of(chosen) if key.path[-1] in stages],
            raise_on_error=False,
            tags=dict(tags or {}),
            run_config={
                **_QUIET,
                "ops": {step: {"config": one} for step, one in (config or {}).items()},
            },
        )


def started(database: Database, **chosen: Any) -> Orchestration:
    orchestration, _ = start_orchestration(
        database, "acme", settings=QueueSettings(), created_by="tests", **chosen
    )
    return orchestration


def orchestration_of(instance: dg.DagsterInstance, database: Database, result) -> Orchestration:
    """The one that a run is tagged with."""
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return find_orchestration(database, run.tags["sync/orchestration"])


def newest(database: Database, entity: str) -> Queue:
    return latest_queue(database, connection="shop", entity=entity)


def made(result: dg.ExecuteInProcessResult) -> list[str]:
    """Assets in the order in which they were made, as entity/stage."""
    return ["/".join(one.asset_key.path[1:]) for one in result.get_asset_materialization_events()]


def whole_pages(requests: list[LoggedRequest]) -> dict[str, int]:
    """Pages of each listing that were read, other than of changes."""
    pages = [one for one in requests if one.query.get("per_page") == "100"]
    return dict(
        Counter(one.path.split("/")[-1] for one in pages if "modified_after" not in one.query)
    )


class TestTwoRuns:
    def test_given_a_store_when_synced_twice_then_in_order_and_with_the_fewest_calls(
        self, instance, database, stocked
    ):
        first, first_calls = run_all(instance, database), list(stocked.requests)
        stocked.log.clear()
        second, second_calls = run_all(instance, database), list(stocked.requests)

        assert first.success
        assert second.success
        order = made(first)
        assert len(order) == len(NAMES) * 4
        for before, after in [
            ("orders/queue", "customers/pages"),
            ("customers/applied", "orders/applied"),
            ("products/applied", "orders/applied"),
            ("products/applied", "inventory/pages"),
            ("orders/applied", "payments/pages"),
        ]:
            assert order.index(before) < order.index(after)
        held = rows(
            database,
            "SELECT count(*) AS n FROM customer UNION ALL SELECT count(*) FROM sales_order"
            " UNION ALL SELECT count(*) FROM product"
            " UNION ALL SELECT count(*) FROM inventory_level",
        )
        assert [one["n"] for one in held] == [30, 60, 2, 2]
        # Each listing has one page. Besides: the highest id of each, and for the figures what
        # changed since the orders were read, with a total.
        assert whole_pages(first_calls) == {"orders": 1, "products": 1, "customers": 1}
        assert len(first_calls) <= 3 + 5
        # Customers whole; of the others what changed, a total, and the slice whose turn it is.
        assert whole_pages(second_calls) == {"orders": 1, "products": 1, "customers": 1}
        assert len(second_calls) <= 3 + 7, [one.query for one in second_calls]


class TestFaults:
    def test_given_one_entity_that_fails_then_the_others_are_applied_and_sensors_have_the_rest(
        self, instance, database, stocked
    ):
        stocked.faults = [Fault("unavailable", path="customers$")]
        orchestration = started(database)

        reports = launch_orchestration(instance, database, orchestration, "shop")
        stocked.faults = []

        said = {one.status["entity"]: one for one in reports}
        assert list(said) == NAMES
        assert {name: one.success for name, one in said.items()} == {
            "customers": False,
            "products": True,
            "orders": False,
            "inventory": True,
            "payments": False,
        }
        assert said["customers"].error_code == "woocommerce.store_unavailable"
        assert (
            said["orders"].error
            == "It comes after customers, which failed: sensors go on with both."
        )
        assert said["payments"].error_code == WAITS_CODE
        assert list(said["orders"].stage_seconds) == ["pages", "queue"]
        status = orchestration_status(database, orchestration)
        assert (status["state"], status["n_done"], status["is_action_required"]) == (
            "processing",
            2,
            False,
        )
        failed = rows(
            database,
            "SELECT entity, last_error_code FROM sync_queue WHERE last_error_code IS NOT NULL",
        )
        assert [row["entity"] for row in failed] == ["customers"]

    def test_given_an_entity_that_is_refused_then_its_assets_say_why_and_the_others_go_on(
        self, instance, database, stocked, connection
    ):
        open_queue(
            database, connection, "products", settings=QueueSettings(), filters=Filters(limit=1)
        )
        orchestration = started(database)

        result = run_all(instance, database, tags={"sync/orchestration": orchestration.id})

        (event,) = result.filter_events(lambda event: event.is_step_failure)
        said = event.step_failure_data.user_failure_data
        assert event.step_key == "woocommerce__products__pages"
        assert "A sync of shop products is open with other settings" in said.description
        assert said.metadata["code"].value == "orchestration.refused"
        assert "customers/reconciled" in made(result)
        assert "orders/queue" in made(result)
        assert instance.get_run_by_id(result.run_id).tags["sync/failure_of"] == result.run_id

    def test_given_a_paused_entity_then_the_run_leaves_it_and_those_behind_it(
        self, instance, database, stocked
    ):
        orchestration = started(database, entities=["customers", "products", "inventory"])
        items = {one.entity: one for one in items_of(database, orchestration)}
        actions.pause(database, items["products"].queue_id, by="ann")

        reports = launch_orchestration(instance, database, orchestration, "shop")

        said = {one.status["entity"]: one for one in reports}
        assert said["customers"].success
        assert "paused by ann" in said["products"].error
        assert said["inventory"].error_code == WAITS_CODE


class TestWhatAPersonAsksFor:
    def test_given_config_on_any_first_step_then_it_holds_for_all(
        self, instance, database, stocked
    ):
        result = run_all(
            instance,
            database,
            entities=["products", "inventory"],
            stages=["pages"],
            config={"woocommerce__inventory__pages": {"full": True}},
        )

        assert result.success
        assert newest(database, "products").is_full

    def test_given_a_filter_of_one_entity_then_the_run_refuses_it_before_anything_opens(
        self, instance, database, stocked
    ):
        result = run_all(
            instance,
            database,
            entities=["products"],
            config={"woocommerce__products__pages": {"limit": 3}},
        )

        (event,) = result.filter_events(lambda event: event.is_step_failure)
        assert "limit of woocommerce__products__pages" in (
            event.step_failure_data.user_failure_data.description
        )
        assert rows(database, "SELECT FROM sync_queue") == []

    def test_given_an_orchestration_in_the_config_then_the_run_goes_on_with_it(
        self, instance, database, stocked
    ):
        orchestration = started(database, entities=["products"])

        result = run_all(
            instance,
            database,
            entities=["products"],
            config={"woocommerce__products__pages": {"orchestration_id": orchestration.id[:8]}},
        )

        assert result.success
        assert orchestration_of(instance, database, result) == find_orchestration(
            database, orchestration.id
        )
        assert orchestration_status(database, orchestration)["state"] == "done"

    def test_given_only_a_later_asset_then_the_latest_sync_is_meant(
        self, instance, database, stocked
    ):
        run_all(instance, database, entities=["products"])
        job = _definitions.resolve_job_def(SYNC_ALL)

        with provided(database):
            result = job.execute_in_process(
                instance=instance,
                partition_key="shop",
                raise_on_error=False,
                run_config=_QUIET,
                asset_selection=[dg.AssetKey(["woocommerce", "products", "reconciled"])],
            )

        assert result.success
        assert len(rows(database, "SELECT FROM sync_orchestration")) == 1

    def test_given_assets_of_several_entities_by_hand_then_the_run_names_the_queue_in_hand(
        self, instance, database, stocked
    ):
        named = []

        class Watched(SyncResource):
            def show_work_on(self, database, queue):
                super().show_work_on(database, queue)
                newest = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
                (run,) = instance.get_runs(newest, limit=1)
                named.append((run.tags.get("sync/queue_id"), str(queue.id)))

        job = build_definitions(sync=Watched()).resolve_implicit_global_asset_job_def()
        with provided(database):
            result = job.execute_in_process(
                instance=instance,
                partition_key="shop",
                run_config=_QUIET,
                asset_selection=[
                    key for key in assets_of([PRODUCTS, ORDERS]) if key.path[-1] != "reconciled"
                ],
            )

        # At the start of each step: the one of the step before.
        assert [tag for tag, _ in named[1:]] == [queue_id for _, queue_id in named[:-1]]
        assert len({queue_id for _, queue_id in named}) == 2
        last = instance.get_run_by_id(result.run_id).tags
        assert last["sync/queue_id"] == named[-1][1]
