"""Tokens in Redis while it answers, in PostgreSQL while it does not; a sync notices neither.

The server is fakeredis, on a socket of its own, with a real interpreter of Lua.
"""

import logging
import socket
import threading
from contextlib import ExitStack, contextmanager

import pytest
from fakeredis import TcpFakeServer
from pydantic import SecretStr

from sync_pipeline.sources.throttle import redis_bucket as module
from sync_pipeline.sources.throttle.bucket import PostgresBucket
from sync_pipeline.sources.throttle.rates import Rate
from sync_pipeline.sources.throttle.redis_bucket import RedisBucket, redis_bucket
from sync_pipeline_tests.factories import make_connection, make_queue, rows

SLOW = Rate(10.0, 20.0)  # three at once, then one every 10 s


@contextmanager
def redis_server(port=0):
    server = TcpFakeServer(("127.0.0.1", port))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def buckets(database, shop):
    """Make buckets of the shop, as so many processes would."""
    with ExitStack() as stack:

        def make(port, rate=SLOW):
            postgres = PostgresBucket(database, shop, rate)
            url = SecretStr(f"redis://127.0.0.1:{port}/0")
            return stack.enter_context(redis_bucket(database, shop, rate, url, postgres))

        yield make


def accepted(server):
    """How many have connected to it since it was asked last."""
    server.setblocking(False)
    with ExitStack() as stack:
        for count in range(100):
            try:
                stack.enter_context(server.accept()[0])
            except BlockingIOError:
                return count
    raise AssertionError("more than a hundred")


def activity(database):
    return [
        row["activity_type"]
        for row in rows(
            database,
            "SELECT activity_type FROM sync_activity WHERE activity_type LIKE 'redis%%'"
            " ORDER BY activity_no",
        )
    ]


class TestRedisThere:
    def test_given_two_processes_then_they_share_tokens_that_are_not_in_postgresql(
        self, database, buckets
    ):
        with redis_server() as port:
            one, other = buckets(port), buckets(port)
            waits = [bucket.take().wait_seconds for bucket in (one, other, one, other, one)]

        assert waits == [0, 0, 0, pytest.approx(10, abs=1), pytest.approx(20, abs=1)]
        assert rows(database, "SELECT FROM sync_throttle") == []

    def test_given_a_store_that_asked_for_a_wait_then_it_holds_here_too(self, buckets):
        with redis_server() as port:
            buckets(port).block(60)

            standing = buckets(port).take()

        assert standing.wait_seconds == pytest.approx(60, abs=1)

    def test_given_no_limit_then_redis_is_not_asked(self, database, shop):
        postgres = PostgresBucket(database, shop, Rate(0, 0))

        with redis_bucket(database, shop, Rate(0, 0), SecretStr("redis://nobody"), postgres) as one:
            assert one is postgres


class TestRedisGone:
    def test_given_redis_goes_and_comes_back_then_the_limit_holds_and_it_is_said_once(
        self, database, shop, buckets, caplog, monkeypatch
    ):
        make_queue(database, shop)
        monkeypatch.setattr(module, "_TRY_AGAIN_SECONDS", 0)
        caplog.set_level(logging.INFO)
        with redis_server() as port:
            processes = [buckets(port) for _ in range(2)]
            for process in processes:
                process.take()

        waits = [process.take().wait_seconds for process in processes * 3]
        assert waits[:3] == [0, 0, 0]
        assert all(seconds > 5 for seconds in waits[3:])
        assert activity(database) == ["redis_gone"]

        with redis_server(port):
            for process in processes * 2:
                process.take()
        assert activity(database) == ["redis_gone", "redis_back"]
        said = [record.message for record in caplog.records if "Redis" in record.message]
        assert len(said) == 2

    def test_given_a_redis_that_says_nothing_then_it_costs_a_moment_and_not_again(self, buckets):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            bucket = buckets(silent.getsockname()[1])
            bucket.take()
            asked = accepted(silent)
            for _ in range(3):
                bucket.take()

            assert asked > 0
            assert accepted(silent) == 0

    def test_given_an_address_that_is_none_then_postgresql_is_used(self, database, shop, caplog):
        postgres = PostgresBucket(database, shop, SLOW)

        with redis_bucket(database, shop, SLOW, SecretStr("nonsense://s3cret"), postgres) as bucket:
            assert bucket is postgres

        assert "REDIS_URL" in caplog.text
        assert "s3cret" not in caplog.text

    def test_given_a_fault_of_ours_then_it_is_not_taken_for_redis(self, database, shop):
        class Broken:
            def eval(self, *_):
                return 1 / 0

        bucket = RedisBucket(
            Broken(), (OSError,), database, shop, SLOW, PostgresBucket(database, shop, SLOW)
        )

        with pytest.raises(ZeroDivisionError):
            bucket.take()
