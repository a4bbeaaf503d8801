"""Each type of conflict where it happens: tried again by itself, and settled when it went well."""

import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue import actions
from sync_pipeline.queue.completion import complete, retries_of
from sync_pipeline.queue.conflicts import Chosen, retry_conflicts
from sync_pipeline.queue.failures import Failure, record_failure
from sync_pipeline.queue.leases import claim
from sync_pipeline_tests.factories import (
    customer,
    fill_queue,
    make_queue,
    queue_settings,
    row,
    rows,
    run_sync,
    store,
)
from sync_pipeline_tests.queue.conflicts.conftest import conflicts

REFUSED = Failure("woocommerce.authentication_failed", "The keys are refused.", is_permanent=True)


@pytest.fixture
def tried(database, shop, sync):
    """A record whose e-mail another record has, after its first try."""
    sync(customer(9, email="taken@x.test"))
    queue = fill_queue(database, shop, [customer(1, email="taken@x.test")], max_retries=1)
    with database.organization("acme") as conn:
        lease = claim(conn, queue.queue_no, worker="w", lease_seconds=60)
        complete(conn, lease, queue, CUSTOMERS, backoff_seconds=0.3)
    return queue


class TestAutoRetry:
    def test_given_a_key_that_another_record_has_then_its_next_try_is_seen(self, database, tried):
        (conflict,) = conflicts(database)

        assert (conflict["conflict_type"], conflict["strategy"]) == ("DuplicateKey", "AutoRetry")
        assert conflict["tries"] == 1
        wait = conflict["next_try_at"] - conflict["updated_at"]
        assert wait.total_seconds() == pytest.approx(0.3)

    def test_given_the_last_try_failed_then_a_person_decides(self, database, tried, sync):
        sync(customer(1, email="taken@x.test"), max_retries=1)

        (conflict,) = conflicts(database)
        assert (conflict["strategy"], conflict["tries"]) == ("Manual", 4)
        assert conflict["next_try_at"] is None

    def test_given_the_key_is_left_then_the_next_try_settles_it(self, database, shop, sync):
        sync(customer(1, email="a@x.test"), customer(2, email="b@x.test"))

        sync(customer(1, email="b@x.test"), customer(2, email="c@x.test"))

        settled = row(database, "SELECT * FROM sync_conflict")
        assert (settled["state"], settled["next_try_at"]) == ("resolved", None)
        assert settled["resolution"] == "went well when it was tried again"

    def test_given_the_sync_is_cancelled_then_nothing_tries_it_again(self, database, tried):
        actions.cancel(database, str(tried.id), by="ann")

        (conflict,) = conflicts(database)
        assert (conflict["strategy"], conflict["next_try_at"]) == ("Manual", None)

    @pytest.mark.parametrize(
        ("code", "max_retries", "tries"),
        [("duplicate.key_taken", 3, 5), ("duplicate.claimed", 0, 0), ("sql.P0001", 3, 3)],
    )
    def test_given_a_code_then_keys_have_more_tries_where_any_are_wanted(
        self, code, max_retries, tries
    ):
        assert retries_of(code, max_retries) == tries


def test_given_a_bad_record_that_is_again_as_it_was_applied_then_its_conflict_is_settled(
    database, sync
):
    sync(customer(1))
    sync(customer(1, email="bad"))

    sync(customer(1))

    assert conflicts(database) == []
    assert row(database, "SELECT count(*) AS n FROM sync_conflict")["n"] == 1


class TestSkipped:
    def test_given_it_was_skipped_when_the_same_record_fails_again_then_nobody_is_asked(
        self, database, sync, decide
    ):
        sync(customer(1, email="bad"))
        decide("skip")

        sync(customer(1, email="bad"))
        assert conflicts(database) == []

        sync(customer(1, email="worse"))
        assert len(conflicts(database)) == 1


class TestRetry:
    def test_given_failed_lines_when_retried_then_their_queue_is_open_again(self, database, sync):
        queue = sync(customer(1, email="bad"), customer(2))

        retrying = retry_conflicts(database, Chosen(), by="ann", reason="mended")

        assert (retrying.queue_ids, retrying.n_conflicts) == ((queue.id,), 1)
        audit = rows(
            database, "SELECT details FROM sync_activity WHERE activity_type = 'queue_retried'"
        )
        assert audit[0]["details"]["reason"] == "mended"

    def test_given_lines_that_are_gone_or_a_sync_that_is_open_then_it_is_told(
        self, database, shop, sync
    ):
        sync(customer(1, email="bad"))
        make_queue(database, shop)
        sync_is_open = retry_conflicts(database, Chosen(), by="ann")
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_line")
        lines_are_gone = retry_conflicts(database, Chosen(), by="ann")

        ((_, why),) = sync_is_open.refused
        assert "is open" in why
        assert (lines_are_gone.n_gone, lines_are_gone.queue_ids) == (1, ())


class TestAuthError:
    def test_given_keys_that_are_refused_twice_then_one_conflict_is_open_until_the_store_is_read(
        self, database, shop
    ):
        queue = make_queue(database, shop)
        for _ in range(2):
            record_failure(database, queue, REFUSED, queue_settings(), run_id=None)

        (conflict,) = conflicts(database)
        assert (conflict["conflict_type"], conflict["external_id"]) == ("AuthError", "*")
        assert (conflict["message"], conflict["strategy"]) == ("The keys are refused.", "Manual")

        retried = retry_conflicts(database, Chosen(conflict_type="AuthError"), by="ann")
        assert retried.queue_ids == (queue.id,)
        with DemoServer(store([customer(1)])) as server:
            run_sync(database, shop, server)
        assert conflicts(database) == []

    def test_given_another_failure_then_there_is_no_conflict(self, database, shop):
        down = Failure("woocommerce.store_unavailable", "It is down.", is_permanent=False)

        record_failure(database, make_queue(database, shop), down, queue_settings(), run_id=None)

        assert conflicts(database) == []
