"""The most memory that a sync uses, at two sizes.

Belongs here: target 7. Does not: the database's memory; the store's is in its own process.
"""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Figure, Subject, Target
from benchmarks.served_store import serve
from benchmarks.throwaway import Server, open_bench

_ROOT = Path(__file__).parent.parent


def run(server: Server, *, small: int, large: int) -> Subject:
    """A sync of so many made customers each, in a process of its own."""
    peaks = {customers: peak_mb(server, customers) for customers in (small, large)}
    return Subject(
        "Peak resident memory of a sync's process",
        [
            Figure(f"{large:,} made customers", peaks[large], "MB", Target("≤", 400)),
            Figure(f"{small:,} made customers", peaks[small], "MB"),
            Figure("growth", peaks[large] / peaks[small], "x", Target("≤", 1.2), "within 20 %"),
        ],
        ["All four stages, default settings, without Dagster; the store in another process."],
    )


def peak_mb(server: Server, customers: int) -> float:
    """The most memory of one sync, in MB."""
    with serve(customers=customers) as store, open_bench(server) as bench:
        ended = subprocess.run(
            [sys.executable, "-m", "benchmarks.one_sync", bench.url, store.url],
            cwd=_ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    said = json.loads(ended.stdout)
    if said["applied"] != customers:
        raise RuntimeError(f"{customers} customers expected: {said}")
    return float(said["peak_mb"])
