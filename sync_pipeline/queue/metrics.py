"""The metrics of syncs for Prometheus, from rows that all processes share.

Belongs here: names, labels and how a metric follows from a row. Does not: serving them (cli/),
the daemon's heartbeat (orchestration/daemons.py), judging (health.py).

Labels are connection, organization, entity, state and code, nothing that grows with the data.
Counters never fall: what a queue counted stays when the queue is dropped (migration 0005), and
what a crash of the server took back is held until it is there again.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, Final

import psycopg
from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from sync_pipeline.errors import SyncError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.situations import Situation, situations
from sync_pipeline.sources.call_stats import BUCKET_SECONDS

_PAIR: Final = ("connection", "organization", "entity")
_STORE: Final = ("connection", "organization")
_APPLIED: Final = ("created", "updated", "unchanged", "failed", "cancelled")
_ENDS: Final = ("done", "partial", "failed", "cancelled")
_CIRCUIT_STATES: Final = ("closed", "half_open", "open")
_BOUNDS: Final = (*(f"{bound:g}" for bound in BUCKET_SECONDS), "+Inf")


class Ratchet:
    """Holds each counter of this process at the highest value that was seen."""

    def __init__(self) -> None:
        self._highest: dict[tuple[str, ...], float] = {}

    def hold(self, name: str, labels: Iterable[str], value: float) -> float:
        """The value, or the higher one from before."""
        key = (name, *labels)
        self._highest[key] = max(value, self._highest.get(key, 0.0))
        return self._highest[key]


class SyncCollector(Collector):
    """Asks PostgreSQL at each scrape. A database that does not answer is a metric as well."""

    def __init__(self, database: Callable[[], Database]) -> None:
        """`database` is asked for at each scrape, and may raise."""
        self._database = database
        self._ratchet = Ratchet()

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every metric, as it is now."""
        began = time.perf_counter()
        try:
            families = self._families()
        except (SyncError, psycopg.Error):
            families = []
        up = GaugeMetricFamily("sync_database_up", "1: PostgreSQL answers and is migrated.")
        up.add_metric([], float(bool(families)))
        took = GaugeMetricFamily("sync_scrape_seconds", "How long reading these values took.")
        took.add_metric([], time.perf_counter() - began)
        yield from (up, took, *families)

    def _families(self) -> list[Metric]:
        with self._database().control() as conn:
            found = situations(conn)
            calls = conn.execute(statement("metrics/calls")).fetchall()
            disputed = conn.execute(statement("metrics/conflicts")).fetchall()
        return [
            *gauges_of(found),
            conflicts_of(disputed),
            *counters_of(found, self._ratchet),
            *calls_of(calls, self._ratchet),
            circuits_of(found),
        ]


def gauges_of(found: Iterable[Situation]) -> Iterator[Metric]:
    """What stands open, waits and ages. Pure."""
    lines = _gauge("queue_lines", "Lines of queues that are not finished.", *_PAIR, "state")
    queues = _gauge("open_queues", "Queues that are not finished.", *_PAIR, "state")
    action = _gauge("queues_action_required", "1: a person must act on the newest queue.", *_PAIR)
    failing = _gauge("all_failed", "1: the last sync failed whole, or run after run does.", *_PAIR)
    stuck = _gauge("queue_stuck_seconds", "Nobody has worked on what is due for so long.", *_PAIR)
    overdue = _gauge("oldest_due_retry_seconds", "How long the next try has been due.", *_PAIR)
    age = _gauge("age_seconds", "Since the last sync that read and applied everything.", *_PAIR)
    for one in found:
        pair = _pair(one)
        age.add_metric(pair, one.age_seconds)
        if one.entity is None:
            continue
        for state, count in _open_lines(one).items():
            lines.add_metric([*pair, state], count)
        for state, is_so in _open_states(one).items():
            queues.add_metric([*pair, state], float(is_so))
        action.add_metric(pair, float(one.is_action_required))
        failing.add_metric(pair, float(one.is_failing_whole))
        stuck.add_metric(pair, one.stuck_seconds)
        overdue.add_metric(pair, one.retry_overdue_seconds)
    yield from (lines, queues, action, failing, stuck, overdue, age)


