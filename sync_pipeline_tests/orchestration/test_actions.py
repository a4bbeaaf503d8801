"""Operator jobs as the Launchpad runs them."""

import pytest

from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.resource import provided
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    row,
    status,
)
from sync_pipeline_tests.orchestration.conftest import failure_of


@pytest.fixture(scope="module")
def definitions():
    return build_definitions()


@pytest.fixture
def run(instance, database, definitions):
    """Run a job with this config for its only op."""

    def ran(name, **config):
        with provided(database):
            return definitions.resolve_job_def(name).execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={
                    "ops": {f"{name}_queue": {"config": config}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )

    return ran


def output_of(result):
    (event,) = result.filter_events(lambda event: event.is_successful_output)
    return {name: one.value for name, one in event.step_output_data.metadata.items()}


def test_given_an_open_sync_when_paused_resumed_and_cancelled_then_each_run_says_what_it_did(
    run, database
):
    queue = fill_queue(database, make_connection(database), [customer(1), customer(2)])
    queue_id = str(queue.id)

    paused = output_of(run("pause", queue_id=queue_id, by="ann", reason="lunch"))
    resumed = output_of(run("resume", queue_id=queue_id[:13], by="bob"))
    cancelled = output_of(run("cancel", queue_id=queue_id, by="ann"))

    assert (paused["changed"], paused["paused"], paused["queue_id"]) == (True, True, queue_id)
    assert (resumed["paused"], resumed["draft_count"]) == (False, 2)
    assert (cancelled["queue_state"], cancelled["cancelled_lines"]) == ("cancelled", 2)
    who = row(
        database,
        "SELECT string_agg(details ->> 'by', ' ' ORDER BY activity_no) AS names"
        " FROM sync_activity WHERE details ? 'by'",
    )
    assert who["names"] == "ann bob ann"


def test_given_a_partial_sync_when_retried_and_forced_then_the_same_functions_did_it(run, database):
    queue, _ = apply_records(
        database, make_connection(database), [customer(1), customer(2, email="nobody")]
    )

    retried = output_of(run("retry_failed", queue_id=str(queue.id), by="ann"))
    forced = output_of(run("force_done", queue_id=str(queue.id), by="ann"))

    assert (retried["retried_lines"], retried["queue_state"]) == (1, "processing")
    assert (forced["cancelled_lines"], forced["queue_state"]) == (1, "done")
    assert status(database, queue)["state"] == "done"


def test_given_a_state_that_forbids_it_then_the_run_fails_in_words_with_the_code(run, database):
    queue, _ = apply_records(database, make_connection(database), [customer(1)])

    said = failure_of(run("pause", queue_id=str(queue.id), by="ann"))

    assert said.metadata["code"].value == "queue.state_forbids"
    assert "it is finished" in said.description
