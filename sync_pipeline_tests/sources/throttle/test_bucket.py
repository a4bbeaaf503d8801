"""Tokens in PostgreSQL: how many, when, and what a wait that the store asked for does to them."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from sync_pipeline.errors import InputError
from sync_pipeline.postgres.statements import statement
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.throttle.bucket import PostgresBucket
from sync_pipeline.sources.throttle.rates import NO_LIMIT, Rate, rate_of
from sync_pipeline_tests.factories import make_connection, rows


def every(seconds, burst=1):
    return Rate(seconds, (burst - 1) * seconds)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


class TestRateOf:
    def test_given_no_rate_of_its_own_then_the_setting_holds_with_two_seconds_at_once(self, shop):
        rate = rate_of(shop, SourceSettings(requests_per_second=10, burst_seconds=2))

        assert rate == Rate(0.1, pytest.approx(1.9))

    def test_given_its_own_rate_then_that_holds(self, database, org_id):
        slow = make_connection(database, org_id, options={"requests_per_second": 0.25})

        assert rate_of(slow, SourceSettings()) == Rate(4.0, 0.0)

    def test_given_nought_or_the_demo_store_then_there_is_no_limit(self, database, org_id):
        free = make_connection(database, org_id, options={"requests_per_second": 0})
        demo = make_connection(database, org_id, base_url="demo:recorded")

        assert rate_of(free, SourceSettings()) == NO_LIMIT
        assert rate_of(demo, SourceSettings()) == NO_LIMIT

    @pytest.mark.parametrize("given", ["fast", True, -1])
    def test_given_no_number_then_what_to_do_is_said(self, database, org_id, given):
        broken = make_connection(database, org_id, options={"requests_per_second": given})

        with pytest.raises(InputError, match="--requests-per-second"):
            rate_of(broken, SourceSettings())


class TestTake:
    def test_given_a_burst_then_so_many_go_at_once_and_the_others_one_by_one(self, database, shop):
        bucket = PostgresBucket(database, shop, every(10, burst=3))

        waits = [bucket.take().wait_seconds for _ in range(6)]

        assert waits == [0, 0, 0, pytest.approx(10, abs=1), pytest.approx(20, abs=1),
                         pytest.approx(30, abs=1)]  # fmt: skip

    def test_given_time_passed_then_tokens_have_accrued_up_to_the_burst(self, database, shop):
        bucket = PostgresBucket(database, shop, every(10, burst=2))
        for _ in range(2):
            bucket.take()
        with database.owner() as conn:
            conn.execute("UPDATE sync_throttle SET next_at = next_at - interval '1 hour'")

        assert [bucket.take().wait_seconds > 0 for _ in range(3)] == [False, False, True]

    def test_given_many_at_once_then_no_two_get_the_same_instant(self, database, shop):
        bucket = PostgresBucket(database, shop, every(10))
        began = time.monotonic()

        def take(_):
            return bucket.take().wait_seconds + time.monotonic() - began

        with ThreadPoolExecutor(4) as threads:
            instants = sorted(threads.map(take, range(20)))

        gaps = [later - earlier for earlier, later in pairwise(instants)]
        assert all(gap == pytest.approx(10, abs=2) for gap in gaps)

    def test_given_other_connections_then_they_have_their_own_tokens(self, database, org_id, shop):
        other = make_connection(database, org_id, name="other")
        PostgresBucket(database, shop, every(1000)).take()

        assert PostgresBucket(database, other, every(1000)).take().wait_seconds == 0

    def test_given_no_limit_then_nothing_is_written(self, database, shop):
        bucket = PostgresBucket(database, shop, NO_LIMIT)

        assert bucket.take().wait_seconds == 0
        assert rows(database, "SELECT FROM sync_throttle") == []

    def test_given_tokens_taken_again_and_again_then_the_table_does_not_grow(self, database, shop):
        bucket = PostgresBucket(database, shop, every(1e-6))
        for _ in range(300):
            bucket.take()

        with database.owner() as conn:
            size = conn.execute("SELECT pg_relation_size('sync_throttle') AS bytes").fetchone()
        assert size["bytes"] <= 4 * 8192


class TestBlock:
    def test_given_the_store_asked_for_a_wait_then_everybody_waits(self, database, shop):
        PostgresBucket(database, shop, every(0.1, burst=5)).block(60)

        standing = PostgresBucket(database, shop, every(0.1, burst=5)).take()

        assert standing.wait_seconds == pytest.approx(60, abs=1)
        assert standing.blocked_seconds == pytest.approx(60, abs=1)

    def test_given_a_block_then_what_waited_goes_one_by_one_after_it(self, database, shop):
        bucket = PostgresBucket(database, shop, every(10, burst=5))
        bucket.block(60)

        waits = [bucket.take().wait_seconds for _ in range(3)]

        assert waits == [pytest.approx(seconds, abs=1) for seconds in (60, 70, 80)]

    def test_given_no_limit_then_a_block_holds_too(self, database, shop):
        bucket = PostgresBucket(database, shop, NO_LIMIT)
        bucket.block(60)

        assert bucket.take().blocked_seconds == pytest.approx(60, abs=1)

    def test_given_a_shorter_block_after_a_longer_one_then_the_longer_holds(self, database, shop):
        bucket = PostgresBucket(database, shop, every(1))
        bucket.block(60)
        bucket.block(1)

        assert bucket.look().blocked_seconds == pytest.approx(60, abs=1)


@pytest.mark.parametrize("name", ["take", "look"])
def test_given_many_connections_when_a_token_is_taken_then_only_keys_are_looked_up(
    database, org_id, name
):
    with database.owner() as conn:
        conn.execute(
            "INSERT INTO sync_connection (org_id, name, system, base_url, key_env, secret_env)"
            " SELECT 'acme', 'shop' || n, 'woocommerce', '', '', '' FROM generate_series(1, 500) n"
        )
        for table, columns, values in (
            ("sync_throttle", "next_at", "now()"),
            ("sync_circuit", "state", "'closed'"),
        ):
            conn.execute(
                f"INSERT INTO {table} (connection_id, org_id, {columns})"
                f" SELECT connection_id, org_id, {values} FROM sync_connection"
            )
            conn.execute(f"ANALYZE {table}")
        chosen = conn.execute("SELECT min(connection_id) AS one FROM sync_connection").fetchone()
    values = {
        "connection_id": chosen["one"],
        "org_id": org_id,
        "interval_seconds": 1.0,
        "tolerance_seconds": 0.0,
    }
    with database.organization(org_id) as conn:
        explained = conn.execute(
            "EXPLAIN (FORMAT json) " + statement(f"throttle/{name}"), values
        ).fetchone()

    assert "Seq Scan" not in json.dumps(explained)
