"""One PostgreSQL server on one data directory: make it, start it, stop it.

Belongs here: driving `initdb` and `postgres` of the wheel. Does not: when to start and stop
(keeper.py), connecting (embedded.py). Standard library only.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from sync_pipeline.postgres.account import Account
from sync_pipeline.postgres.layout import SOCKET_NAME, Layout, is_locked, try_lock
from sync_pipeline.postgres.server_errors import ServerStartError, ServerVersionError, from_output

MAJOR_VERSION = 18
# Crash recovery replays at most max_wal_size (1 GB), which a slow disk reads in minutes.
START_TIMEOUT_SECONDS = 300
STOP_TIMEOUT_SECONDS = 60
_POLL_SECONDS = 0.02
_LOG_BYTES = 10_000_000
_STATUS_LINE = 7


class Server:
    """The server of a layout, run from the directory of programs `binaries`."""

    def __init__(self, layout: Layout, binaries: Path) -> None:
        self._layout = layout
        self._binaries = binaries
        self._account = Account.choose(layout)
        self._process: subprocess.Popen[bytes] | None = None

    def is_running(self) -> bool:
        """Whether any process of the server lives, whoever started it."""
        if self._process is not None:
            self._process.poll()  # a dead child keeps no lock, but a place among the processes
        return is_locked(self._layout.lock_file("server"))

    def start(self) -> None:
        """Make the data directory if absent, start, wait until connections are taken.

        Raises:
            EmbeddedServerError: it did not start.
        """
        layout = self._layout
        lock = self._lock_when_all_are_gone()
        try:
            self._account.open_way(layout, self._binaries)
            self._account.own(layout.socket_directory)
            if not (layout.data / "PG_VERSION").exists():
                self._initialise()
            self._check_version()
            # The lock is ours: whatever process these name now, it is not the server.
            (layout.data / "postmaster.pid").unlink(missing_ok=True)
            (layout.socket_directory / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)
            log_start = self._rotate_log()
            self._process = self._spawn(lock)
        finally:
            os.close(lock)
        self._wait_until_ready(self._process, log_start)

    def stop(self) -> None:
        """Fast shutdown, and after a minute an immediate one; returns when all are gone."""
        for signal_number in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(OSError, ValueError, IndexError):
                if self.is_running():
                    os.kill(self._process_id(), signal_number)
            deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
            while time.monotonic() < deadline:
                if not self.is_running():
                    self._remove_socket_directory()
                    return
                time.sleep(_POLL_SECONDS)

    def _remove_socket_directory(self) -> None:
        # It may be under /tmp, where nobody else clears it away.
        with contextlib.suppress(OSError):
            self._layout.socket_directory.rmdir()

    def _process_id(self) -> int:
        if self._process is not None:
            return self._process.pid
        return int((self._layout.data / "postmaster.pid").read_text().splitlines()[0])

    def _lock_when_all_are_gone(self) -> int:
        # Children of a killed server end by themselves, once they notice.
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            lock = try_lock(self._layout.lock_file("server"))
            if lock is not None:
                return lock
            time.sleep(_POLL_SECONDS)
        raise ServerStartError("processes of the server before it do not end")

    def _initialise(self) -> None:
        # Under another name first: a killed initdb leaves nothing that looks like data.
        unfinished = self._layout.root / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._account.own(unfinished)
        options = {
            "pgdata": str(unfinished),
            "username": "postgres",
            "auth": "trust",  # only the socket's owner reaches it
            "encoding": "UTF8",
            "locale": "C",
            # The wheel has no ICU; this provider knows the case of every letter, alike everywhere.
            "locale-provider": "builtin",
            "builtin-locale": "C.UTF-8",
        }
        done = subprocess.run(  # noqa: S603
            [str(self._binaries / "initdb"), *(f"--{k}={v}" for k, v in options.items())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            **self._identity(),
        )
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise from_output(done.stdout.decode(errors="replace"))
        unfinished.replace(self._layout.data)

    def _check_version(self) -> None:
        found = (self._layout.data / "PG_VERSION").read_text().strip()
        if found != str(MAJOR_VERSION):
            raise ServerVersionError(found)

    def _rotate_log(self) -> int:
        log = self._layout.log
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_name("server.log.1"))
        return log.stat().st_size if log.exists() else 0

    def _spawn(self, lock: int) -> "subprocess.Popen[bytes]":
        socket_directory = str(self._layout.socket_directory).replace('"', '""')
        options = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": f'"{socket_directory}"',
            "unix_socket_permissions": "0700",
            "max_connections": "200",  # Dagster opens one a query, in every one of its processes
            "timezone": "UTC",
            "log_timezone": "UTC",
            "lc_messages": "C",
        }
        command = [str(self._binaries / "postgres"), "-D", str(self._layout.data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self._layout.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[lock],
                start_new_session=True,
                **self._identity(),
            )

    def _identity(self) -> dict[str, Any]:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        identity: dict[str, Any] = {"env": environment, "cwd": "/"}
        if self._account.is_other:
            identity |= {"user": self._account.uid, "group": self._account.gid, "extra_groups": []}
        return identity

    def _wait_until_ready(self, process: "subprocess.Popen[bytes]", log_start: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                with self._layout.log.open("rb") as log:
                    log.seek(log_start)
                    raise from_output(log.read().decode(errors="replace"))
            with contextlib.suppress(OSError, IndexError):
                lines = (self._layout.data / "postmaster.pid").read_text().splitlines()
                if lines[0] == str(process.pid) and lines[_STATUS_LINE].strip() == "ready":
                    return
            time.sleep(_POLL_SECONDS)
        raise ServerStartError(f"not ready after {START_TIMEOUT_SECONDS} s")
