"""Who may work which batch until when: claim, take over, complete, hand back."""

from datetime import UTC, datetime, timedelta

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue.completion import LeaseLostError, complete, give_up, release, split
from sync_pipeline.queue.leases import claim, seconds_until_due
from sync_pipeline_tests.factories import (
    customer,
    fill_queue,
    make_connection,
    rows,
    status,
)

# Later than any batch of these tests was made.
T0 = datetime.now(UTC) + timedelta(days=1)


def seconds(number):
    return timedelta(seconds=number)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def make(database, shop):
    """A queue of so many batches of two lines."""

    def filled(batches=1, **settings):
        records = [customer(n + 1) for n in range(2 * batches)]
        return fill_queue(database, shop, records, batch_size=2, **settings)

    return filled


def take(database, queue, worker="a", now_utc=T0, lease_seconds=60):
    with database.organization(queue.org_id) as conn:
        return claim(
            conn, queue.queue_no, worker=worker, now_utc=now_utc, lease_seconds=lease_seconds
        )


def finish(database, queue, lease):
    with database.organization(queue.org_id) as conn:
        return complete(conn, lease, queue, CUSTOMERS, backoff_seconds=0)


def finish_and_fail(database, queue, lease):
    with database.organization(queue.org_id) as conn:
        complete(conn, lease, queue, CUSTOMERS, backoff_seconds=0)
        raise RuntimeError


def batch_states(database):
    found = rows(database, "SELECT state FROM sync_batch ORDER BY batch_no")
    return [one["state"] for one in found]


class TestClaim:
    def test_given_open_batches_when_claimed_then_in_order_and_one_each(self, database, make):
        queue = make(batches=2)

        leases = [take(database, queue) for _ in range(3)]

        assert [lease and (lease.batch_no, lease.first_line) for lease in leases] == [
            (1, 1),
            (2, 3),
            None,
        ]

    def test_given_a_claim_in_another_transaction_when_claimed_then_the_next_at_once(
        self, database, make
    ):
        queue = make(batches=2)
        with database.organization(queue.org_id) as first:
            held = claim(first, queue.queue_no, worker="a", lease_seconds=60)

            other = take(database, queue, worker="b")

        assert (held.batch_no, other.batch_no) == (1, 2)

    def test_given_a_lease_in_time_when_claimed_then_nothing(self, database, make):
        queue = make()
        take(database, queue)

        assert take(database, queue, now_utc=T0 + seconds(59)) is None

    def test_given_a_lease_that_ran_out_when_claimed_then_taken_over_with_a_new_token(
        self, database, make
    ):
        queue = make()
        first = take(database, queue)

        second = take(database, queue, worker="b", now_utc=T0 + seconds(60))

        assert (second.batch_no, second.token, second.attempt) == (1, first.token + 1, 2)

    @pytest.mark.parametrize("column", ["is_paused = true", "cancelled_at = now()"])
    def test_given_a_stopped_queue_when_claimed_then_nothing(self, database, make, column):
        queue = make()
        with database.organization(queue.org_id) as conn:
            conn.execute(f"UPDATE sync_queue SET {column}")

        assert take(database, queue) is None

    def test_given_another_organization_when_it_claims_then_nothing(
        self, database, make, other_org_id
    ):
        queue = make()

        with database.organization(other_org_id) as conn:
            assert claim(conn, queue.queue_no, worker="a", lease_seconds=60) is None


class TestComplete:
    def test_given_a_lease_taken_over_when_the_first_worker_completes_then_it_is_refused(
        self, database, make
    ):
        queue = make()
        slow = take(database, queue)
        current = take(database, queue, worker="b", now_utc=T0 + seconds(61))

        with pytest.raises(LeaseLostError):
            finish(database, queue, slow)
        assert rows(database, "SELECT * FROM customer") == []

        finish(database, queue, current)
        assert batch_states(database) == ["done"]

    def test_given_a_completed_batch_when_completed_again_then_refused(self, database, make):
        queue = make()
        lease = take(database, queue)
        finish(database, queue, lease)

        with pytest.raises(LeaseLostError):
            finish(database, queue, lease)
        assert len(rows(database, "SELECT * FROM sync_activity WHERE line_no > 0")) == 2

    def test_given_a_lease_that_ran_out_but_was_not_taken_when_completed_then_it_counts(
        self, database, make
    ):
        queue = make()
        lease = take(database, queue, lease_seconds=0.001)

        assert finish(database, queue, lease).created == 2

    def test_given_an_error_after_the_statement_when_rolled_back_then_nothing_happened(
        self, database, make
    ):
        queue = make()
        lease = take(database, queue)

        with pytest.raises(RuntimeError):
            finish_and_fail(database, queue, lease)

        assert batch_states(database) == ["processing"]
        assert rows(database, "SELECT * FROM customer") == []
        assert finish(database, queue, lease).created == 2

    def test_given_a_worker_that_stalls_before_its_commit_then_the_server_ends_it(
        self, database, make
    ):
        queue = make()
        lease = take(database, queue)

        with database.organization(queue.org_id) as conn:
            complete(conn, lease, queue, CUSTOMERS, backoff_seconds=0)
            found = conn.execute("SHOW idle_in_transaction_session_timeout").fetchone()

        assert found == {"idle_in_transaction_session_timeout": "10s"}


