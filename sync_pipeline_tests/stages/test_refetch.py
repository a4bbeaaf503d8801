"""Records that the store could not serve, when an operator retries their lines."""

from contextlib import contextmanager

import pytest

from sync_pipeline.demo.faults import Fault
from sync_pipeline.demo.server import DemoServer
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.errors import TransientError
from sync_pipeline.queue import actions
from sync_pipeline.queue.stops import QueueStoppedError
from sync_pipeline.sources.protocol import UnreadableRecord
from sync_pipeline.stages.landing import marked
from sync_pipeline.stages.refetch import Refetched, refetch
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    open_store,
    order,
    queue_settings,
    row,
    rows,
    status,
    store,
)
from sync_pipeline_tests.queue.transitions import miscounted_batches


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@contextmanager
def serving(*customers):
    with DemoServer(store(customers)) as server:
        yield server


def unreadable(number):
    """What landed in the place of a record that the store could not serve."""
    return marked(UnreadableRecord(0, str(number), "woocommerce.store_faulted", "answered 500"))


def retried(database, queue):
    return actions.retry(database, str(queue.id), by="ann")


def worked(database, shop, queue, server, **settings):
    """Work the queue as its run does; how often the store was asked, and what came of it."""
    told = []

    def reread():
        with open_store(server, max_attempts=1) as source:
            told.append(refetch(database, queue, shop, CUSTOMERS, source))

    outcome = upsert(database, queue, CUSTOMERS, queue_settings(**settings), reread=reread)
    assert miscounted_batches(database, queue) == []
    return outcome, sum(told, Refetched())


def line(database, queue, external_id):
    return row(
        database,
        "SELECT state, error_code, error_message FROM sync_line_status"
        " WHERE queue_no = %s AND external_id = %s",
        queue.queue_no,
        external_id,
    )


class TestRetriedRecords:
    def test_given_a_record_that_is_served_again_when_retried_then_it_is_read_and_applied(
        self, database, shop
    ):
        queue, _ = apply_records(
            database, shop, [customer(1), unreadable(2)], [order(1, customer_id=2, total="7.50")]
        )
        retried(database, queue)

        with serving(customer(1), customer(2)) as server:
            outcome, told = worked(database, shop, queue, server)

        assert (outcome.created, outcome.failed, told) == (1, 0, Refetched(read=1))
        made = row(database, "SELECT email, lifetime_value FROM customer WHERE email LIKE 'c2@%%'")
        assert str(made["lifetime_value"]) == "7.50"
        assert status(database, queue)["state"] == "done"
        assert row(database, "SELECT state FROM sync_conflict")["state"] == "resolved"

    def test_given_a_record_that_was_read_again_when_synced_anew_then_it_is_unchanged(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [unreadable(2)])
        retried(database, queue)
        with serving(customer(2)) as server:
            worked(database, shop, queue, server)
            with open_store(server) as source:
                (served,) = source.read_by_ids(CUSTOMERS.listing, ["2"])

        again = fill_queue(database, shop, [served])

        assert status(database, again)["total_count"] == 0

    def test_given_a_record_that_is_not_served_still_when_retried_then_it_fails_with_the_reason(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [customer(1), unreadable(2), unreadable(3)])
        retried(database, queue)

        with serving(customer(2), customer(3)) as server:
            server.faults = [Fault("poison", record_id=2)]
            outcome, told = worked(database, shop, queue, server)

        assert (outcome.created, outcome.failed) == (1, 1)
        assert (told.read, told.unreadable) == (1, 1)
        assert line(database, queue, "2")["state"] == "failed"
        assert line(database, queue, "3")["state"] == "done"

    def test_given_a_record_that_is_gone_when_retried_then_its_line_is_cancelled_with_the_reason(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [customer(1), unreadable(2)])
        retried(database, queue)

        with serving(customer(1)) as server:
            _, told = worked(database, shop, queue, server)

        assert told == Refetched(gone=1)
        found = line(database, queue, "2")
        assert (found["state"], found["error_code"]) == ("cancelled", "queue.record_gone")
        assert status(database, queue)["state"] == "done"
        assert row(database, "SELECT state FROM sync_conflict")["state"] == "resolved"

    def test_given_many_records_when_retried_then_a_hundred_are_asked_for_at_once(
        self, database, shop
    ):
        numbers = range(1, 151)
        queue, _ = apply_records(database, shop, [unreadable(n) for n in numbers], batch_size=40)
        retried(database, queue)

        with serving(*(customer(n) for n in numbers)) as server:
            outcome, _ = worked(database, shop, queue, server, workers=1)
            asked = len(server.requests)

        assert (outcome.created, asked) == (150, 2)

    def test_given_a_record_that_is_still_not_storable_then_it_fails_and_says_so(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [unreadable(1), unreadable(2)])
        retried(database, queue)

        with serving(customer(1, first_name="a\0b"), customer(2)) as server:
            outcome, _ = worked(database, shop, queue, server)

        assert (outcome.created, outcome.failed) == (1, 1)
        assert line(database, queue, "1")["error_code"] == "validation.unstorable"

    def test_given_a_store_that_is_down_when_retried_then_the_lines_wait_for_the_next_start(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [unreadable(1)])
        retried(database, queue)

        with serving(customer(1)) as server:
            server.faults = [Fault("unavailable")]
            with pytest.raises(TransientError):
                worked(database, shop, queue, server)
            assert status(database, queue)["draft_count"] == 1
            server.faults = []
            outcome, _ = worked(database, shop, queue, server)

        assert outcome.created == 1

    def test_given_a_pause_while_records_are_asked_for_then_no_further_request_is_made(
        self, database, shop
    ):
        numbers = range(1, 151)
        queue, _ = apply_records(database, shop, [unreadable(n) for n in numbers])
        retried(database, queue)

        with serving(*(customer(n) for n in numbers)) as server, open_store(server) as source:
            read_by_ids = source.read_by_ids

            def read_and_pause(*args):
                actions.pause(database, str(queue.id), by="ann")
                return read_by_ids(*args)

            source.read_by_ids = read_and_pause
            with pytest.raises(QueueStoppedError, match="paused by ann"):
                refetch(database, queue, shop, CUSTOMERS, source)
            asked = len(server.requests)

        assert asked == 1
        assert status(database, queue)["draft_count"] == 150


class TestOtherLines:
    def test_given_lines_that_failed_otherwise_when_retried_then_no_store_is_asked(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [customer(1, email="nobody")])
        retried(database, queue)

        with serving() as server:
            outcome, told = worked(database, shop, queue, server)

        assert (outcome.failed, told) == (1, Refetched())
        noted = "SELECT * FROM sync_activity WHERE activity_type = 'records_read_again'"
        assert rows(database, noted) == []

    def test_given_a_record_without_an_id_when_retried_then_it_fails_with_its_reason_again(
        self, database, shop
    ):
        nameless = marked(UnreadableRecord(0, None, "woocommerce.store_faulted", "answered 500"))
        queue, _ = apply_records(database, shop, [nameless])
        retried(database, queue)

        with serving() as server:
            outcome, _ = worked(database, shop, queue, server)

        assert outcome.failed == 1
        assert line(database, queue, "offset:0")["error_message"] == "answered 500"

    def test_given_a_run_without_a_store_then_the_line_fails_with_its_reason_again(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [unreadable(1)])
        retried(database, queue)

        assert upsert(database, queue, CUSTOMERS, queue_settings()).failed == 1
        assert line(database, queue, "1")["error_message"] == "answered 500"
