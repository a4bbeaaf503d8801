"""The files of the embedded server, and the locks by which its processes know of each other.

Belongs here: names of files, taking and asking locks. Does not: starting anything. Standard
library only: the keeper runs without site-packages.

The one rule: who is alive is told by locks on files, which the kernel drops with the process,
however it ended. No process id outlives its lock, so none is stale.

    clients.lock   shared by every client; who gets it exclusively knows that none is left
    keeper.lock    held by the keeper, one a directory; names its process, true while held
    server.lock    inherited by PostgreSQL and all its children; free means that all are gone
"""

import fcntl
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SOCKET_NAME = ".s.PGSQL.5432"
# sun_path holds 108 bytes on Linux and 104 elsewhere, with the closing NUL.
_SOCKET_PATH_BYTES = 103


@dataclass(frozen=True)
class Layout:
    """The files under `root`, an absolute path without symbolic links."""

    root: Path

    @property
    def data(self) -> Path:
        """The data directory of PostgreSQL."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """What PostgreSQL printed."""
        return self.root / "server.log"

    @property
    def socket_directory(self) -> Path:
        """Where the Unix socket is: beside the data, or under /tmp when that cannot be."""
        beside = self.root / "socket"
        fits = len(os.fsencode(beside / SOCKET_NAME)) <= _SOCKET_PATH_BYTES
        # libpq reads a comma in a host as a list of hosts.
        if fits and "," not in str(beside):
            return beside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path(f"/tmp/sync-pipeline-{digest}")  # noqa: S108  (0700, and the owner is checked)

    def lock_file(self, name: Literal["clients", "keeper", "server"]) -> Path:
        """One of the locks named in the module's docstring."""
        return self.root / f"{name}.lock"


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """An open descriptor that holds the lock until closed, or None when another has it.

    Raises:
        OSError: the file cannot be opened, or its file system has no locks.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether any process holds the lock."""
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False
