"""Verdicts on queues, each on rows of a real database: well, late, and for somebody to act on."""

from datetime import UTC, datetime, timedelta

import pytest

from sync_pipeline.entities import ORDERS
from sync_pipeline.queue.actions import pause
from sync_pipeline.queue.health import Status
from sync_pipeline.queue.leases import claim
from sync_pipeline.queue.queues import finish
from sync_pipeline.queue.situations import situations
from sync_pipeline.queue.verdicts import queue_checks
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    make_queue,
)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def check(database):
    def check(name):
        with database.control() as conn:
            return {one.name: one for one in queue_checks(situations(conn))}[name]

    return check


def change(database, queue, assignments):
    with database.owner() as conn:
        conn.execute(
            f"UPDATE sync_queue SET {assignments} WHERE queue_no = {queue.queue_no}".encode()
        )


def left_alone_for(database, queue, span):
    """As if nothing had happened to the queue for so long."""
    change(
        database,
        queue,
        f"created_at = now() - interval '{span}', updated_at = now() - interval '{span}',"
        f" last_process_date = now() - interval '{span}', stage_lease_until = NULL",
    )
    with database.owner() as conn:
        conn.execute(
            f"UPDATE sync_batch SET available_at = now() - interval '{span}'"
            f" WHERE queue_no = {queue.queue_no}".encode()
        )


def test_given_nothing_was_ever_synced_then_all_is_well(database, shop):
    with database.control() as conn:
        checks = queue_checks(situations(conn))

    assert {one.status for one in checks} == {Status.OK}
    assert {one.remedy for one in checks} == {""}


class TestStuck:
    @pytest.mark.parametrize(
        ("span", "status"), [("50 s", Status.OK), ("2 min", Status.WARN), ("6 min", Status.FAIL)]
    )
    def test_given_a_queue_that_nobody_works_on_then_it_is_named_when_it_is_late(
        self, database, shop, check, span, status
    ):
        left_alone_for(database, fill_queue(database, shop, [customer(1)]), span)

        found = check("stuck queues")

        assert found.status is status
        assert ("shop customers" in found.seen) is (status is not Status.OK)

    def test_given_a_queue_that_stopped_while_it_read_then_it_is_stuck_too(
        self, database, shop, check
    ):
        left_alone_for(database, make_queue(database, shop), "6 min")

        assert check("stuck queues").status is Status.FAIL

    @pytest.mark.parametrize(
        "reason",
        [
            "stage_lease_until = now() + interval '5 s'",
            "retry_at = now() + interval '5 s', failure_count = 1",
            "is_paused = true",
            "is_action_required = true, action_required_reason = 'the key is wrong'",
        ],
    )
    def test_given_a_reason_to_wait_then_it_is_not_stuck(self, database, shop, check, reason):
        queue = fill_queue(database, shop, [customer(1)])
        left_alone_for(database, queue, "1 h")
        change(database, queue, reason)

        assert check("stuck queues").status is Status.OK

    def test_given_the_sync_before_left_something_to_a_person_then_an_abandoned_one_is_stuck(
        self, database, shop, check
    ):
        apply_records(database, shop, [customer(1, email="bad"), customer(2)])
        left_alone_for(database, fill_queue(database, shop, [customer(3)]), "1 h")

        assert check("stuck queues").status is Status.FAIL

    def test_given_another_entity_of_the_store_that_is_worked_then_it_waits_its_turn(
        self, database, shop, check
    ):
        left_alone_for(database, fill_queue(database, shop, [customer(1)]), "1 h")
        orders = make_queue(database, shop, entity=ORDERS)
        change(database, orders, "stage_lease_until = now() + interval '5 s'")

        assert check("stuck queues").status is Status.OK

    def test_given_a_worker_with_a_batch_then_it_is_not_stuck(self, database, shop, check):
        queue = fill_queue(database, shop, [customer(1)])
        left_alone_for(database, queue, "1 h")
        with database.organization("acme") as conn:
            claim(conn, queue.queue_no, worker="a", lease_seconds=30)

        assert check("stuck queues").status is Status.OK

    def test_given_a_store_whose_circuit_is_open_then_its_queue_waits_for_that(
        self, database, shop, check
    ):
        left_alone_for(database, make_queue(database, shop), "1 h")
        open_circuit(database, shop, "now() + interval '1 min'")

        assert check("stuck queues").status is Status.OK

    def test_given_a_queue_that_ended_long_ago_then_nothing_is_stuck(self, database, shop, check):
        queue, _ = apply_records(database, shop, [customer(1)])
        left_alone_for(database, queue, "10 days")

        assert check("stuck queues").status is Status.OK


