"""Taking a sync back through Dagster: the job that opens it, and the run that applies it."""

from datetime import UTC, datetime

import pytest

from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.resource import SyncResource, provided
from sync_pipeline.orchestration.starts import run_request
from sync_pipeline.queue.attention import needing_attention, queues_to_start
from sync_pipeline.queue.queues import find_queue
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    row,
    rows,
    status,
)
from sync_pipeline_tests.orchestration.conftest import failure_of, materialize


class NoStore(SyncResource):
    """Whoever asks a store has done wrong."""

    def source(self, connection):
        raise AssertionError(connection)


@pytest.fixture
def synced(database):
    """A sync of two customers, one of them new."""
    shop = make_connection(database)
    apply_records(database, shop, [customer(1)])
    queue, _ = apply_records(database, shop, [customer(1, last_name="Changed"), customer(2)])
    return queue


@pytest.fixture
def take_back(instance, database, synced):
    """Run the job `revert_sync` on the sync."""

    def run(**config):
        job = build_definitions().resolve_job_def("revert_sync")
        values = {"queue_id": str(synced.id), "by": "ann", **config}
        with provided(database):
            return job.execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={
                    "ops": {"revert_sync_queue": {"config": values}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )

    return run


def told(result):
    (event,) = result.filter_events(lambda event: event.is_successful_output)
    return {name: one.value for name, one in event.step_output_data.metadata.items()}


def test_given_a_preview_then_the_job_counts_and_opens_nothing(take_back, database):
    shown = told(take_back(preview=True))

    assert (shown["to_be_removed"], shown["to_be_updated"]) == (1, 1)
    assert not rows(database, "SELECT FROM sync_queue WHERE is_beside")


def test_given_the_job_then_a_sensor_starts_a_run_that_only_applies(database, take_back):
    shown = told(take_back(reason="wrong file"))
    entities = ["customers"]

    (start,) = queues_to_start(needing_attention(database, entities), set(), datetime.now(UTC), 9)
    request = run_request(start, datetime.now(UTC))

    assert start.queue_id == shown["queue_id"]
    assert [key.path[-1] for key in request.asset_selection] == ["applied"]
    assert not request.run_config


def test_given_the_whole_job_on_its_queue_then_no_store_is_asked_and_nothing_is_compared(
    instance, database, take_back
):
    shown = told(take_back())

    result = materialize(instance, database, config={"queue_id": shown["queue_id"]}, sync=NoStore())

    assert result.success, failure_of(result)
    checks = {one.check_name: one.description for one in result.get_asset_check_evaluations()}
    assert checks["completeness_proven"].endswith("there is nothing to prove")
    assert checks["both_sides_agree"].startswith("it is no sync")
    queue = find_queue(database, shown["queue_id"])
    assert status(database, queue)["state"] == "done"
    assert status(database, queue)["reconciliation"] is None
    assert row(database, "SELECT name FROM customer")["name"] == "Ann Number 1"


def test_given_a_queue_that_changed_nothing_then_the_job_fails_in_words(take_back, database):
    opened = told(take_back())["queue_id"]

    refused = failure_of(take_back(queue_id=opened))

    assert refused.description.startswith(f"{opened} is not finished")
    assert refused.metadata["code"].value == "revert.impossible"
