"""What the store sees of several processes that share a connection, by its own request log."""

import time

import pytest

from sync_pipeline.demo.faults import Fault
from sync_pipeline.sources.throttle.errors import AskedToWaitError
from sync_pipeline_tests.factories import row
from sync_pipeline_tests.sources.throttle.asking import (
    CUSTOMER_IDS,
    FIRST,
    askers,
    opened,
    served_shop,
    wait_is_over,
)

JITTER_SECONDS = 0.15  # between a token and the instant that the store notes, on a busy machine


@pytest.fixture
def shop_of(database, org_id, monkeypatch):
    return lambda **options: served_shop(database, monkeypatch, **options)


def instants(server):
    return sorted(entry.started_seconds for entry in server.log.entries())


def fullest_excess(times, per_second, burst):
    """Over every window: by how many requests the fullest one exceeds what is allowed."""
    return max(
        last - first + 1 - (per_second * (times[last] - times[first] + JITTER_SECONDS) + burst)
        for first in range(len(times))
        for last in range(first, len(times))
    )


def test_given_several_processes_with_threads_then_together_they_keep_the_rate(database, shop_of):
    with shop_of(requests_per_second=20) as (server, shop):
        with askers(database, shop, 3, 20, burst_seconds=0.5) as processes:
            outcomes = [code for process in processes for code in process.outcomes()]
        times = instants(server)

    assert outcomes == ["ok"] * 60
    assert len(times) == 60
    assert fullest_excess(times, per_second=20, burst=10) <= 0
    # Nor does it dawdle: 50 of them had to wait for their turn, 2.5 s.
    assert times[-1] - times[0] < 2.5 + 2


def test_given_a_rate_when_an_attempt_is_repeated_then_it_takes_a_token_too(database, shop_of):
    with shop_of(requests_per_second=5) as (server, shop):
        server.faults = [Fault("unavailable", times=3)]
        with opened(database, shop, burst_seconds=0) as source:
            source.read(CUSTOMER_IDS, FIRST)
        times = instants(server)

    assert len(times) == 4
    assert fullest_excess(times, per_second=5, burst=1) <= 0


def test_given_one_was_asked_to_wait_then_other_processes_wait_as_well(database, shop_of):
    with shop_of(requests_per_second=0) as (server, shop):
        server.faults = [Fault("rate_limited", retry_after_seconds=4, times=1)]
        with (
            opened(database, shop, max_attempts=1) as source,
            pytest.raises(Exception, match="4 s"),
        ):
            source.read(CUSTOMER_IDS, FIRST)
        refused_at = time.monotonic()
        with askers(database, shop, 2, 2) as processes:
            outcomes = [code for process in processes for code in process.outcomes()]
        times = instants(server)

    assert outcomes == ["ok"] * 4
    # A store under load writes the refusal down late, so a second is allowed for it.
    assert min(times[1:]) - times[0] >= 3
    assert time.monotonic() - refused_at < 20


def test_given_a_longer_wait_than_a_request_waits_then_it_is_refused_at_once(database, shop_of):
    with shop_of() as (server, shop):
        server.faults = [Fault("rate_limited", retry_after_seconds=600, times=1)]
        with opened(database, shop) as source, pytest.raises(Exception, match="600 s"):
            source.read(CUSTOMER_IDS, FIRST)

        with opened(database, shop) as source, pytest.raises(AskedToWaitError):
            source.read(CUSTOMER_IDS, FIRST)

        assert len(instants(server)) == 1


def test_given_a_wait_of_a_day_then_it_is_an_hour(database, shop_of):
    with shop_of() as (server, shop):
        server.faults = [Fault("rate_limited", retry_after_seconds=86400, times=1)]
        with opened(database, shop) as source, pytest.raises(Exception, match="86400 s"):
            source.read(CUSTOMER_IDS, FIRST)

    kept = row(database, "SELECT blocked_until - now() < '61 min' AS ok FROM sync_throttle")
    assert kept == {"ok": True}


def test_given_processes_at_the_end_of_the_wait_then_one_request_probes(database, shop_of):
    with shop_of(requests_per_second=0) as (server, shop):
        server.faults = [Fault("unavailable")]
        quick = {"circuit_failures": 1, "circuit_failing_seconds": 0, "max_attempts": 1}
        with opened(database, shop, **quick) as source, pytest.raises(Exception, match="503"):
            source.read(CUSTOMER_IDS, FIRST)
        wait_is_over(database)
        server.log.clear()

        with askers(database, shop, 3, 8, **quick) as processes:
            outcomes = [code for process in processes for code in process.outcomes()]

        assert len(instants(server)) == 1
    assert sorted(outcomes) == ["source.circuit_open"] * 23 + ["woocommerce.store_unavailable"]
