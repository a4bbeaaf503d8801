"""Backfills over connections: a run for each, with one config, as Dagster's daemon makes them.

Dagster's own part (the mutation launchPartitionBackfill behind the UI's button) takes 20 s a run
and is not repeated here: with the same assertions it went well with Dagster 1.13.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline.entities import INVENTORY, PRODUCTS, Entity
from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.graph import assets_of
from sync_pipeline.orchestration.partitions import ensure_partition
from sync_pipeline.orchestration.resource import provided
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.orchestrations import find_orchestration, items_of
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.sources.connections import Connection
from sync_pipeline_tests.factories import product, rows
from sync_pipeline_tests.orchestration.conftest import connect_shop

_SHOPS = ("other", "shop")
_definitions = build_definitions()


@pytest.fixture
def shops(
    instance: dg.DagsterInstance, database: Database, shop: DemoServer, connection: Connection
) -> DemoServer:
    """Two connections to one store."""
    connect_shop(database, shop.url, "other")
    ensure_partition(instance, "other")
    shop.store.catalog.put_product(product(5) | {"_links": {}})
    return shop


def backfill(
    instance: dg.DagsterInstance,
    database: Database,
    name: str,
    config: Mapping[str, Any],
    entities: Sequence[Entity] | None = None,
) -> list[dg.DagsterRun]:
    """Run a job, or its assets of some entities, for every partition; its runs, by connection."""
    job = _definitions.resolve_job_def(name)
    partitions = job.partitions_def.get_partition_keys(dynamic_partitions_store=instance)
    assert set(_SHOPS) <= set(partitions)
    runs = []
    for partition in _SHOPS:
        with provided(database):
            result = job.execute_in_process(
                instance=instance,
                partition_key=partition,
                raise_on_error=False,
                asset_selection=assets_of(entities) if entities is not None else None,
                tags={"dagster/backfill": "b1"},
                run_config={
                    **config,
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )
        runs.append(instance.get_run_by_id(result.run_id))
    return runs


def test_given_two_connections_when_several_entities_are_backfilled_then_each_has_its_orchestration(
    instance, database, shops
):
    config = {"ops": {"woocommerce__products__pages": {"config": {"full": True}}}}

    runs = backfill(instance, database, "sync_all", config, [PRODUCTS, INVENTORY])

    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 2
    found = rows(
        database,
        "SELECT o.id::text, o.idempotency_key, o.is_full, s.state, s.n_done"
        " FROM sync_orchestration AS o"
        " JOIN sync_orchestration_status AS s USING (orchestration_no)",
    )
    assert {one["id"] for one in found} == {run.tags["sync/orchestration"] for run in runs}
    assert {one["idempotency_key"] for one in found} == {f"run {run.run_id}" for run in runs}
    assert [(one["is_full"], one["state"], one["n_done"]) for one in found] == [
        (True, "done", 2)
    ] * 2
    for run, shop in zip(runs, _SHOPS, strict=True):
        # The orchestration names the run by its key, and the run its orchestration.
        items = items_of(database, find_orchestration(database, run.tags["sync/orchestration"]))
        assert [item.entity for item in items] == ["products", "inventory"]
        assert run.tags["sync/entity"] == "all"
        assert run.tags["sync/connection"] == shop
        assert run.tags["sync/organization"] == "acme"
        assert run.tags["sync/queue_id"] in {item.queue_id for item in items}
        for item in items:
            assert find_queue(database, item.queue_id).last_dagster_run_id == run.run_id


def test_given_two_connections_when_orders_are_backfilled_then_the_config_holds_for_each(
    instance, database, shops
):
    config = {"ops": {"woocommerce__orders__pages": {"config": {"limit": 7}}}}

    runs = backfill(instance, database, "sync_orders", config)

    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 2
    counts = rows(database, "SELECT source, count(*) AS n FROM sales_order GROUP BY 1 ORDER BY 1")
    assert counts == [{"source": "other", "n": 7}, {"source": "shop", "n": 7}]
