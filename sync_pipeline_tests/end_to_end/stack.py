"""The deployment as it is: the processes of deploy/, on a PostgreSQL server of their own.

Belongs here: starting, killing by pid, restarting as systemd would, stopping, and leaving nothing
behind. Does not: installing them (installing.py), what is asked of them.

The commands are those of deploy/Procfile, word for word. The keeper of the embedded server restarts
PostgreSQL when it is killed.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from sync_pipeline.postgres.database import Database
from sync_pipeline_tests.end_to_end.deployed_files import ROOT, procfile

PATIENCE_SECONDS = 180
_STOP_SECONDS = 30
_PORTS = {
    "code": "SYNC_CODE_SERVER_PORT",
    "web": "SYNC_WEBSERVER_PORT",
    "metrics": "SYNC_METRICS_PORT",
}
_POLL_SECONDS = 0.2
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
        start_seconds: what starting the processes has taken, so far.
    """

    directory: Path
    environment: Mapping[str, str]
    instance: dg.DagsterInstance
    database: Database
    start_seconds: float = 0.0
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _groups: list[int] = field(default_factory=list)

    def is_started(self, name: str) -> bool:
        """Whether it was started and not stopped; it may have been killed since."""
        return name in self._running

    def start(self, *names: str) -> None:
        """Start processes at the same time, and return when all of them answer."""
        began = time.monotonic()
        for name in names:
            self._spawn(name)
        for name in names:
            self.wait_until(lambda n=name: self._answers(n), f"{name} answers")
        self.start_seconds += time.monotonic() - began

    def stop(self, name: str) -> int:
        """End a process as systemd would; its exit code."""
        process = self._running.pop(name)
        process.terminate()
        return process.wait(_STOP_SECONDS)

    def kill(self, name: str) -> None:
        """Kill -9 a process, and no other: runs of a killed code server live on."""
        self._running[name].kill()
        self._running[name].wait(_STOP_SECONDS)

    def kill_postgres(self) -> bool:
        """Kill -9 the server; its keeper starts it again. False: it was starting just then."""
        pid_file = self.directory / "local" / "postgres" / "data" / "postmaster.pid"
        try:
            os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
        except (OSError, ValueError, IndexError):
            return False
        return True

    def kill_run(self, choose: Callable[[Sequence[int]], int]) -> bool:
        """Kill -9 a process that works on a run; False when there is none."""
        workers = self.run_workers()
        with contextlib.suppress(ProcessLookupError):
            if workers:
                os.kill(choose(workers), signal.SIGKILL)
                return True
        return False

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
        """What the question answered, once that is true.

        Raises:
            NotInTimeError: it was not so in time; says what the processes printed.
        """
        deadline = time.monotonic() + seconds
        while not (answer := is_so()) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if answer:
            return answer
        raise NotInTimeError(f"not in {seconds} s: {what}\n{self.printed()}")

    def failures(self) -> list[str]:
        """Why steps failed."""
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
            began = _began_at(self._running[name].pid)
            heartbeats = self.instance.get_daemon_heartbeats().values()
            return any(heartbeat.timestamp > began for heartbeat in heartbeats)
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(self.environment[_PORTS[name]]))) == 0


def _began_at(pid: int) -> float:
    """When a process began, Unix time."""
    return Path(f"/proc/{pid}").stat().st_ctime
