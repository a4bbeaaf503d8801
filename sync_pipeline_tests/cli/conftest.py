"""Commands in this process, on a real database."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sync_pipeline.cli.app import app

NOBODY_LISTENS = "postgresql://sync:hunter2@127.0.0.1:9/sync"


@dataclass(frozen=True)
class Ran:
    """What a command printed and returned."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:
        """The one JSON document of stdout."""
        return json.loads(self.stdout)

    @property
    def error(self) -> dict[str, str]:
        """The error of the JSON document."""
        assert self.document["success"] is False
        return self.document["error"]


Cli = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command with this environment added; without DATABASE_URL it is an empty directory."""
    monkeypatch.setenv("SYNC_LOCAL_DIR", str(tmp_path / "local"))
    monkeypatch.delenv("SYNC_DEBUG", raising=False)

    def run(*arguments: str, input: str | None = None, **environment: str) -> Ran:  # noqa: A002
        result = CliRunner().invoke(app, list(arguments), env=environment, input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.stderr
        assert "hunter2" not in result.stdout + result.stderr
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def cli(run: Cli, database_url: str) -> Cli:
    """Run a command on a migrated database without rows."""

    def on_database(*arguments: str, **environment: str) -> Ran:
        return run(*arguments, **{"DATABASE_URL": database_url} | environment)

    return on_database
