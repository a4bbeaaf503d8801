"""A whole sync of the demo store beside a bare download of the same pages.

Belongs here: target 5. Does not: how many calls there are (calls.py), Dagster's start.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import local

import requests
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA256, SIGNATURE_TYPE_QUERY
from requests_oauthlib import OAuth1

from benchmarks.landing import empty_tables_of_a_sync
from benchmarks.measure import Figure, Rounds, Subject, Target, timed
from benchmarks.one_sync import sync_once
from benchmarks.served_store import Call, ServedStore, serve
from benchmarks.throwaway import Bench, Server, open_bench
from sync_pipeline.demo.auth import DEMO_KEY, DEMO_SECRET
from sync_pipeline.settings import SourceSettings

THREADS = 2
# What 100 records took, as recorded: 0.19 s for the mapped fields, 1.1 s for whole orders.
RECORDED_LATENCY_SECONDS = 0.25
_SYNCS = {
    "sync": SourceSettings(),
    "sync with two threads": SourceSettings(max_parallel_requests=THREADS),
}
_TIMEOUT_SECONDS = 60
_OK = 200


def run(server: Server, *, rounds: int) -> Subject:
    """At the recorded latency, and without any for information."""
    figures = _figures(server, RECORDED_LATENCY_SECONDS, rounds, Target("≤", 1.10))
    figures += _figures(server, 0.0, rounds, None)
    return Subject(
        "A whole sync of the recorded store (1,000 customers, 3,009 orders)",
        figures,
        [
            "Sync: connect, queue, extract, enqueue, upsert, reconcile in this process; database "
            "open, Dagster apart. By default it reads with as many threads as the store bears, "
            "four at most.",
            "Bare: two threads, requests, the URLs that the sync asked for, OAuth 1.0a signed anew "
            "for each, connections kept, bodies read to their end, not parsed.",
        ],
    )


def _figures(
    server: Server, latency_seconds: float, rounds: int, target: Target | None
) -> list[Figure]:
    measured = Rounds()
    with serve(latency_seconds=latency_seconds) as store, open_bench(server) as bench:
        for _ in range(rounds):
            for name, settings in _SYNCS.items():
                _begin_anew(bench, store)
                with timed(measured, name):
                    sync_once(bench.database, store.url, settings)
            calls = store.calls()
            with timed(measured, "bare"):
                download(store.url, calls)
    return [
        Figure(
            f"{name} beside a bare download, {latency_seconds:g} s a call",
            measured.ratio([name], ["bare"]),
            "x",
            target if name == "sync" else None,
            f"{measured.wall(name):.2f} s / {measured.wall('bare'):.2f} s for {len(calls)} calls",
        )
        for name in _SYNCS
    ]


def _begin_anew(bench: Bench, store: ServedStore) -> None:
    empty_tables_of_a_sync(bench.connection)
    bench.connection.execute("TRUNCATE sync_page")
    store.forget()
    bench.settle()


def download(base_url: str, calls: Sequence[Call]) -> int:
    """Read the answers of these calls with two threads; their size in bytes."""
    own = local()

    def read(call: Call) -> int:
        if not hasattr(own, "session"):
            own.session = requests.Session()
        session: requests.Session = own.session
        answer = session.get(
            base_url + call.path,
            params=dict(call.query),
            auth=OAuth1(
                DEMO_KEY,
                client_secret=DEMO_SECRET,
                signature_method=SIGNATURE_HMAC_SHA256,
                signature_type=SIGNATURE_TYPE_QUERY,
            ),
            timeout=_TIMEOUT_SECONDS,
        )
        if answer.status_code != _OK:
            raise requests.HTTPError(f"{call.path} answered {answer.status_code}")
        return len(answer.content)

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(read, calls))
