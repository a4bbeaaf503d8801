"""Execute a job in this process, so that its run looks in the UI as if the UI had started it.

Belongs here: the few names of Dagster that are not public, and why. Does not: what is run.

`JobDefinition.execute_in_process` swaps the executor, so the UI shows the run under a version of
the job that it does not know. `execute_job` leaves the code location out, and the UI cannot
re-execute such a run: `launchRunReexecution` fails on it. Looked up in Dagster 1.13.27; the tests
hold both the run's snapshot and its origin to what a webserver loads.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from sync_pipeline.orchestration.build import build_definitions

# As in workspace.yaml and pyproject.toml.
LOCATION: Final = "sync_pipeline"
_MODULE: Final = "sync_pipeline.definitions"
_REPOSITORY: Final = "__repository__"


def execute_here(
    instance: dg.DagsterInstance,
    job_name: str,
    *,
    run_id: str,
    tags: Mapping[str, str],
    run_config: Mapping[str, Any],
    assets: Sequence[dg.AssetKey] | None = None,
) -> dg.JobExecutionResult:
    """Make a run of the job and execute it; returns when it has ended, well or not.

    Args:
        tags: of the run; `dagster/partition` names the partition.
        assets: only these of the job's.
    """
    job = dg.build_reconstructable_job(__name__, "reconstruct_job", (job_name,))
    selection = frozenset(assets) if assets is not None else None
    job = job.get_subset(asset_selection=selection)
    run = instance.create_run_for_job(
        job.get_definition(),
        run_id=run_id,
        run_config=run_config,
        tags=tags,
        asset_selection=selection,
        remote_job_origin=_origin(job_name),
        job_code_origin=job.get_python_origin(),
    )
    return execute_run(job, run, instance, raise_on_error=False)


def reconstruct_job(name: str) -> dg.JobDefinition:
    """The job of that name, for Dagster to make again."""
    return build_definitions().resolve_job_def(name)


def _origin(job_name: str) -> RemoteJobOrigin:
    """Where a webserver that loads workspace.yaml finds the job."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name=_MODULE), location_name=LOCATION
    )
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, _REPOSITORY), job_name)
