"""Whether a code server holds a run; a real one is asked in end_to_end/test_deployment.py."""

import json
import socket

import dagster as dg
import pytest

from sync_pipeline.orchestration import code_servers
from sync_pipeline.orchestration.code_servers import unheld_runs

STARTING, STARTED = dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED


def run_of(port=None, status=STARTING):
    info = json.dumps({"host": "127.0.0.1", "port": port})
    tags = {} if port is None else {".dagster/grpc_info": info}
    return dg.DagsterRun(job_name="sync_customers", status=status, tags=tags)


@pytest.fixture(scope="module")
def launching(tmp_path_factory):
    """An instance with Dagster's default launcher."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("launching"))) as instance:
        yield instance


@pytest.fixture
def listener():
    """A port where nothing is answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


def test_given_a_server_that_is_gone_then_nobody_holds_its_runs(launching, listener):
    run = run_of(listener.getsockname()[1])
    listener.close()

    assert unheld_runs(launching, [run]) == {run.run_id}


def test_given_a_server_that_does_not_answer_then_nothing_is_known(
    launching, listener, monkeypatch
):
    monkeypatch.setattr(code_servers, "_ANSWER_SECONDS", 0.2)

    assert unheld_runs(launching, [run_of(listener.getsockname()[1])]) == set()


def test_given_a_launch_that_came_to_no_server_then_nobody_holds_the_run(launching):
    run = run_of()

    assert unheld_runs(launching, [run]) == {run.run_id}


def test_given_a_run_that_a_process_executes_by_itself_then_no_server_is_missed(launching):
    assert unheld_runs(launching, [run_of(status=STARTED)]) == set()


def test_given_another_launcher_then_nothing_is_known(instance):
    assert unheld_runs(instance, [run_of()]) == set()
