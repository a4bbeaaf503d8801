"""Stores that are asked through a throttle, from this process and from others."""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from sync_pipeline.demo.auth import DEMO_KEY, DEMO_SECRET
from sync_pipeline.demo.server import DemoServer
from sync_pipeline.sources.protocol import Listing, PageRequest
from sync_pipeline.stages.opening import open_source
from sync_pipeline_tests.factories import (
    customer,
    environment,
    make_connection,
    quick_source_settings,
    store,
)

ROOT = Path(__file__).parent.parent.parent.parent
CUSTOMER_IDS = Listing("customers", "customers", ("id", "email"))
FIRST = PageRequest(0, 10)
DOWN_AT_ONCE = {"circuit_failures": 2, "circuit_failing_seconds": 0, "circuit_open_seconds": 60}


@contextmanager
def served_shop(database, monkeypatch, *, n_customers=30, **options):
    """A served store, and its connection."""
    monkeypatch.setenv("SHOP_KEY", DEMO_KEY)
    monkeypatch.setenv("SHOP_SECRET", DEMO_SECRET)
    with DemoServer(store([customer(number) for number in range(1, n_customers + 1)])) as server:
        yield server, make_connection(database, base_url=server.url, options=options)


def opened(database, shop, **settings):
    """The shop's source, throttled as in a sync."""
    return open_source(shop, quick_source_settings(**settings), database=database)


def wait_is_over(database):
    """As if the circuit's wait had passed."""
    with database.owner() as conn:
        conn.execute("UPDATE sync_circuit SET open_until = now() WHERE state = 'open'")


class Asker:
    """A process that asks for a page again and again; see ask.py."""

    def __init__(self, database, connection, n_requests, **settings):
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sync_pipeline_tests.sources.throttle.ask",
                connection.name,
                str(n_requests),
                json.dumps(settings),
            ],
            cwd=ROOT,
            env=environment(database),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def wait_until_ready(self):
        if self._process.stdout.readline().strip() != "ready":
            raise AssertionError(self._process.communicate()[1])

    def go(self):
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def outcomes(self):
        """How each request ended: its error's code, else "ok"."""
        out, errors = self._process.communicate(timeout=60)
        if self._process.returncode != 0:
            raise AssertionError(errors)
        return json.loads(out.splitlines()[-1])


@contextmanager
def askers(database, connection, number, n_requests, **settings):
    """Processes that begin to ask at the same moment."""
    processes = [Asker(database, connection, n_requests, **settings) for _ in range(number)]
    try:
        for process in processes:
            process.wait_until_ready()
        for process in processes:
            process.go()
        yield processes
    finally:
        for process in processes:
            process.__exit__()