class TestRelease:
    def test_given_a_released_batch_when_claimed_before_the_wait_is_over_then_nothing(
        self, database, make
    ):
        queue = make()
        with database.organization(queue.org_id) as conn:
            release(conn, take(database, queue), backoff_seconds=30)
            due = seconds_until_due(conn, queue.queue_no)

        assert 25 < due <= 30
        assert take(database, queue, now_utc=None) is None
        assert take(database, queue, now_utc=T0).batch_no == 1

    def test_given_a_released_batch_when_claimed_again_then_that_fault_is_no_attempt(
        self, database, make
    ):
        queue = make()
        first = take(database, queue)
        with database.organization(queue.org_id) as conn:
            release(conn, first, backoff_seconds=0)
        again = take(database, queue, now_utc=None)

        assert (again.attempt, again.token) == (first.attempt, first.token + 1)

    def test_given_a_lost_lease_when_released_then_the_new_holder_keeps_it(self, database, make):
        queue = make()
        old = take(database, queue)
        current = take(database, queue, now_utc=T0 + seconds(61))
        with database.organization(queue.org_id) as conn:
            release(conn, old, backoff_seconds=0)

        assert finish(database, queue, current).created == 2


class TestSplitAndGiveUp:
    def test_given_a_batch_of_five_when_split_until_single_then_no_line_is_lost_or_twice(
        self, database, shop
    ):
        queue = fill_queue(database, shop, [customer(n + 1) for n in range(5)], batch_size=5)
        while (lease := take(database, queue)) is not None:
            with database.organization(queue.org_id) as conn:
                if not split(conn, lease):
                    give_up(conn, lease, queue, code="x.y", message="m", max_retries=0)

        ranges = rows(
            database, "SELECT first_line, last_line, n_total FROM sync_batch ORDER BY first_line"
        )
        assert [tuple(one.values()) for one in ranges] == [(n, n, 1) for n in range(1, 6)]
        found = status(database, queue)
        assert (found["total_count"], found["failed_count"]) == (5, 5)

    def test_given_a_lost_lease_when_split_or_given_up_then_nothing_happens(self, database, make):
        queue = make()
        old = take(database, queue)
        take(database, queue, now_utc=T0 + seconds(61))

        with database.organization(queue.org_id) as conn:
            assert split(conn, old) is False
            with pytest.raises(LeaseLostError):
                give_up(conn, old, queue, code="x", message="m")
        assert status(database, queue)["failed_count"] == 0

    def test_given_lines_with_gaps_in_their_numbers_when_split_then_totals_still_count_lines(
        self, database, shop
    ):
        queue = fill_queue(database, shop, [customer(n + 1) for n in range(6)], batch_size=6)
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_line WHERE line_no IN (2, 3)")
            conn.execute("UPDATE sync_batch SET n_total = 4")

        with database.organization(queue.org_id) as conn:
            assert split(conn, take(database, queue))

        totals = rows(database, "SELECT n_total FROM sync_batch ORDER BY first_line")
        assert [one["n_total"] for one in totals] == [2, 2]


class TestDue:
    def test_given_a_lease_when_asked_then_the_time_until_it_runs_out(self, database, make):
        queue = make()
        take(database, queue, now_utc=None, lease_seconds=60)

        with database.organization(queue.org_id) as conn:
            assert 55 < seconds_until_due(conn, queue.queue_no) <= 60

    def test_given_nothing_open_when_asked_then_none(self, database, make):
        queue = make()
        finish(database, queue, take(database, queue))

        with database.organization(queue.org_id) as conn:
            assert seconds_until_due(conn, queue.queue_no) is None
