"""The system account the embedded server runs as, and what that account must be able to reach.

Belongs here: choosing it, making directories its own, opening the way to them. Does not: starting
processes (server.py). Standard library only.

PostgreSQL refuses to run as root. As root we run it as another account, which must be able to
search every directory above the data and above the programs.
"""

import contextlib
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from sync_pipeline.postgres.layout import Layout
from sync_pipeline.postgres.server_errors import UnusablePathError

_READ_AND_SEARCH = 0o005


@dataclass(frozen=True)
class Account:
    """A user and group id."""

    uid: int
    gid: int

    @classmethod
    def choose(cls, layout: Layout) -> "Account":
        """Ourselves; as root the owner of the data, or of the directory around it, or `nobody`."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        for path in (layout.data, layout.root.parent):
            if path.exists() and path.stat().st_uid != 0:
                with contextlib.suppress(KeyError):
                    return cls._of(pwd.getpwuid(path.stat().st_uid))
        return cls._of(pwd.getpwnam("nobody"))

    @classmethod
    def _of(cls, entry: pwd.struct_passwd) -> "Account":
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def is_other(self) -> bool:
        """Whether we have to become another account to use it."""
        return self.uid != os.geteuid()

    def own(self, directory: Path) -> None:
        """Make a directory that this account alone can use.

        Raises:
            UnusablePathError: it exists and belongs to someone else.
        """
        directory.mkdir(mode=0o700, exist_ok=True)
        if directory.is_symlink():
            raise UnusablePathError(f"{directory} is a symbolic link")
        if self.is_other:
            os.chown(directory, self.uid, self.gid)
        if directory.stat().st_uid != self.uid:
            raise UnusablePathError(f"{directory} belongs to another user")
        directory.chmod(0o700)

    def open_way(self, layout: Layout, binaries: Path) -> None:
        """As root, let this account reach the data and run the programs.

        Directories above get search permission and no more, so their names stay unreadable.
        """
        if not self.is_other:
            return
        for directory in (layout.root, *layout.root.parents, *binaries.parents):
            mode = directory.stat().st_mode
            if not mode & 0o001:
                directory.chmod(mode | 0o001)
        if (binaries / "postgres").stat().st_mode & _READ_AND_SEARCH != _READ_AND_SEARCH:
            _open_to_all(binaries.parent)


def _open_to_all(tree: Path) -> None:
    """Let every account read a tree, and run what its owner may run."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o004 | (0o001 if mode & 0o100 else 0))
