"""The circuit as a sync meets it: a served store that fails in this way and that."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sync_pipeline.demo.faults import Fault
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.errors import PermanentError, TransientError
from sync_pipeline.sources.errors import PageFaultError
from sync_pipeline.sources.throttle.breaker import circuit_of
from sync_pipeline.sources.throttle.errors import CircuitOpenError
from sync_pipeline.stages.extract import extract
from sync_pipeline_tests.factories import make_queue, quick_source_settings, rows
from sync_pipeline_tests.sources.throttle.asking import (
    CUSTOMER_IDS,
    DOWN_AT_ONCE,
    FIRST,
    opened,
    served_shop,
    wait_is_over,
)


@pytest.fixture
def served(database, org_id, monkeypatch):
    with served_shop(database, monkeypatch, n_customers=250, requests_per_second=0) as served:
        yield served


def read_all(database, queue, shop, **settings):
    """The extract of a sync."""
    changed = {"max_attempts": 2} | settings
    with opened(database, shop, **changed) as source:
        return extract(database, queue, shop, CUSTOMERS, source, quick_source_settings(**changed))


def said(database):
    return [
        one["activity_type"]
        for one in rows(
            database,
            "SELECT activity_type FROM sync_activity WHERE activity_type LIKE 'circuit%%'"
            " ORDER BY activity_no",
        )
    ]


def state(database, shop):
    return circuit_of(database, shop).state


class TestOutage:
    def test_given_a_store_that_is_down_when_it_is_back_then_the_sync_goes_on_by_itself(
        self, database, served
    ):
        server, shop = served
        queue = make_queue(database, shop)
        server.faults = [Fault("unavailable")]

        with pytest.raises(TransientError):
            read_all(database, queue, shop, **DOWN_AT_ONCE)
        n_asked = len(server.log.entries())
        with pytest.raises(CircuitOpenError, match=r"left alone until .* 503"):
            read_all(database, queue, shop, **DOWN_AT_ONCE)
        assert len(server.log.entries()) == n_asked

        server.faults = []
        wait_is_over(database)
        assert read_all(database, queue, shop).is_complete
        assert said(database) == ["circuit_opened", "circuit_half_opened", "circuit_closed"]

    def test_given_an_opened_circuit_then_the_activity_names_error_and_end(self, database, served):
        server, shop = served
        queue = make_queue(database, shop)
        server.faults = [Fault("unavailable")]

        with pytest.raises(TransientError):
            read_all(database, queue, shop, **DOWN_AT_ONCE)

        (row,) = rows(
            database,
            "SELECT status, message, details FROM sync_activity"
            " WHERE activity_type = 'circuit_opened'",
        )
        assert row["status"] == "error"
        assert "no requests until" in row["message"]
        assert "woocommerce.store_unavailable" in row["message"]
        assert row["details"]["code"] == "woocommerce.store_unavailable"

    def test_given_a_store_that_answers_500_to_everything_then_it_opens_when_reading_gives_up(
        self, database, served
    ):
        server, shop = served
        server.faults = [Fault("server_error")]

        with pytest.raises(PageFaultError):
            read_all(database, make_queue(database, shop), shop)

        assert state(database, shop) == "open"

    def test_given_a_probe_that_fails_too_then_the_wait_is_twice_as_long(self, database, served):
        server, shop = served
        queue = make_queue(database, shop)
        server.faults = [Fault("server_error")]
        with pytest.raises(PageFaultError):
            read_all(database, queue, shop)
        wait_is_over(database)
        server.log.clear()

        with pytest.raises(TransientError):
            read_all(database, queue, shop)

        circuit = circuit_of(database, shop)
        assert (circuit.state, circuit.open_count) == ("open", 2)
        # The highest id; nothing is repeated while it is tried.
        assert len(server.log.entries()) == 1

    def test_given_threads_beside_the_probe_then_they_wait_for_it_and_go_on(self, database, served):
        server, shop = served
        server.faults = [Fault("unavailable")]
        with opened(database, shop, max_attempts=2, **DOWN_AT_ONCE) as source:
            with pytest.raises(TransientError):
                source.read(CUSTOMER_IDS, FIRST)
            server.faults = [Fault("slow", seconds=0.3, times=1)]
            wait_is_over(database)

            with ThreadPoolExecutor(4) as threads:
                pages = list(threads.map(lambda _: source.read(CUSTOMER_IDS, FIRST), range(4)))

        assert len(pages) == 4
        assert said(database) == []  # no queue is open that it could be said to
        assert state(database, shop) == "closed"


class TestNoOutage:
    def test_given_one_bad_record_then_it_stays_closed(self, database, served):
        server, shop = served
        server.faults = [Fault("poison", record_id=120)]

        coverage = read_all(database, make_queue(database, shop), shop, **DOWN_AT_ONCE)

        assert coverage.scanned == 250
        assert said(database) == []

    def test_given_a_bad_record_where_the_probe_reads_then_it_closes_all_the_same(
        self, database, served
    ):
        server, shop = served
        queue = make_queue(database, shop)
        server.faults = [Fault("unavailable")]
        with pytest.raises(TransientError):
            read_all(database, queue, shop, **DOWN_AT_ONCE)
        server.faults = [Fault("poison", record_id=1)]
        wait_is_over(database)

        assert read_all(database, queue, shop, **DOWN_AT_ONCE).scanned == 250
        assert state(database, shop) == "closed"

    def test_given_wrong_keys_then_it_stays_closed(self, database, served, monkeypatch):
        _, shop = served
        monkeypatch.setenv("SHOP_KEY", "ck_wrong")

        for _ in range(5):
            with (
                opened(database, shop, **DOWN_AT_ONCE) as source,
                pytest.raises(PermanentError),
            ):
                source.read(CUSTOMER_IDS, FIRST)

        assert state(database, shop) == "closed"

    def test_given_failures_with_successes_in_between_then_it_stays_closed(self, database, served):
        server, shop = served
        with opened(database, shop, **DOWN_AT_ONCE) as source:
            for _ in range(4):
                server.faults = [Fault("unavailable", times=1)]
                source.read(CUSTOMER_IDS, FIRST)

        assert state(database, shop) == "closed"

    def test_given_all_is_well_then_nothing_is_written_about_it(self, database, served):
        _, shop = served

        read_all(database, make_queue(database, shop), shop)

        assert rows(database, "SELECT FROM sync_circuit") == []

    def test_given_reading_is_stopped_while_it_waits_then_it_ends_at_once(
        self, database, org_id, monkeypatch
    ):
        with (
            served_shop(database, monkeypatch, requests_per_second=0.01) as (_, shop),
            ThreadPoolExecutor(1) as thread,
        ):
            with opened(database, shop) as source:
                source.read(CUSTOMER_IDS, FIRST)
                waiting = thread.submit(source.read, CUSTOMER_IDS, FIRST)
                time.sleep(0.3)
            began = time.monotonic()
            error = waiting.exception(timeout=60)

        assert isinstance(error, TransientError)
        assert time.monotonic() - began < 60
        assert state(database, shop) == "closed"
