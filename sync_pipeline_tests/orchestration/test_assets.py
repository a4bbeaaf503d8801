from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from sync_pipeline.demo import DemoServer, Fault, made_store
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.orchestration.assets import entity_assets
from sync_pipeline.orchestration.results import asset_key
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.queues import Queue
from sync_pipeline_tests.conftest import settings_for
from sync_pipeline_tests.orchestration.conftest import (
    CUSTOMERS_MADE,
    connect_shop,
    failure_of,
    materialize,
    metadata_of,
    newest_queue,
)


@dataclass(frozen=True)
class Story:
    """One sync of a new shop, and one after two customers changed."""

    first: dg.ExecuteInProcessResult
    second: dg.ExecuteInProcessResult
    second_queue: Queue
    run_tags: dict[str, str]
    observations: list[dg.AssetObservation]


@pytest.fixture(scope="module")
def story(instance: dg.DagsterInstance, module_database_url: str) -> Iterator[Story]:
    with (
        Database.open(settings_for(module_database_url)) as database,
        DemoServer(made_store(CUSTOMERS_MADE, 60)) as shop,
    ):
        connect_shop(database, shop.url)
        first = materialize(instance, database)
        assert first.success, failure_of(first)
        shop.store.edit_customer(5, first_name="Zed | Zoe")
        shop.store.edit_customer(6, email="six@new.test")
        second = materialize(instance, database)
        run = instance.get_run_by_id(second.run_id)
        assert run is not None
        yield Story(
            first,
            second,
            newest_queue(database),
            dict(run.tags),
            [
                event.asset_observation_data.asset_observation
                for event in first.filter_events(lambda event: event.is_asset_observation)
            ],
        )


class TestASync:
    def test_when_the_job_runs_then_all_four_assets_are_made_for_the_connection(self, story):
        made = [
            (event.asset_key, event.partition)
            for event in story.first.get_asset_materialization_events()
        ]

        assert story.first.success
        assert made == [
            (asset_key(CUSTOMERS, stage), "shop")
            for stage in ("pages", "queue", "applied", "reconciled")
        ]

    def test_when_it_ends_then_the_certificate_has_every_number(self, story):
        shown = metadata_of(story.first, "reconciled")

        assert {
            name: shown[name]
            for name in ("scanned", "total", "distinct", "created", "updated", "failed")
        } == {
            "scanned": 30,
            "total": 30,
            "distinct": 30,
            "created": 30,
            "updated": 0,
            "failed": 0,
        }
        assert shown["conflicts"] == 0
        assert shown["verdict"] == "both sides agree: 30 records"
        assert "| distinct | 30 |" in shown["certificate"]

    def test_when_it_ends_then_the_table_is_described(self, story):
        shown = metadata_of(story.first, "applied")

        assert shown["dagster/row_count"] == 30
        assert shown["dagster/partition_row_count"] == 30
        assert shown["dagster/table_name"].endswith(".public.customer")
        columns = {column.name: column for column in shown["dagster/column_schema"].columns}
        assert columns["lifetime_value"].type == "numeric"
        assert not columns["name"].constraints.nullable

    def test_when_stages_end_then_each_says_how_fast_it_was(self, story):
        assert metadata_of(story.first, "pages")["records_per_second"] > 0
        assert metadata_of(story.first, "applied")["lines_per_second"] > 0

    def test_when_customers_changed_then_the_preview_shows_before_and_after(self, story):
        preview = metadata_of(story.second, "applied")["last_changes"].splitlines()

        rows = [[cell.strip() for cell in line.split(" | ")] for line in preview[2:]]
        assert ["| 6", "updated", "email"] in [row[:3] for row in rows]
        assert any(row[-1].startswith("six@new.test") for row in rows)
        assert any("Zed \\| Zoe" in line for line in preview)
        assert len(preview) == 2 + 2

    def test_when_two_of_thirty_changed_then_two_lines_are_applied(self, story):
        queued, applied = (metadata_of(story.second, stage) for stage in ("queue", "applied"))

        assert (queued["lines"], queued["unchanged"]) == (2, 28)
        assert (applied["created"], applied["updated"]) == (0, 2)

    def test_when_lines_are_made_then_the_lifetime_value_rules_are_compared(self, story):
        shown = metadata_of(story.first, "queue")

        assert isinstance(shown["lifetime_value_difference"], float)
        assert "paid_net" in shown["lifetime_value_rules"]

    def test_when_it_ends_then_every_check_passed(self, story):
        passed = {one.check_name: one.passed for one in story.first.get_asset_check_evaluations()}

        assert passed == {
            "completeness_proven": True,
            "counters_equal_lines": True,
            "no_line_left_behind": True,
            "both_sides_agree": True,
            "certificate_holds": True,
            "no_open_conflicts": True,
        }

    def test_when_it_ends_then_the_last_observation_has_the_whole_count(self, story):
        last = {observation.asset_key.path[-1]: observation for observation in story.observations}

        assert last["applied"].partition == "shop"
        assert last["applied"].metadata["processed"].value == 30
        assert last["applied"].metadata["failed"].value == 0
        assert last["pages"].metadata["processed"].value == 90  # customers and orders
        assert all(one.metadata["items_per_min"].value > 0 for one in last.values())
        assert all(one.metadata["completion_percent"].value == 100 for one in last.values())
        assert last["applied"].metadata["eta_seconds"].value == 0

    def test_when_it_ends_then_run_and_queue_name_each_other(self, story):
        assert story.second_queue.last_dagster_run_id == story.second.run_id
        assert story.run_tags["sync/queue_id"] == str(story.second_queue.id)
        assert story.run_tags["sync/connection"] == "shop"
        assert story.run_tags["sync/entity"] == "customers"
        assert story.run_tags["sync/organization"] == "acme"

    def test_when_it_ends_then_links_lead_to_the_store_without_secrets(self, story):
        shown = metadata_of(story.first, "reconciled")

        assert shown["store"].startswith("http://127.0.0.1:")
        assert "consumer_key" not in str(shown)


