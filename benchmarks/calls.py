"""How many requests a sync makes of a store with 1,000 customers and 3,009 orders.

Belongs here: target 6. Does not: how long they take (whole_sync.py).
"""

from benchmarks.measure import Figure, Subject, Target
from benchmarks.one_sync import sync_once
from benchmarks.served_store import Call, serve
from benchmarks.throwaway import Server, open_bench

_MOST_FIRST = 41
_MOST_UNCHANGED = 11


def run(server: Server) -> Subject:
    """A first sync, and one that finds nothing changed."""
    with serve() as store, open_bench(server) as bench:
        sync_once(bench.database, store.url)
        first = store.calls()
        store.forget()
        applied = sync_once(bench.database, store.url)
        unchanged = store.calls()
    return Subject(
        "Calls for 1,000 customers and 3,009 orders",
        [
            _figure("first sync", first, Target("≤", _MOST_FIRST)),
            _figure(f"nothing changed ({applied} lines)", unchanged, Target("≤", _MOST_UNCHANGED)),
        ],
        ["A probe asks for a single id, to learn a total."],
    )


def _figure(name: str, calls: list[Call], target: Target) -> Figure:
    reads = [call for call in calls if not call.is_probe]
    by_path: dict[str, int] = {}
    for call in reads:
        listing = call.path.rpartition("/")[2]
        by_path[listing] = by_path.get(listing, 0) + 1
    parts = [f"{count} {listing}" for listing, count in by_path.items()]
    parts.append(f"and {len(calls) - len(reads)} probes besides")
    return Figure(name, len(reads), "calls", target, ", ".join(parts))