class TestRetries:
    @pytest.mark.parametrize(
        ("span", "status"), [("20 s", Status.OK), ("2 min", Status.WARN), ("6 min", Status.FAIL)]
    )
    def test_given_a_sync_whose_next_try_is_due_then_the_seconds_count(
        self, database, shop, check, span, status
    ):
        queue = make_queue(database, shop)
        left_alone_for(database, queue, "1 h")
        change(database, queue, f"failure_count = 1, retry_at = now() - interval '{span}'")

        assert check("due retries").status is status

    def test_given_lines_whose_next_try_is_due_while_somebody_works_then_all_is_well(
        self, database, shop, check
    ):
        queue = fill_queue(database, shop, [customer(1)])
        left_alone_for(database, queue, "1 h")
        with database.owner() as conn:
            conn.execute("UPDATE sync_batch SET pass = 2")
        late = check("due retries")
        change(database, queue, "stage_lease_until = now() + interval '20 s'")

        assert late.status is Status.FAIL
        assert check("due retries").status is Status.OK


class TestFailures:
    def test_given_every_line_of_the_last_sync_failed_then_the_store_is_to_be_checked(
        self, database, shop, check
    ):
        apply_records(database, shop, [customer(1, email="bad"), customer(2, email="bad")])

        found = check("failures")

        assert found.status is Status.FAIL
        assert found.seen == "100 % failures: every line of the last sync of shop customers failed"
        assert found.remedy == "Check the store: sync-pipeline doctor shop"

    def test_given_a_later_sync_went_well_then_the_alarm_is_over(self, database, shop, check):
        apply_records(database, shop, [customer(1, email="bad")])
        apply_records(database, shop, [customer(1)])

        assert check("failures").status is Status.OK

    def test_given_some_lines_failed_then_it_is_for_a_person_and_no_alarm(
        self, database, shop, check
    ):
        apply_records(database, shop, [customer(1, email="bad"), customer(2)])

        assert check("failures").status is Status.OK
        assert check("action required").status is Status.WARN
        assert "shop customers: 1 of 2 lines failed" in check("action required").seen

    def test_given_the_next_sync_runs_then_what_waits_for_a_person_waits_still(
        self, database, shop, check
    ):
        apply_records(database, shop, [customer(1, email="bad"), customer(2)])
        make_queue(database, shop)

        assert check("action required").status is Status.WARN

    def test_given_an_open_sync_that_stands_still_for_a_person_then_it_is_an_alarm(
        self, database, shop, check
    ):
        queue = make_queue(database, shop)
        change(database, queue, "is_action_required = true, action_required_reason = 'no keys'")

        assert check("action required").status is Status.FAIL
        assert "shop customers: no keys" in check("action required").seen

    @pytest.mark.parametrize(("failures", "status"), [(2, Status.OK), (3, Status.FAIL)])
    def test_given_runs_that_end_by_the_store_in_a_row_then_the_third_is_an_alarm(
        self, database, shop, check, failures, status
    ):
        queue = make_queue(database, shop)
        change(
            database,
            queue,
            f"failure_count = {failures}, retry_at = now() + interval '1 min',"
            " last_error_code = 'woocommerce.store_unavailable'",
        )

        assert check("failures").status is status


class TestPaused:
    def test_given_a_forgotten_pause_then_it_is_told_and_is_no_fault(self, database, shop, check):
        queue = fill_queue(database, shop, [customer(1)])
        pause(database, str(queue.id), by="ann", reason=None)
        fresh = check("paused")
        left_alone_for(database, queue, "2 days")

        assert (fresh.status, fresh.seen) == (Status.OK, "shop customers")
        assert check("paused").status is Status.OK
        assert check("paused").seen == "for more than a day: shop customers"
        assert str(queue.id) in check("paused").remedy


class TestCircuits:
    @pytest.mark.parametrize(
        ("until", "status"),
        [("now() + interval '1 min'", Status.FAIL), ("now() - interval '1 s'", Status.WARN)],
    )
    def test_given_a_store_that_is_not_asked_then_the_reason_is_told(
        self, database, shop, check, until, status
    ):
        open_circuit(database, shop, until)

        found = check("circuits")

        assert found.status is status
        assert "shop" in found.seen
        assert "answered 503" in found.seen


def test_given_many_troubles_then_the_text_stays_short(database, org_id, check):
    for number in range(8):
        queue = make_queue(database, make_connection(database, org_id, name=f"shop-{number}"))
        left_alone_for(database, queue, "6 min")

    assert check("stuck queues").seen.count("shop-") == 5
    assert "3 more, for 0:06:0" in check("stuck queues").seen


def test_given_a_sync_that_ends_then_its_age_begins_anew(database, shop):
    queue = fill_queue(database, shop, [])
    finish(database, queue)

    with database.control() as conn:
        (found,) = situations(conn)

    assert found.age_seconds < 60
    assert datetime.now(UTC) - found.now_utc < timedelta(seconds=60)


def open_circuit(database, shop, until):
    with database.owner() as conn:
        conn.execute(
            "INSERT INTO sync_circuit (connection_id, org_id, state, opened_at, open_until,"
            f" last_error) VALUES ({shop.connection_id}, 'acme', 'open', now(), {until},"
            " 'GET shop.example answered 503.')".encode()
        )
