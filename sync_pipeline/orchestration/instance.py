"""The Dagster instance of this checkout: its storage in PostgreSQL, its home under `local_dir`.

Belongs here: `dagster.yaml` and the environment that processes of Dagster need. Does not: starting
them (cli/), definitions.

The one rule: no password in a file. `dagster.yaml` names an environment variable.
"""

import os
from pathlib import Path
from typing import Final

import dagster as dg

from sync_pipeline.postgres.urls import dagster_url
from sync_pipeline.settings import DatabaseSettings, RunSettings

STORAGE_VARIABLE: Final = "SYNC_DAGSTER_STORAGE_URL"

_COMMON = f"""\
# Written by sync-pipeline whenever it starts Dagster; changes here are overwritten.
storage:
  postgres:
    postgres_url:
      env: {STORAGE_VARIABLE}
telemetry:
  enabled: false
nux:
  enabled: false
"""
_FOR_SERVERS = """\
run_coordinator:
  module: sync_pipeline.orchestration.coordinator
  class: FairRunCoordinator
  config:
    dequeue_interval_seconds: 1
    dequeue_use_threads: true
    dequeue_num_workers: 4
concurrency:
  runs:
    # SYNC_MAX_CONCURRENT_RUNS. What is above it waits in Dagster's queue.
    max_concurrent_runs: {max_concurrent_runs}
    tag_concurrency_limits:
      # One sync of a connection at a time.
      - key: dagster/partition
        value:
          applyLimitPerUniqueValue: true
        limit: 1
      # SYNC_MAX_RUNS_PER_ORGANIZATION.
      - key: sync/organization
        value:
          applyLimitPerUniqueValue: true
        limit: {max_runs_per_organization}
  pools:
    # Without a default, a pool that lost its limit fails every step. As many as there are runs, so
    # that no pool holds a run back until an operator lowers its limit in the UI.
    default_limit: {max_concurrent_runs}
    granularity: op
run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  max_runtime_seconds: 43200
  free_slots_after_run_end_seconds: 60
sensors:
  use_threads: true
  num_workers: 4
retention:
  # Ticks of sensors come every few seconds: kept forever they outgrow everything else.
  sensor:
    purge_after_days:
      skipped: 1
      success: 7
      failure: 30
      started: 7
  schedule:
    purge_after_days:
      skipped: 1
      success: 30
      failure: 30
      started: 30
"""
# A command of a person writes to their terminal: Dagster must not take its output into files.
_FOR_COMMANDS = """\
compute_logs:
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def ensure_instance(settings: DatabaseSettings, url: str) -> dg.DagsterInstance:
    """The persisted instance, for use inside a command; its tables are made if absent.

    Sets DAGSTER_HOME and the storage's URL in the environment of this process.

    Args:
        url: of our database; Dagster's is `dagster` on the same server.

    Raises:
        As `dagster_url`.
    """
    os.environ.update(dagster_environment(settings, url))
    return dg.DagsterInstance.from_config(str(dagster_home(settings)), "commands.yaml")


def dagster_environment(settings: DatabaseSettings, url: str) -> dict[str, str]:
    """What `dagster-webserver`, `dagster-daemon` and `dagster dev` need to be this instance.

    Raises:
        As `dagster_url`.
    """
    home = dagster_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    servers = servers_yaml(RunSettings())
    _write(home / "dagster.yaml", _COMMON + servers)
    _write(home / "commands.yaml", _COMMON + servers + _FOR_COMMANDS)
    return {
        "DAGSTER_HOME": str(home),
        STORAGE_VARIABLE: dagster_url(url),
        "SYNC_LOCAL_DIR": str(settings.local_dir.absolute()),
    }


def servers_yaml(settings: RunSettings) -> str:
    """How runs are queued and limited, as YAML for dagster.yaml."""
    return _FOR_SERVERS.format(**settings.model_dump())


def dagster_home(settings: DatabaseSettings) -> Path:
    """Where Dagster keeps its files; absolute, because Dagster refuses anything else."""
    return (settings.local_dir / "dagster").absolute()


def _write(path: Path, text: str) -> None:
    """Replace the file at once, so that a process which starts now reads all of it."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
