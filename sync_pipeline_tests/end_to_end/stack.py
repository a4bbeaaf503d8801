"""The deployment as it is: the processes of deploy/, on a PostgreSQL server of their own.

Belongs here: starting, killing by pid, restarting as systemd would, stopping, and leaving nothing
behind. Does not: what is asked of them.

The commands are those of deploy/Procfile, word for word, the configuration is deploy/dagster.yaml
and deploy/workspace.yaml, the environment has the variables of deploy/environment.example. The
keeper of the embedded server restarts PostgreSQL when it is killed.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import yaml

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.embedded import ensure_embedded, leave_embedded, stop_embedded
from sync_pipeline.postgres.migrations import migrate
from sync_pipeline.postgres.urls import dagster_url
from sync_pipeline_tests.conftest import settings_for

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
PATIENCE_SECONDS = 120
_STOP_SECONDS = 30
_POLL_SECONDS = 0.05
# Started in the background, a process inherits that SIGINT is ignored, and Dagster then ignores
# SIGTERM too. And it ends with us, however we end (Linux).
_AS_A_SERVICE = """
import ctypes, os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class NotInTimeError(AssertionError):
    """What was waited for did not come."""


@dataclass
class Stack:
    """The processes by the name they have in the Procfile, and what they work on.

    Attributes:
        instance: the Dagster instance that they share, seen from this process.
        database: the one they sync into.
    """

    directory: Path
    environment: Mapping[str, str]
    instance: dg.DagsterInstance
    database: Database
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _groups: list[int] = field(default_factory=list)

    def start(self, *names: str) -> None:
        """Start processes at the same time, and return when all of them answer."""
        for name in names:
            self._spawn(name)
        for name in names:
            self.wait_until(lambda n=name: self._answers(n), f"{name} answers")

    def stop(self, name: str) -> int:
        """End a process as systemd would; its exit code."""
        process = self._running.pop(name)
        process.terminate()
        return process.wait(_STOP_SECONDS)

    def kill(self, name: str) -> None:
        """Kill -9 a process, and no other: runs of a killed code server live on."""
        self._running[name].kill()
        self._running[name].wait(_STOP_SECONDS)

    def kill_postgres(self) -> None:
        """Kill -9 the server; its keeper starts it again."""
        pid_file = self.directory / "local" / "postgres" / "data" / "postmaster.pid"
        with contextlib.suppress(OSError, ValueError):  # it is starting at this moment
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

    def run_workers(self) -> list[int]:
        """The processes that work on runs."""
        return [pid for pid, command in self.processes().items() if "spawn_main" in command]

    def tend(self) -> list[str]:
        """Start again whatever has ended, as systemd would; the names."""
        ended = [name for name, process in self._running.items() if process.poll() is not None]
        for name in ended:
            self._spawn(name)
        return ended

    def wait_until(
        self, is_so: Callable[[], Any], what: str, seconds: float = PATIENCE_SECONDS
    ) -> Any:
        """Wait, tending the processes; what the question answered at last.

        Raises:
            NotInTimeError: it was not so in time; says what the processes printed.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if answer := is_so():
                return answer
            time.sleep(_POLL_SECONDS)
        raise NotInTimeError(f"not in {seconds} s: {what}\n{self.printed()}")

    def failures(self) -> list[str]:
        """Why runs failed, each step in its own words."""
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE])
        return [
            entry.dagster_event.step_failure_data.error_display_string
            for run in self.instance.get_runs(failed)
            for entry in self.instance.all_logs(
                run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
            )
        ]

    def printed(self, last_characters: int = 3000) -> str:
        """What the processes printed last."""
        logs = sorted(self.directory.glob("*.log"))
        return "\n".join(f"== {log.name}\n{log.read_text()[-last_characters:]}" for log in logs)

    def processes(self) -> dict[int, str]:
        """Every process that has this stack in its environment, with its command."""
        mark = f"DAGSTER_HOME={self.environment['DAGSTER_HOME']}\0".encode()
        found = {}
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes():
                    words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found |= {int(entry.name): words.strip()} if words else {}  # a zombie has none
        return found

    def graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the webserver as the UI does."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.environment['SYNC_WEBSERVER_PORT']}/graphql",
            data=json.dumps({"query": query, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `sync-pipeline` as an operator of this deployment."""
        return subprocess.run(
            [sys.executable, "-m", "sync_pipeline.cli", *arguments],
            env=dict(self.environment),
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )

    def end(self) -> None:
        """Stop everything, by force what does not stop."""
        for process in self._running.values():
            if process.poll() is None:
                process.terminate()
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_SECONDS)
        for group in self._groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._running.values():
            process.wait(_STOP_SECONDS)

    def _spawn(self, name: str) -> None:
        with (self.directory / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-S", "-c", _AS_A_SERVICE, "sh", "-c", procfile()[name]],
                cwd=ROOT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running[name] = process
        self._groups.append(process.pid)

    def _answers(self, name: str) -> bool:
        if self._running[name].poll() is not None:
            raise NotInTimeError(f"{name} ended\n{self.printed()}")
        if name == "daemon":
            began = self._running[name].pid
            return any(
                heartbeat.timestamp > _began_at(began)
                for heartbeat in self.instance.get_daemon_heartbeats().values()
            )
        variable = {"code": "SYNC_CODE_SERVER_PORT", "web": "SYNC_WEBSERVER_PORT"}[name]
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.environment[variable]))) == 0


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


def procfile() -> dict[str, str]:
    """The commands of deploy/Procfile by the name of the process."""
    lines = (DEPLOY / "Procfile").read_text().splitlines()
    named = [line.partition(":") for line in lines if line and not line.startswith("#")]
    return {name: command.strip() for name, _, command in named}


def example_variables() -> list[str]:
    """What deploy/environment.example sets."""
    lines = (DEPLOY / "environment.example").read_text().splitlines()
    return [line.partition("=")[0] for line in lines if line and not line.startswith("#")]


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
    code_port, web_port = free_ports(2)
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


def _began_at(pid: int) -> float:
    """When a process began, Unix time."""
    return Path(f"/proc/{pid}").stat().st_ctime