class TestFreshness:
    def test_given_the_assets_then_a_certificate_of_yesterday_is_stale_and_three_hours_warn(self):
        specs = [spec for asset in entity_assets(CUSTOMERS) for spec in asset.specs]

        policies = {spec.key.path[-1]: spec.freshness_policy for spec in specs}

        assert policies == {
            "pages": None,
            "queue": None,
            "applied": None,
            "reconciled": dg.FreshnessPolicy.time_window(
                fail_window=timedelta(hours=26), warn_window=timedelta(hours=3)
            ),
        }


class TestTroubleOnTheWay:
    def test_given_a_store_that_failed_when_it_runs_again_then_the_same_queue_goes_on(
        self, instance, database, shop, connection
    ):
        shop.faults = [Fault("unavailable", path="orders$")]
        failed = materialize(instance, database)
        queue = newest_queue(database)
        shop.faults = []

        resumed = materialize(instance, database)

        assert not failed.success
        assert failure_of(failed).metadata["code"].value == "woocommerce.store_unavailable"
        assert resumed.success
        assert newest_queue(database).id == queue.id
        assert newest_queue(database).last_dagster_run_id == resumed.run_id
        assert metadata_of(resumed, "applied")["created"] == 30

    def test_given_a_bad_record_when_synced_then_it_warns_with_the_reason(
        self, instance, database, shop, connection
    ):
        shop.store.edit_customer(7, email="no address")

        result = materialize(instance, database)

        checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
        assert result.success
        assert checks["no_line_left_behind"].passed
        assert not checks["both_sides_agree"].passed
        assert checks["both_sides_agree"].severity == dg.AssetCheckSeverity.WARN
        assert metadata_of(result, "applied")["queue_state"] == "partial"
        assert "not an e-mail address" in metadata_of(result, "applied")["last_changes"]

    def test_given_an_unknown_connection_when_synced_then_it_says_which_there_are(
        self, instance, database, connection
    ):
        instance.add_dynamic_partitions("connections", ["gone"])

        failure = failure_of(materialize(instance, database, partition="gone"))

        assert failure.description == "There is no connection 'gone'. Known: shop."


class TestStagesAlone:
    def test_given_a_queue_when_its_stages_are_materialized_one_by_one_then_each_takes_it_up(
        self, instance, database, connection
    ):
        runs = [
            materialize(instance, database, [stage])
            for stage in ("pages", "queue", "applied", "reconciled")
        ]

        assert [run.success for run in runs] == [True] * 4
        ids = {
            metadata_of(run, stage)["queue_id"]
            for run, stage in zip(runs, ("pages", "queue", "applied", "reconciled"), strict=True)
        }
        assert ids == {str(newest_queue(database).id)}
        tags: Any = instance.get_run_by_id(runs[2].run_id)
        assert tags.tags["sync/queue_id"] in ids

    def test_given_no_queue_when_applied_alone_then_it_says_what_to_do(
        self, instance, database, connection
    ):
        failure = failure_of(materialize(instance, database, ["applied"]))

        assert failure.description == (
            "shop has no sync of customers yet. "
            "Materialize the pages first, or run the job sync_customers."
        )
        assert failure.metadata["code"].value == "input.unknown_queue"

    def test_given_pages_only_when_applied_alone_then_it_names_the_stage(
        self, instance, database, connection
    ):
        materialize(instance, database, ["pages"])

        failure = failure_of(materialize(instance, database, ["applied"]))

        assert "stands at enqueue, and this asset needs it at apply" in failure.description
