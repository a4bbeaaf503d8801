"""What one completed batch does: identity, duplicates, audit, conflicts, retries."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122, UUID

import psycopg
import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.completion import split, time_ordered_prefix, worker_name
from sync_pipeline.queue.leases import claim
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.conftest import make_organization, settings_for
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    order,
    queue_settings,
    row,
    rows,
    status,
)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def apply(database, shop):
    def applied(*records, orders=(), connection=shop, **settings):
        return apply_records(database, connection, records, orders, **settings)

    return applied


def add_customer(database, email, org_id="acme"):
    """A customer that a person made, not a sync."""
    return row(
        database,
        "INSERT INTO customer (org_id, name, email) VALUES (%s, 'By hand', %s) RETURNING id",
        org_id,
        email,
        org_id=org_id,
    )["id"]


def emails(database):
    """E-mail of our customer by remote id."""
    found = rows(
        database,
        "SELECT r.external_id, c.email FROM sync_record AS r JOIN customer AS c"
        " ON c.id = r.local_id WHERE r.tombstoned_at IS NULL",
    )
    return {one["external_id"]: one["email"] for one in found}


def local_ids(database):
    found = rows(database, "SELECT external_id, local_id FROM sync_record")
    return {one["external_id"]: one["local_id"] for one in found}


def lines(database, queue):
    found = rows(
        database,
        "SELECT external_id, state, error_count, error_code, error_message FROM sync_line_status"
        " WHERE queue_no = %s",
        queue.queue_no,
    )
    return {one.pop("external_id"): one for one in found}


def was_update(database, queue):
    found = rows(
        database,
        "SELECT woo_customer_id, was_update FROM woo_customer_sync_queue_line WHERE queue_id = %s",
        str(queue.id),
    )
    return {one["woo_customer_id"]: one["was_update"] for one in found}


class TestIdentity:
    def test_given_a_known_id_when_its_email_changes_then_it_keeps_its_customer(
        self, database, apply
    ):
        apply(customer(1, email="old@x.test"))
        before = local_ids(database)

        _, outcome = apply(customer(1, email="new@x.test"))

        assert outcome.updated == 1
        assert local_ids(database) == before
        assert emails(database) == {"1": "new@x.test"}
        assert len(rows(database, "SELECT * FROM customer")) == 1

    def test_given_a_customer_made_by_hand_when_the_email_matches_without_case_then_it_is_taken(
        self, database, apply
    ):
        ours = add_customer(database, " Ann@X.test ")

        queue, outcome = apply(customer(1, email="ANN@x.TEST"))

        assert (outcome.created, outcome.updated) == (0, 1)
        assert local_ids(database) == {"1": ours}
        assert was_update(database, queue) == {1: True}

    def test_given_a_new_customer_then_was_update_says_no_and_yes_the_next_time(
        self, database, apply
    ):
        first, _ = apply(customer(1))
        second, _ = apply(customer(1, first_name="Eve"))

        assert was_update(database, first) == {1: False}
        assert was_update(database, second) == {1: True}

    def test_given_the_same_email_in_another_organization_then_it_is_left_alone(
        self, database, apply, other_org_id
    ):
        theirs = add_customer(database, "ann@x.test", other_org_id)

        _, outcome = apply(customer(1, email="ann@x.test"))

        assert outcome.created == 1
        assert theirs not in local_ids(database).values()

    def test_given_two_stores_with_the_same_email_then_one_customer_with_two_identities(
        self, database, apply, org_id
    ):
        apply(customer(1, email="ann@x.test"))
        second = make_connection(database, org_id, name="second")

        _, outcome = apply(customer(9, email="ann@x.test"), connection=second)

        assert (outcome.created, outcome.failed) == (0, 0)
        assert len(set(local_ids(database).values())) == 1

    def test_given_content_that_is_already_ours_then_unchanged_and_updated_at_stays(
        self, database, apply
    ):
        apply(customer(1))
        with database.owner() as conn:
            conn.execute("UPDATE sync_record SET content_hash = gen_random_uuid()")
        before = rows(database, "SELECT * FROM customer")

        _, outcome = apply(customer(1))

        assert outcome.unchanged == 1
        assert rows(database, "SELECT * FROM customer") == before

    def test_given_a_tombstoned_record_when_it_comes_back_then_it_lives_again(
        self, database, apply
    ):
        apply(customer(1))
        with database.owner() as conn:
            conn.execute("UPDATE sync_record SET tombstoned_at = now()")

        _, outcome = apply(customer(1))

        assert outcome.done == 1
        assert row(database, "SELECT tombstoned_at FROM sync_record")["tombstoned_at"] is None


class TestDuplicateKey:
    def test_given_one_email_twice_in_a_batch_then_the_first_is_applied_and_the_other_fails_alone(
        self, database, apply
    ):
        queue, outcome = apply(
            customer(1, email="a@x.test"), customer(2, email="A@X.test"), customer(3)
        )

        assert (outcome.created, outcome.failed) == (2, 1)
        assert lines(database, queue)["2"]["error_code"] == "duplicate.same_batch"
        found = status(database, queue)
        assert (found["state"], found["failed_count"]) == ("partial", 1)

    def test_given_a_known_and_a_new_record_with_one_email_then_the_known_one_has_it(
        self, database, apply
    ):
        apply(customer(2, email="a@x.test"))

        queue, outcome = apply(
            customer(1, email="a@x.test"), customer(2, email="a@x.test", first_name="Eve")
        )

        assert (outcome.updated, outcome.failed) == (1, 1)
        assert lines(database, queue)["1"]["state"] == "failed"

    def test_given_a_known_record_that_wants_the_email_of_another_then_its_owner_is_not_refused(
        self, database, apply
    ):
        apply(customer(1, email="a@x.test"), customer(2, email="b@x.test"))

        queue, outcome = apply(
            customer(1, email="b@x.test"), customer(2, email="b@x.test", first_name="Eve")
        )

        assert (outcome.updated, outcome.failed) == (1, 1)
        assert lines(database, queue)["1"]["error_code"] == "duplicate.same_batch"

    @pytest.mark.parametrize("workers", [1, 2])
    def test_given_one_email_in_two_batches_then_one_has_it_and_the_other_is_a_duplicate(
        self, database, apply, workers
    ):
        queue, outcome = apply(
            customer(1, email="a@x.test"),
            customer(2, email="a@x.test"),
            batch_size=1,
            workers=workers,
        )

        assert (outcome.created, outcome.failed) == (1, 1)
        codes = {one["error_code"] for one in lines(database, queue).values()}
        assert codes == {None, "duplicate.claimed"}
        conflict = row(database, "SELECT conflict_type, state, message FROM sync_conflict")
        assert (conflict["conflict_type"], conflict["state"]) == ("DuplicateKey", "open")
        assert "a@x.test" in conflict["message"]

    def test_given_a_known_id_moving_to_an_email_of_another_then_it_fails_after_its_retries(
        self, database, apply
    ):
        apply(customer(1, email="a@x.test"), customer(2, email="b@x.test"))

        queue, outcome = apply(customer(1, email="b@x.test"), max_retries=2)

        assert (outcome.failed, outcome.retried) == (1, 4)
        line = lines(database, queue)["1"]
        assert (line["error_code"], line["error_count"]) == ("duplicate.key_taken", 5)
        assert emails(database) == {"1": "a@x.test", "2": "b@x.test"}

    def test_given_emails_handed_on_along_a_chain_then_retries_apply_all_of_it(
        self, database, apply
    ):
        apply(customer(1, email="a@x.test"), customer(2, email="b@x.test"))

        queue, outcome = apply(customer(1, email="b@x.test"), customer(2, email="c@x.test"))

        assert (outcome.updated, outcome.failed) == (2, 0)
        assert emails(database) == {"1": "b@x.test", "2": "c@x.test"}
        assert status(database, queue)["state"] == "done"

    @pytest.mark.parametrize("batch_size", [1, 2])
    def test_given_two_known_records_that_swap_emails_then_nothing_is_lost_and_both_are_conflicts(
        self, database, apply, batch_size
    ):
        apply(customer(1, email="a@x.test"), customer(2, email="b@x.test"))

        _queue, outcome = apply(
            customer(1, email="b@x.test"),
            customer(2, email="a@x.test"),
            batch_size=batch_size,
            max_retries=1,
        )

        assert outcome.failed == 2
        assert emails(database) == {"1": "a@x.test", "2": "b@x.test"}
        conflicts = rows(database, "SELECT conflict_type FROM sync_conflict WHERE state = 'open'")
        assert [one["conflict_type"] for one in conflicts] == ["DuplicateKey"] * 2

    @pytest.mark.parametrize("batch_size", [1, 2])
    def test_given_an_email_that_its_owner_leaves_when_a_new_record_has_it_then_both_are_applied(
        self, database, apply, batch_size
    ):
        apply(customer(2, email="a@x.test"))

        _, outcome = apply(
            customer(1, email="a@x.test"),
            customer(2, email="b@x.test"),
            batch_size=batch_size,
            initial_backoff_ms=200,  # another worker may be applying the owner's line meanwhile
        )

        assert (outcome.done, outcome.failed) == (2, 0)
        assert emails(database) == {"1": "a@x.test", "2": "b@x.test"}


class TestTwins:
    def test_given_a_company_with_one_email_twice_then_a_known_record_keeps_its_twin(
        self, own_database_url
    ):
        with Database.open(settings_for(own_database_url)) as database:
            make_organization(database, "acme")
            with database.owner() as conn:
                conn.execute("DROP INDEX customer_org_email_idx")
                conn.execute(
                    "CREATE INDEX customer_org_email_idx ON customer (org_id, email_normalized)"
                )
            for _ in range(2):
                add_customer(database, "c1@example.test")
            shop = make_connection(database)
            apply_records(database, shop, [customer(1)])
            taken = local_ids(database)
            with psycopg.connect(own_database_url, autocommit=True) as conn:
                conn.execute("VACUUM FULL customer")  # the other twin comes first now

            _, outcome = apply_records(
                database, shop, [customer(1, first_name="Bea")], max_retries=0
            )

            assert (outcome.updated, outcome.failed) == (1, 0)
            assert local_ids(database) == taken


class TestConflicts:
    def test_given_the_same_trouble_in_a_later_sync_then_it_is_the_same_conflict(
        self, database, apply
    ):
        apply(customer(1, email="bad"))
        first = row(database, "SELECT conflict_no, queue_no FROM sync_conflict")

        queue, _ = apply(customer(1, email="worse"))

        again = row(database, "SELECT conflict_no, queue_no, message FROM sync_conflict")
        assert again["conflict_no"] == first["conflict_no"]
        assert again["queue_no"] == queue.queue_no
        assert "worse" in again["message"]

    def test_given_the_record_is_mended_when_synced_then_its_conflict_is_settled(
        self, database, apply
    ):
        apply(customer(1, email="bad"))

        apply(customer(1))

        conflict = row(database, "SELECT state, resolved_by, resolved_at FROM sync_conflict")
        assert (conflict["state"], conflict["resolved_by"]) == ("resolved", "sync")
        assert conflict["resolved_at"] is not None

    def test_given_a_settled_conflict_when_the_trouble_returns_then_a_new_one_is_open(
        self, database, apply
    ):
        for email in ("bad", "good@x.test", "bad"):
            apply(customer(1, email=email))

        states = rows(database, "SELECT state FROM sync_conflict ORDER BY conflict_no")
        assert [one["state"] for one in states] == ["resolved", "open"]


class TestAudit:
    def test_given_an_update_then_before_and_after_hold_what_changed_and_nothing_else(
        self, database, apply
    ):
        apply(customer(1, first_name="Ann"))
        queue, _ = apply(customer(1, first_name="Eve"))

        activity = row(
            database,
            "SELECT activity_type, status, before, after FROM sync_activity"
            " WHERE queue_no = %s AND line_no IS NOT NULL",
            queue.queue_no,
        )
        assert activity == {
            "activity_type": "record_updated",
            "status": "success",
            "before": {"name": "Ann Number 1"},
            "after": {"name": "Eve Number 1"},
        }

    def test_given_a_new_customer_then_after_holds_every_column(self, database, apply):
        _queue, _ = apply(customer(1), orders=[order(1, 1, "12.30")])

        activity = row(
            database,
            "SELECT before, after FROM sync_activity WHERE activity_type = 'record_created'",
        )
        assert activity["before"] is None
        assert set(activity["after"]) == set(CUSTOMERS.columns)
        assert activity["after"]["lifetime_value"] == 12.3

    @pytest.mark.parametrize(
        "change", ["UPDATE sync_activity SET message = 'x'", "DELETE FROM sync_activity"]
    )
    def test_given_an_audit_row_when_the_owner_changes_it_then_refused(
        self, database, apply, change
    ):
        apply(customer(1))

        with pytest.raises(Exception, match="append-only"), database.owner() as conn:
            conn.execute(change)

    @pytest.mark.parametrize(
        "change", ["UPDATE sync_activity SET message = 'x'", "DELETE FROM sync_activity"]
    )
    def test_given_an_audit_row_when_the_worker_changes_it_then_refused(
        self, database, apply, change
    ):
        apply(customer(1))

        with (
            pytest.raises(Exception, match="permission denied"),
            database.organization("acme") as c,
        ):
            c.execute(change)

    def test_given_retention_when_the_owner_deletes_then_that_alone_is_allowed(
        self, database, apply
    ):
        apply(customer(1))

        with database.owner() as conn:
            conn.execute("SET LOCAL app.retention = 'on'")
            conn.execute("DELETE FROM sync_activity WHERE line_no IS NULL")
            with pytest.raises(Exception, match="append-only"), conn.transaction():
                conn.execute("UPDATE sync_activity SET message = 'x'")


class TestTargetGone:
    def test_given_our_row_was_deleted_by_hand_when_the_record_changes_then_it_is_made_again(
        self, database, apply
    ):
        apply(customer(1))
        with database.owner() as conn:
            conn.execute("DELETE FROM customer")

        _, outcome = apply(customer(1, first_name="Eve"))

        assert (outcome.done, outcome.failed) == (1, 0)
        assert emails(database) == {"1": "c1@example.test"}


class TestSerializable:
    def test_given_serializable_batches_when_applied_by_two_workers_then_the_same_result(
        self, database, shop
    ):
        queue = fill_queue(database, shop, [customer(n + 1) for n in range(60)], batch_size=5)

        outcome = upsert(
            database, queue, CUSTOMERS, queue_settings(isolation="serializable", workers=2)
        )

        assert (outcome.created, outcome.failed) == (60, 0)
        assert status(database, queue)["state"] == "done"


def test_given_times_when_prefixed_then_the_order_of_ids_is_that_of_time():
    prefix = time_ordered_prefix(0x0123456789AB, 0xABCDEF01234)

    assert prefix == "01234567-89ab-7abc-9ef0-1234"
    key = UUID(prefix + "00000001")
    assert (key.version, key.variant) == (7, RFC_4122)
    assert time_ordered_prefix(1, 0xFFFFFFFFFFF) < time_ordered_prefix(2, 0)


def test_given_two_workers_when_named_then_no_two_names_are_equal(database, shop):
    assert len({worker_name(1, 1) for _ in range(50)}) == 50

    queue = fill_queue(database, shop, [customer(1)])
    with database.organization("acme") as conn:
        claim(conn, queue.queue_no, worker="host-1", lease_seconds=60)
    assert row(database, "SELECT worker FROM sync_batch")["worker"] == "host-1"


class TestSplit:
    def test_given_two_batches_split_at_once_then_both_are_cut_and_no_number_is_taken_twice(
        self, database, shop
    ):
        queue = fill_queue(database, shop, [customer(n + 1) for n in range(8)], batch_size=4)
        with database.organization("acme") as conn:
            first, second = (
                claim(conn, queue.queue_no, worker=name, lease_seconds=60) for name in "ab"
            )

        with ThreadPoolExecutor(1) as thread:
            with database.organization("acme") as conn:
                assert split(conn, first)
                other = thread.submit(split_alone, database, second)
                wait_until_blocked(database)
            assert other.result(timeout=60)

        batches = rows(
            database, "SELECT batch_no, n_total, state FROM sync_batch ORDER BY batch_no"
        )
        assert [(one["batch_no"], one["n_total"]) for one in batches] == [
            (1, 2),
            (2, 2),
            (3, 2),
            (4, 2),
        ]


def split_alone(database, lease):
    with database.organization("acme") as conn:
        return split(conn, lease)


def wait_until_blocked(database):
    """Until some statement waits for a lock."""
    for _ in range(500):
        if rows(
            database,
            "SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database()"
            " AND cardinality(pg_blocking_pids(pid)) > 0",
        ):
            return
        time.sleep(0.01)
    raise AssertionError("nothing waits")
