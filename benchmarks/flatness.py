"""The rate at growing sizes: what a line costs must not depend on how many there are.

Belongs here: target 4. Does not: what it is compared with (upsert.py).
"""

from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.landing import land_pages
from benchmarks.measure import Figure, Rounds, Subject, Target, lowest_share
from benchmarks.throwaway import Server, open_bench
from benchmarks.upsert import OURS, run_ours
from sync_pipeline.settings import QueueSettings

# The smallest size takes a fraction of a second: one stray write of the server shows in it.
_TURNS_OF_SMALLEST = 3


def run(server: Server, *, sizes: Sequence[int], rounds: int) -> Subject:
    """Every size in turns, each in a database of its own."""
    settings = QueueSettings()
    measured = {lines: Rounds() for lines in sizes}
    with ExitStack() as stack:
        benches = {lines: stack.enter_context(open_bench(server)) for lines in sizes}
        for lines, bench in benches.items():
            land_pages(bench, lines)
        for _ in range(rounds):
            for lines, bench in benches.items():
                for _ in range(_TURNS_OF_SMALLEST if lines == min(sizes) else 1):
                    run_ours(bench, lines, settings, measured[lines])
    rates = {lines: lines / sum(map(one.wall, OURS)) for lines, one in measured.items()}
    share = lowest_share(rates)
    figures = [
        Figure(
            f"lowest rate beside that at {min(sizes):,} lines",
            share,
            "x",
            Target("≥", 0.9),
            "flat within 10 %",
        )
    ]
    for lines, one in measured.items():
        figures.append(Figure(f"{lines:,} lines", rates[lines], "lines/s", note=_costs(one, lines)))
    return Subject("Flat over the size of a sync", figures)


def _costs(measured: Rounds, lines: int) -> str:
    parts = []
    for name in OURS:
        cpu_seconds = measured.cpu(name)
        if cpu_seconds is not None:
            parts.append(f"{name} {cpu_seconds / lines * 1e6:.1f}")
    return f"backend CPU, µs/line: {', '.join(parts)}" if parts else ""
