"""The job `preview`, and the sync that applies what it showed."""

import pytest

from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.resource import provided
from sync_pipeline.queue.previews import PreviewUnusableError
from sync_pipeline_tests.factories import rows, status
from sync_pipeline_tests.orchestration.conftest import (
    CUSTOMERS_MADE,
    failure_of,
    materialize,
    newest_queue,
)
from sync_pipeline_tests.previewing import told


@pytest.fixture
def show(instance, database, connection):
    """Run the job `preview`."""

    def run(**config):
        job = build_definitions().resolve_job_def("preview")
        with provided(database):
            return job.execute_in_process(
                instance=instance,
                raise_on_error=False,
                run_config={
                    "ops": {"show": {"config": {"rows": 3, **config}}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )

    return run


def test_given_a_preview_job_then_its_counts_and_changes_are_shown_and_can_be_applied(
    show, instance, database
):
    result = show(connection="shop")

    (event,) = result.filter_events(lambda event: event.is_successful_output)
    shown = {name: one.value for name, one in event.step_output_data.metadata.items()}
    assert (shown["read"], shown["created"], shown["in_conflict"]) == (CUSTOMERS_MADE,) * 2 + (0,)
    assert shown["changes"].count("\n") == 4
    assert not rows(database, "SELECT FROM customer")
    preview = newest_queue(database)
    assert shown["preview_id"] == str(preview.id)
    assert str(preview.id) in shown["apply_it"]
    # Nobody is asked to act, nothing is counted, no sensor starts it.
    assert not rows(database, "SELECT FROM sync_counter WHERE value > 0")

    materialize(instance, database, config={"applies": str(preview.id)})

    applied = newest_queue(database)
    assert applied.filters.applies == str(preview.id)
    assert status(database, applied)["state"] == "done"
    assert told(database, applied, "record") == told(database, preview, "preview")


def test_given_no_connection_or_no_preview_then_the_job_says_what_is_missing(
    show, instance, database
):
    assert "No connection is named" in str(failure_of(show()).description)
    missing = {"applies": "00000000-0000-0000-0000-000000000000"}
    refused = failure_of(materialize(instance, database, ["pages"], config=missing))
    assert refused.metadata["code"].value == PreviewUnusableError.code
