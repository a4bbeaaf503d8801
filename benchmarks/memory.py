"""The most memory that a sync uses, at two sizes.

Belongs here: the target for memory, of customers and orders. Does not: the database's memory; the
store's is in its own process.
"""

from dataclasses import dataclass

from benchmarks.apart import run_apart
from benchmarks.landing import ORDERS_PER_CUSTOMER
from benchmarks.measure import Figure, Subject, Target
from benchmarks.one_sync import connect_store
from benchmarks.orders_at_once import fill_referenced
from benchmarks.served_store import serve
from benchmarks.throwaway import Server, open_bench
from sync_pipeline.entities import Entity
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.entities.woocommerce_orders import ORDERS


@dataclass(frozen=True)
class Said:
    """What a sync in a process of its own said at its end; memory in MB, times in seconds."""

    peak_mb: float
    seconds: dict[str, float]


def run(server: Server, *, small: int, large: int, entity: Entity = CUSTOMERS) -> Subject:
    """A sync of so many made records each, in a process of its own."""
    said = {records: sync_apart(server, records, entity) for records in (small, large)}
    peaks = {records: one.peak_mb for records, one in said.items()}
    largest = f"{large:,} made {entity.name}"
    return Subject(
        f"Peak resident memory of a process that syncs {entity.name}",
        [
            Figure(largest, peaks[large], "MB", Target("≤", 400), _times(said[large])),
            Figure(f"{small:,} made {entity.name}", peaks[small], "MB", note=_times(said[small])),
            Figure("growth", peaks[large] / peaks[small], "x", Target("≤", 1.2), "within 20 %"),
        ],
        [
            "All four stages, default settings, without Dagster; the store in another process.",
        ],
    )


def sync_apart(server: Server, records: int, entity: Entity = CUSTOMERS) -> Said:
    """One sync of so many made records, with what they refer to there."""
    is_orders = entity is ORDERS
    customers, orders = (records // ORDERS_PER_CUSTOMER, records) if is_orders else (records, 0)
    with serve(customers=customers, orders=orders) as store, open_bench(server) as bench:
        if is_orders:
            connect_store(bench.database, store.url)
            fill_referenced(bench.connection, orders)
        said = run_apart("benchmarks.one_sync", bench.url, store.url, entity.name)
    if said["applied"] != records:
        raise RuntimeError(f"{records} {entity.name} expected: {said}")
    return Said(float(said["peak_mb"]), said["seconds"])


def _times(said: Said) -> str:
    return ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in said.seconds.items())
