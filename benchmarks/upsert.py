"""Enqueue and upsert beside one upsert statement and beside COPY, over the same landed pages.

Belongs here: targets 1 and 2. Does not: the other sizes (flatness.py), settings (tuning.py).
"""

from benchmarks.baselines import (
    CopiedRows,
    copy_in,
    empty_tables,
    make_tables,
    read_out,
    upsert_at_once,
)
from benchmarks.landing import fresh_queue, land_pages
from benchmarks.measure import Figure, Rounds, Subject, Target, timed
from benchmarks.throwaway import Bench, Server, open_bench
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.settings import QueueSettings
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.upsert import upsert

OURS = ("enqueue", "upsert")
WORKERS = 2
_AT_ONCE = "one upsert"
_WITHOUT_CACHES = "one upsert without Memoize"
_COPIES = ("customer", "sync_line", "sync_record", "sync_activity")


class WrongResultError(Exception):
    """What was measured did not do what it should have done."""


def run(server: Server, *, lines: int, rounds: int) -> Subject:
    """Measure in turns: ours, the one statement, the COPYs."""
    settings = QueueSettings(workers=WORKERS)
    measured = Rounds()
    with open_bench(server) as bench:
        make_tables(bench.connection)
        land_pages(bench, lines)
        for _ in range(rounds):
            run_ours(bench, lines, settings, measured)
            copies = {name: read_out(bench.connection, name) for name in _COPIES}
            _run_baselines(bench, lines, copies, measured)
    return Subject(
        f"Enqueue + upsert of {lines:,} new customers, two workers",
        _figures(measured, lines),
        _remarks(),
    )


def run_ours(bench: Bench, lines: int, settings: QueueSettings, measured: Rounds) -> None:
    """One round of the real stages on empty tables."""
    queue = fresh_queue(bench, lines, settings)
    bench.settle()
    with timed(measured, "enqueue", bench.cpu):
        enqueued = enqueue(bench.database, queue, CUSTOMERS)
    with timed(measured, "upsert", bench.cpu):
        outcome = upsert(bench.database, queue, CUSTOMERS, settings)
    if enqueued.lines != lines or outcome.created != lines:
        raise WrongResultError(f"{lines} lines expected: {enqueued}, {outcome}")


def _run_baselines(
    bench: Bench, lines: int, copies: dict[str, CopiedRows], measured: Rounds
) -> None:
    for name, caches in {_AT_ONCE: True, _WITHOUT_CACHES: False}.items():
        empty_tables(bench.connection)
        bench.settle()
        with timed(measured, name, bench.cpu):
            written = upsert_at_once(bench.connection, caches=caches)
        if written != lines:
            raise WrongResultError(f"{lines} rows expected, {written} upserted")
    empty_tables(bench.connection)
    for name, rows in copies.items():
        bench.settle()
        with timed(measured, f"COPY {name}", bench.cpu):
            copy_in(bench.connection, rows)


def _figures(measured: Rounds, lines: int) -> list[Figure]:
    ours_seconds = sum(map(measured.wall, OURS))
    figures = [
        _ratio(measured, [_AT_ONCE], Target("≥", 0.9), "one INSERT … SELECT … ON CONFLICT"),
        _ratio(measured, [_WITHOUT_CACHES], None, "the same planned without Memoize"),
        _ratio(measured, ["COPY sync_line"], Target("≥", 0.4), "COPY of the lines"),
        _ratio(measured, ["COPY customer"], Target("≥", 0.4), "COPY of the customers"),
        _ratio(
            measured,
            [f"COPY {name}" for name in _COPIES],
            None,
            "COPY of all rows it writes",
        ),
        Figure("ours", lines / ours_seconds, "lines/s"),
    ]
    figures += [_phase(measured, name, lines) for name in measured.spans]
    return figures


def _phase(measured: Rounds, name: str, lines: int) -> Figure:
    cpu_seconds = measured.cpu(name)
    rounds = " ".join(f"{span.wall_seconds:.2f}" for span in measured.spans[name])
    note = f"wall {measured.wall(name) / lines * 1e6:.1f} µs/line; rounds {rounds} s"
    if cpu_seconds is None:
        return Figure(f"{name}, wall", measured.wall(name) / lines * 1e6, "µs/line", note=note)
    return Figure(f"{name}, backend CPU", cpu_seconds / lines * 1e6, "µs/line", note=note)


def _ratio(measured: Rounds, below: list[str], target: Target | None, what: str) -> Figure:
    cpu = measured.cpu_ratio(below, OURS)
    note = f"{sum(map(measured.wall, below)):.2f} s / {sum(map(measured.wall, OURS)):.2f} s"
    if cpu is not None:
        note += f"; of CPU {cpu:.2f}"
    return Figure(f"beside {what}", measured.ratio(below, OURS), "x", target, note)


def _remarks() -> list[str]:
    return [
        "Ratios are the other's time over ours. No orders: the enrichment has nothing to add.",
        "COPY takes text that was read out before, from this process, over one connection, into "
        "tables shaped and indexed like ours.",
    ]
