"""The demo store in a process of its own, and what it was asked.

Belongs here: starting, asking for its log, ending. Does not: what it serves (sync_pipeline/demo/).
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

_ROOT = Path(__file__).parent.parent
_TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Call:
    """One request that the store answered; the query is without keys and signature."""

    path: str
    query: Mapping[str, str]

    @property
    def is_probe(self) -> bool:
        """Whether it asked for one id only: for a total, not for records."""
        return self.query.get("_fields") == "id" and self.query.get("per_page") == "1"


@dataclass(frozen=True)
class ServedStore:
    """A store that answers at `url`."""

    url: str

    def calls(self) -> list[Call]:
        """What was asked since the last `forget`."""
        answer = requests.get(f"{self.url}/__demo__/requests", timeout=_TIMEOUT_SECONDS)
        entries: list[dict[str, Any]] = answer.json()
        return [Call(entry["path"], dict(entry["query"])) for entry in entries]

    def forget(self) -> None:
        """Begin the log anew."""
        requests.delete(f"{self.url}/__demo__/requests", timeout=_TIMEOUT_SECONDS)


@contextmanager
def serve(
    *, latency_seconds: float = 0.0, customers: int | None = None, orders: int = 0
) -> Iterator[ServedStore]:
    """Serve the recorded store, or one of so many made customers and orders."""
    command = [sys.executable, "-m", "sync_pipeline.demo", "--port", "0"]
    command += ["--parent-pid", str(os.getpid()), "--latency-seconds", str(latency_seconds)]
    if customers is not None:
        command += ["--customers", str(customers), "--orders", str(orders)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield ServedStore(process.stdout.readline().strip())
        finally:
            process.terminate()
