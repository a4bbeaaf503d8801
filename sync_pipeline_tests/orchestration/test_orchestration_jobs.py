"""The jobs that start and steer an orchestration, as the Launchpad runs them."""

import pytest

from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.resource import provided
from sync_pipeline.queue.orchestrations import find_orchestration, orchestration_status
from sync_pipeline_tests.factories import make_connection
from sync_pipeline_tests.orchestration.conftest import failure_of
from sync_pipeline_tests.orchestration.test_actions import output_of

_OPS = {"orchestrate": "start"}


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
                    "ops": {_OPS.get(name, f"{name}_queues"): {"config": config}},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
            )

    return ran


def test_given_two_connections_when_orchestrated_then_their_queues_are_open_and_listed(
    run, database
):
    for name in ("shop", "other"):
        make_connection(database, name=name)

    result = run("orchestrate", organization="acme", idempotency_key="monday")
    first = output_of(result)
    again = output_of(run("orchestrate", organization="acme", idempotency_key="monday"))

    assert (first["is_new"], again["is_new"]) == (True, False)
    assert first["orchestration_id"] == again["orchestration_id"]
    assert (first["queues"], first["refused"]) == (10, 0)
    (event,) = result.filter_events(lambda event: event.is_successful_output)
    items = event.step_output_data.metadata["items"].records
    shown = {(one.data["connection"], one.data["entity"]) for one in items}
    assert ("other", "payments") in shown


def test_given_an_orchestration_when_paused_resumed_and_cancelled_then_each_run_says_what_it_did(
    run, database
):
    make_connection(database)
    started = run("orchestrate", organization="acme", entities=["products", "inventory"])
    orchestration_id = output_of(started)["orchestration_id"]

    paused = output_of(
        run("pause_all", orchestration_id=orchestration_id, by="ann", reason="lunch")
    )
    resumed = output_of(run("resume_all", orchestration_id=orchestration_id[:8], by="bob"))
    retried = output_of(run("retry_all", orchestration_id=orchestration_id, by="bob"))
    cancelled = output_of(run("cancel_all", orchestration_id=orchestration_id, by="ann"))

    assert (paused["paused"], paused["changed_queues"]) == (True, 2)
    assert (resumed["paused"], resumed["orchestration_id"]) == (False, orchestration_id)
    assert retried["state"] == "draft"
    assert (cancelled["state"], cancelled["changed"]) == ("cancelled", True)
    found = find_orchestration(database, orchestration_id)
    assert orchestration_status(database, found)["n_cancelled"] == 2


@pytest.mark.parametrize(
    ("job", "config", "code"),
    [
        ("pause_all", {"orchestration_id": "abcd", "by": "ann"}, "input.unknown_orchestration"),
        ("orchestrate", {"organization": "acme", "connections": ["x"]}, "input.unknown_connection"),
    ],
)
def test_given_what_nobody_knows_then_the_run_fails_in_words(run, database, job, config, code):
    make_connection(database)

    assert failure_of(run(job, **config)).metadata["code"].value == code
