"""An installation as docs/operations.md describes it, in a directory that goes away.

Belongs here: a PostgreSQL server of its own, the environment, the home of Dagster. Does not: the
processes (stack.py), reading deploy/ (deployed_files.py).

The configuration is deploy/dagster.yaml and deploy/workspace.yaml, the environment has what is in
deploy/environment.example and nothing else that matters: what is missing there is missed here.
"""

import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.embedded import ensure_embedded, leave_embedded, stop_embedded
from sync_pipeline.postgres.migrations import migrate
from sync_pipeline.postgres.urls import dagster_url
from sync_pipeline_tests.conftest import settings_for
from sync_pipeline_tests.end_to_end.deployed_files import DEPLOY, ROOT, example_variables
from sync_pipeline_tests.end_to_end.stack import Stack

ON_A_SERVER_OF_ITS_OWN = pytest.mark.skipif(
    "DATABASE_URL" in os.environ,
    reason="these processes have a server of their own, the embedded one",
)


@contextmanager
def installed_stack(
    directory: Path, *, limits: Mapping[str, Any] | None = None, **settings: Any
) -> Iterator[Stack]:
    """The deployment, installed: its server runs and is migrated, nothing else is started yet.

    Args:
        limits: replace those of `concurrency.runs` in dagster.yaml.
        settings: more environment.
    """
    local_dir = directory / "local"
    url = _server(local_dir)
    environment = _environment(directory, url, settings)
    home = Path(environment["DAGSTER_HOME"])
    home.mkdir(parents=True)
    configuration = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    configuration["concurrency"]["runs"] |= dict(limits or {})
    # Sized to this machine, as the file says: about one start per core.
    queue = configuration["run_coordinator"]["config"]
    queue["dequeue_num_workers"] = min(queue["dequeue_num_workers"], 2 * (os.cpu_count() or 1))
    (home / "dagster.yaml").write_text(yaml.safe_dump(configuration))
    storage = "SYNC_DAGSTER_STORAGE_URL"
    os.environ[storage] = environment[storage]
    try:
        with (
            Database.open(settings_for(url)) as database,
            dg.DagsterInstance.from_config(str(home)) as instance,
        ):
            stack = Stack(directory, environment, instance, database)
            try:
                yield stack
            finally:
                stack.end()
    finally:
        os.environ.pop(storage, None)
        leave_embedded(local_dir)
        stop_embedded(local_dir)
        shutil.rmtree(directory, ignore_errors=True)


def free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on at this moment."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _server(local_dir: Path) -> str:
    url = ensure_embedded(local_dir)
    with psycopg.connect(url, autocommit=True) as connection:
        # Only speed: what a killed server process has written, the system has.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    migrate(url)
    return url


def _environment(directory: Path, url: str, settings: Mapping[str, Any]) -> dict[str, str]:
    code_port, web_port, metrics_port = free_ports(3)
    passwords = directory / "pgpass"
    passwords.touch(mode=0o600)
    values = {
        "DATABASE_URL": url,
        "SYNC_DAGSTER_STORAGE_URL": dagster_url(url),
        "PGPASSFILE": str(passwords),
        "DAGSTER_HOME": str(directory / "dagster"),
        "SYNC_LOCAL_DIR": str(directory / "local"),
        "SYNC_CODE_SERVER_HOST": "127.0.0.1",
        "SYNC_CODE_SERVER_PORT": str(code_port),
        "SYNC_WEBSERVER_HOST": "127.0.0.1",
        "SYNC_WEBSERVER_PORT": str(web_port),
        "SYNC_METRICS_HOST": "127.0.0.1",
        "SYNC_METRICS_PORT": str(metrics_port),
        "DAGSTER_GRPC_TIMEOUT_SECONDS": "180",
        "SYNC_SCHEDULES": "off",  # a test says what starts
        "SYNC_LOG_LEVEL": "info",
        "SYNC_LOG_FORMAT": "json",
    }
    return {
        # Nothing else reaches them: what is missing in the example is missed here.
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "PYTHONPATH": str(ROOT),
        **{name: values[name] for name in example_variables()},
        "SHOP_KEY": DEMO_KEY,
        "SHOP_SECRET": DEMO_SECRET,
        **{name: str(value) for name, value in settings.items()},
    }
