"""Orders with their lines: applied by two workers, beside one INSERT … SELECT of the same rows.

Belongs here: the target for orders, and that it holds as they grow. Does not: the one statement
(orders_at_once.py), customers (upsert.py, flatness.py), reading orders over HTTP (memory.py).
"""

from collections.abc import Sequence
from contextlib import ExitStack

from benchmarks.landing import fresh_queue, land_pages
from benchmarks.measure import Figure, Rounds, Subject, Target, lowest_share, timed
from benchmarks.orders_at_once import (
    empty_tables,
    fill_referenced,
    from_lines,
    from_pages,
    make_tables,
    rows_of,
)
from benchmarks.throwaway import Bench, Server, open_bench
from benchmarks.upsert import OURS, WORKERS, WrongResultError
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.settings import QueueSettings
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.upsert import upsert

_AT_ONCE = {"one statement, from lines": from_lines, "one statement, from pages": from_pages}
_FROM_LINES, _FROM_PAGES = _AT_ONCE
_LEAST_RATIO = 0.7
_LEAST_SHARE = 0.9
# The smallest size takes a second: one stray write of the server shows in it.
_TURNS_OF_SMALLEST = 3


def run(server: Server, *, sizes: Sequence[int], rounds: int) -> Subject:
    """Every size in turns, each in a database of its own."""
    measured = {orders: Rounds() for orders in sizes}
    n_items = {}
    with ExitStack() as stack:
        benches = {orders: stack.enter_context(open_bench(server)) for orders in sizes}
        for orders, bench in benches.items():
            make_tables(bench.connection)
            land_pages(bench, orders, ORDERS)
        for _ in range(rounds):
            for orders, bench in benches.items():
                for _ in range(_TURNS_OF_SMALLEST if orders == min(sizes) else 1):
                    n_items[orders] = _one_round(bench, orders, measured[orders])
    return Subject("Orders with their lines, two workers", _figures(measured, n_items), _REMARKS)


def _one_round(bench: Bench, orders: int, measured: Rounds) -> int:
    """Ours and the one statement over the same rows; how many lines of orders they wrote."""
    settings = QueueSettings(workers=WORKERS)
    queue = fresh_queue(bench, orders, settings, ORDERS)
    fill_referenced(bench.connection, orders)
    empty_tables(bench.connection)
    bench.settle()
    with timed(measured, "enqueue", bench.cpu):
        enqueue(bench.database, queue, ORDERS)
    with timed(measured, "upsert", bench.cpu):
        outcome = upsert(bench.database, queue, ORDERS, settings)
    if outcome.created != orders:
        raise WrongResultError(f"{orders} orders expected: {outcome}")
    ours = rows_of(bench.connection, "sales_order", "sales_order_line")
    for name, insert in _AT_ONCE.items():
        empty_tables(bench.connection)
        bench.settle()
        with timed(measured, name, bench.cpu):
            insert(bench.connection)
        theirs = rows_of(bench.connection, "bench_order", "bench_order_line")
        if theirs != ours:
            raise WrongResultError(f"{ours} rows expected, {theirs} written")
    return ours[1]


def _figures(measured: dict[int, Rounds], n_items: dict[int, int]) -> list[Figure]:
    figures = []
    for orders, one in measured.items():
        figures += _ratios(one, orders)
    rates = {orders: orders / one.wall("upsert") for orders, one in measured.items()}
    figures.append(
        Figure(
            f"lowest rate beside that at {min(rates):,} orders",
            lowest_share(rates),
            "x",
            Target("≥", _LEAST_SHARE) if len(rates) > 1 else None,
            f"applied; the one statement {_share_of(measured, _FROM_LINES)}",
        )
    )
    for orders, one in measured.items():
        whole = orders / sum(map(one.wall, OURS))
        note = f"with {n_items[orders]:,} lines of their own; enqueued and applied {whole:,.0f}"
        figures.append(Figure(f"{orders:,} orders applied", rates[orders], "orders/s", note=note))
        figures += [_phase(one, name, orders) for name in one.spans]
    return figures


def _ratios(one: Rounds, orders: int) -> list[Figure]:
    compared: list[tuple[str, str, Sequence[str], Target | None]] = [
        ("applied", _FROM_LINES, ["upsert"], Target("≥", _LEAST_RATIO)),
        ("enqueued and applied", _FROM_PAGES, OURS, None),
    ]
    figures = []
    for done, other, ours, target in compared:
        note = f"{one.wall(other):.2f} s / {sum(map(one.wall, ours)):.2f} s"
        if (cpu := one.cpu_ratio([other], ours)) is not None:
            note += f"; of CPU {cpu:.2f}"
        name = f"{orders:,} orders {done}, beside one INSERT … SELECT"
        figures.append(Figure(name, one.ratio([other], ours), "x", target, note))
    return figures


def _share_of(measured: dict[int, Rounds], name: str) -> str:
    """How flat another one is, and our CPU: they tell what the machine did meanwhile."""
    share = lowest_share({orders: orders / one.wall(name) for orders, one in measured.items()})
    spent = {orders: one.cpu("upsert") for orders, one in measured.items()}
    rates = {orders: orders / cpu for orders, cpu in spent.items() if cpu}
    return f"{share:.2f}" + (f"; our CPU {lowest_share(rates):.2f}" if rates else "")


def _phase(one: Rounds, name: str, orders: int) -> Figure:
    cpu_seconds = one.cpu(name)
    wall = one.wall(name) / orders * 1e6
    note = f"wall {wall:.1f} µs/order; rounds " + " ".join(
        f"{span.wall_seconds:.2f}" for span in one.spans[name]
    )
    if cpu_seconds is None:
        return Figure(f"{name}, wall", wall, "µs/order", note=f"{note} s")
    return Figure(f"{name}, backend CPU", cpu_seconds / orders * 1e6, "µs/order", note=f"{note} s")


_REMARKS = [
    "Ratios are the one statement's time over ours. Applied: it reads the same payloads from "
    "sync_line, with the same projection. Enqueued and applied: it reads the landed pages.",
    "It writes sales_order and sales_order_line's twins: same columns, checks, generated columns, "
    "defaults and indexes (there are no foreign keys); no triggers, no row-level security. Our "
    "keys, no ON CONFLICT: any order that was there before would end it.",
    "Customers and products that orders name are there, so references are found.",
]
