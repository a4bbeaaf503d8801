"""Every entity has its job, made from its declaration: each brings its table, as in the UI."""

import dagster as dg
import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline.entities import ENTITIES, Entity
from sync_pipeline.orchestration.results import asset_key
from sync_pipeline.postgres.database import Database
from sync_pipeline_tests.factories import product, row
from sync_pipeline_tests.orchestration.conftest import failure_of, materialize


@pytest.mark.usefixtures("connection")
def test_given_a_store_when_each_job_runs_then_each_table_is_filled_and_proven(
    instance: dg.DagsterInstance, database: Database, shop: DemoServer
):
    for number in (5, 6):
        shop.store.catalog.put_product(product(number) | {"_links": {}})
    for entity in ENTITIES:
        result = materialize(instance, database, entity=entity)

        assert result.success, failure_of(result)
        assert [
            one.check_name for one in result.get_asset_check_evaluations() if not one.passed
        ] == []
        assert shown(result, entity)["queue_id"]

    counts = row(
        database,
        "SELECT (SELECT count(*) FROM customer) AS customers,"
        " (SELECT count(*) FROM sales_order) AS orders, (SELECT count(*) FROM product) AS products,"
        " (SELECT count(*) FROM inventory_level) AS levels,"
        " (SELECT count(*) FROM payment WHERE kind = 'payment') AS payments,"
        " (SELECT count(*) FROM sales_order WHERE paid_at IS NOT NULL) AS paid",
    )
    assert (counts["customers"], counts["orders"]) == (30, 60)
    assert counts["products"] == counts["levels"] == 2
    assert counts["payments"] == counts["paid"] > 0


def test_given_a_filter_that_an_entity_does_not_have_then_the_run_says_so(
    instance: dg.DagsterInstance, database: Database, connection
):
    orders = next(one for one in ENTITIES if one.name == "orders")

    result = materialize(instance, database, ["pages"], entity=orders, config={"email": "a@b.de"})

    assert "orders cannot be chosen by email" in str(failure_of(result).description)
    assert row(database, "SELECT count(*) AS n FROM sync_queue")["n"] == 0


def shown(result: dg.ExecuteInProcessResult, entity: Entity):
    step = asset_key(entity, "reconciled").to_python_identifier()
    (made,) = result.asset_materializations_for_node(step)
    return {name: value.value for name, value in made.metadata.items()}
