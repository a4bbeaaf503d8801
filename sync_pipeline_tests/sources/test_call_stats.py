"""Counting calls: right under threads, kept at the end of a process, never in the way of a sync."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sync_pipeline.postgres.database import Database
from sync_pipeline.sources.call_stats import BUCKET_SECONDS, CallStats
from sync_pipeline_tests.conftest import settings_for
from sync_pipeline_tests.factories import environment, make_connection, rows

STORED = "SELECT code, calls, seconds, waited_seconds, buckets FROM sync_call_stat ORDER BY code"
CALLS_EACH = 200


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


def test_given_threads_that_call_at_once_while_it_tells_then_none_is_lost(database, shop):
    def call(number):
        for _ in range(CALLS_EACH):
            calls.observed(0.1, "source.page_fault" if number % 2 else None)

    with CallStats(database, shop, flush_seconds=0.01) as calls, ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(8)))

    stored = {one["code"]: one["calls"] for one in rows(database, STORED)}
    assert stored == {"ok": 4 * CALLS_EACH, "source.page_fault": 4 * CALLS_EACH}


def test_given_two_recorders_of_one_store_then_their_buckets_add_up(database, shop):
    for seconds in (0.01, 0.05, 99.0):
        with CallStats(database, shop) as calls:
            calls.observed(seconds, None)

    (stored,) = rows(database, STORED)

    assert stored["buckets"] == [2, *[0] * (len(BUCKET_SECONDS) - 1), 1]
    assert stored["seconds"] == pytest.approx(99.06)


def test_given_a_process_that_ends_without_closing_then_its_calls_are_kept(database, shop):
    program = """
from sync_pipeline.postgres.database import Database
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.sources.call_stats import CallStats
from sync_pipeline.sources.connections import find_connection
database = Database.open(DatabaseSettings())
shop = find_connection(database, "shop")
CallStats(database, shop).observed(0.2, None)
raise SystemExit(3)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(database),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.returncode, ended.stderr) == (3, "")
    assert [one["calls"] for one in rows(database, STORED)] == [1]


def test_given_a_database_that_is_gone_then_the_sync_notices_nothing(shop):
    settings = settings_for("").model_copy(update={"connect_timeout_seconds": 1})
    gone = Database("postgresql://127.0.0.1:9/none", settings)
    gone._pool.open()

    began = time.monotonic()
    with CallStats(gone, shop) as calls:
        calls.observed(0.1, None)

    assert time.monotonic() - began < 60
    gone.close()


def test_given_a_flush_that_failed_when_the_database_is_back_then_its_calls_are_told(
    database, shop
):
    calls = CallStats(database, shop, flush_seconds=3600)
    calls.observed(0.1, None)
    with database.owner() as conn:
        conn.execute("ALTER TABLE sync_call_stat RENAME TO elsewhere")
    failed = calls.flush()
    with database.owner() as conn:
        conn.execute("ALTER TABLE elsewhere RENAME TO sync_call_stat")
    calls.observed(0.1, None)
    calls.close()

    assert failed is False
    assert [one["calls"] for one in rows(database, STORED)] == [2]


def test_given_another_organization_then_it_sees_no_calls_of_this_one(database, shop, other_org_id):
    with CallStats(database, shop) as calls:
        calls.observed(0.1, None)

    assert rows(database, STORED, org_id=other_org_id) == []