def counters_of(found: Iterable[Situation], ratchet: Ratchet) -> Iterator[Metric]:
    """What was done since counting began; open queues count as far as they are."""
    lines = _counter("lines", "Lines that came to an end.", *_PAIR, "state")
    ends = _counter("queues_finished", "Queues that came to an end.", *_PAIR, "state")
    takeovers = _counter("lease_takeovers", "Batches whose lease ran out and was taken.", *_PAIR)
    retries = _counter("retries", "Further passes of batches, for lines that try again.", *_PAIR)

    def add(family: CounterMetricFamily, labels: list[str], value: float) -> None:
        family.add_metric(labels, ratchet.hold(family.name, labels, value))

    for one in found:
        if one.entity is None:
            continue
        pair = _pair(one)
        for state in _APPLIED:
            add(lines, [*pair, state], one.total(f"lines_{state}"))
        for state in _ENDS:
            add(ends, [*pair, state], one.total(f"queues_{state}"))
        add(takeovers, pair, one.total("takeovers"))
        add(retries, pair, one.total("retries"))
    yield from (lines, ends, takeovers, retries)


def calls_of(rows: Iterable[Mapping[str, Any]], ratchet: Ratchet) -> Iterator[Metric]:
    """Calls to stores by outcome, and how long they took."""
    calls = _counter("store_calls", "HTTP requests to a store by outcome.", *_STORE, "code")
    waits = _counter("store_token_wait_seconds", "Waited for the right to ask.", *_STORE)
    took = HistogramMetricFamily(
        "sync_store_call_seconds", "From a request to its whole answer.", labels=_STORE
    )
    by_store: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        store = (row["connection"], row["organization"])
        by_store.setdefault(store, []).append(row)
        if row["calls"]:
            labels = [*store, row["code"]]
            calls.add_metric(labels, ratchet.hold(calls.name, labels, row["calls"]))
    for store, outcomes in by_store.items():
        waits.add_metric(
            store, ratchet.hold(waits.name, store, sum(one["waited_seconds"] for one in outcomes))
        )
        buckets = accumulate(map(sum, zip(*(one["buckets"] for one in outcomes), strict=True)))
        took.add_metric(
            store,
            list(zip(_BOUNDS, map(float, buckets), strict=True)),
            sum(one["seconds"] for one in outcomes),
        )
    yield from (calls, waits, took)


def conflicts_of(rows: Iterable[Mapping[str, Any]]) -> Metric:
    """What waits for somebody to decide about it. Pure."""
    family = _gauge("open_conflicts", "Conflicts that are open.", *_PAIR, "type")
    for row in rows:
        labels = [row["connection"], row["organization"], row["entity"], row["conflict_type"]]
        family.add_metric(labels, row["n_conflicts"])
    return family


def circuits_of(found: Iterable[Situation]) -> Metric:
    """Which state each store's circuit is in. Pure."""
    family = _gauge("store_circuit", "1: the circuit is in this state.", *_STORE, "state")
    # Once a connection, however many entities it has.
    for one in {one.connection: one for one in found}.values():
        for state in _CIRCUIT_STATES:
            labels = [one.connection, one.organization, state]
            family.add_metric(labels, float(state == one.circuit_state))
    return family


def _open_lines(one: Situation) -> dict[str, int]:
    return {
        "draft": one.draft_lines,
        "processing": one.processing_lines,
        "failed": one.failed_lines,
    }


def _open_states(one: Situation) -> dict[str, bool]:
    is_open = one.open_queue_id is not None
    return {
        "draft": is_open and not one.is_paused and not one.has_begun,
        "processing": is_open and not one.is_paused and one.has_begun,
        "paused": is_open and one.is_paused,
    }


def _pair(one: Situation) -> list[str]:
    return [one.connection, one.organization, one.entity or ""]


def _gauge(name: str, words: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sync_{name}", words, labels=labels)


def _counter(name: str, words: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"sync_{name}", words, labels=labels)
