import os
import subprocess
import sys
import uuid

import dagster as dg
import pytest

from sync_pipeline.orchestration.processes import (
    PROCESS_TAG,
    close_dead_runs,
    is_dead,
    process_tag,
)


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def make_run(instance, run_id: str, tag: str | None, status=dg.DagsterRunStatus.STARTED):
    run = dg.DagsterRun(
        job_name="sync_customers",
        run_id=run_id,
        status=status,
        tags={} if tag is None else {PROCESS_TAG: tag},
    )
    return instance.add_run(run)


def tag_of(pid: int, run_id: str) -> str:
    """The tag as a process with that number would have written it."""
    return process_tag(run_id).replace(f" {os.getpid()} ", f" {pid} ")


@pytest.fixture
def run_id() -> str:
    return str(uuid.uuid4())


def test_given_a_process_that_is_gone_when_closed_then_its_run_has_failed(instance, run_id, gone):
    make_run(instance, run_id, tag_of(gone, run_id))

    assert close_dead_runs(instance) == [run_id]

    assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.FAILURE
    assert close_dead_runs(instance) == []


def test_given_a_process_that_lives_when_closed_then_its_run_goes_on(instance, run_id):
    make_run(instance, run_id, process_tag(run_id))

    assert close_dead_runs(instance) == []
    assert instance.get_run_by_id(run_id).status == dg.DagsterRunStatus.STARTED


def test_given_a_number_used_again_when_asked_then_the_first_process_is_dead(run_id):
    tag = process_tag(run_id)
    if not tag.split()[-1].isdecimal():
        pytest.skip("this system does not tell when a process began")

    assert is_dead(dg.DagsterRun(job_name="j", run_id=run_id, tags={PROCESS_TAG: f"{tag}1"}))


@pytest.mark.parametrize("case", ["copied from another run", "another machine", "none", "noise"])
def test_given_a_tag_that_proves_nothing_when_asked_then_the_run_is_not_dead(run_id, gone, case):
    tag = tag_of(gone, run_id)
    tags = {
        "copied from another run": {PROCESS_TAG: tag_of(gone, str(uuid.uuid4()))},
        "another machine": {PROCESS_TAG: tag.replace("/", "-elsewhere/")},
        "none": {},
        "noise": {PROCESS_TAG: "what is this"},
    }[case]

    assert not is_dead(dg.DagsterRun(job_name="j", run_id=run_id, tags=tags))
