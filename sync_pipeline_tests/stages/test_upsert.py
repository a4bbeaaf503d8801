"""Draining a queue: workers, retries, lines that the database refuses, processes that die."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.errors import DatabaseUnavailableError, DatabaseUnusableError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.completion import complete
from sync_pipeline.queue.leases import claim
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.conftest import make_organization, settings_for
from sync_pipeline_tests.factories import (
    customer,
    fill_queue,
    make_connection,
    queue_settings,
    row,
    rows,
    status,
)
from sync_pipeline_tests.queue.transitions import miscounted_batches


@pytest.fixture
def own_database(own_database_url):
    """A database whose schema one test may change."""
    with Database.open(settings_for(own_database_url)) as database:
        make_organization(database, "acme")
        yield database


def refuse(database, condition, raising):
    """Let the database raise for some customers, whatever statement writes them."""
    with database.owner() as conn:
        conn.execute(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
            " SECURITY DEFINER AS $$ BEGIN"
            f" IF {condition} THEN {raising}; END IF; RETURN NEW; END $$"
        )
        conn.execute(
            "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON customer"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )


def applied_and_audited(database, queue):
    return row(
        database,
        "SELECT (SELECT count(*) FROM customer) AS customers,"
        " (SELECT count(line_no) FROM sync_activity WHERE queue_no = %s) AS audit,"
        " (SELECT count(DISTINCT line_no) FROM sync_activity WHERE queue_no = %s) AS lines",
        queue.queue_no,
        queue.queue_no,
    )


class TestRefusedLines:
    @pytest.mark.parametrize(
        ("sqlstate", "code"),
        [
            ("23514", "sql.23514"),
            ("22003", "sql.22003"),
            ("P0001", "sql.P0001"),
            ("54000", "sql.54000"),
            ("42703", "sql.42703"),
        ],
    )
    def test_given_a_line_that_makes_the_database_raise_then_it_fails_alone(
        self, own_database, sqlstate, code
    ):
        refuse(
            own_database,
            "NEW.email = 'c13@example.test'",
            f"RAISE EXCEPTION 'no such customer here' USING ERRCODE = '{sqlstate}'",
        )
        shop = make_connection(own_database)
        queue = fill_queue(own_database, shop, [customer(n + 1) for n in range(40)], batch_size=20)

        outcome = upsert(own_database, queue, CUSTOMERS, queue_settings())

        assert (outcome.created, outcome.failed) == (39, 1)
        failed = row(
            own_database,
            "SELECT external_id, error_code, error_message FROM sync_line_status"
            " WHERE state = 'failed'",
        )
        assert (failed["external_id"], failed["error_code"]) == ("13", code)
        assert "no such customer here" in failed["error_message"]
        assert applied_and_audited(own_database, queue) == {
            "customers": 39,
            "audit": 43,  # the bad one was tried four times
            "lines": 40,
        }
        assert status(own_database, queue)["state"] == "partial"

    def test_given_two_refused_lines_then_both_fail_and_their_neighbours_do_not(self, own_database):
        refuse(
            own_database,
            "NEW.email ~ '^c(1|8)@'",
            "RAISE EXCEPTION USING ERRCODE = 'check_violation'",
        )
        shop = make_connection(own_database)
        queue = fill_queue(own_database, shop, [customer(n + 1) for n in range(8)], batch_size=8)

        outcome = upsert(own_database, queue, CUSTOMERS, queue_settings(workers=1))

        assert (outcome.created, outcome.failed) == (6, 2)

    def test_given_a_line_that_is_refused_in_a_later_pass_then_it_fails_alone_there_too(
        self, own_database
    ):
        shop = make_connection(own_database)
        owners = [customer(n, email=f"taken{n}@x.test") for n in (91, 92, 93)]
        fill_and_apply(own_database, shop, owners)
        waiting = [customer(n - 90, email=f"taken{n}@x.test") for n in (91, 92, 93)]
        queue = fill_queue(own_database, shop, [*waiting, customer(4)], max_retries=1)
        with own_database.organization("acme") as conn:
            lease = claim(conn, queue.queue_no, worker="a", lease_seconds=60)
            first = complete(conn, lease, queue, CUSTOMERS, backoff_seconds=0)
        with own_database.owner() as conn:
            conn.execute("UPDATE customer SET email = 'free' || email WHERE email LIKE 'taken%'")
        refuse(own_database, "NEW.email = 'taken92@x.test'", "RAISE EXCEPTION 'not this one'")

        outcome = upsert(own_database, queue, CUSTOMERS, queue_settings())

        assert (first.created, first.retried) == (1, 3)
        assert (outcome.created, outcome.failed) == (2, 1)
        assert row(
            own_database, "SELECT external_id FROM sync_line_status WHERE state = 'failed'"
        ) == {"external_id": "2"}
        assert miscounted_batches(own_database, queue) == []
        found = status(own_database, queue)
        assert (found["created_count"], found["done_count"], found["failed_count"]) == (3, 3, 1)

    def test_given_a_refusal_that_passes_then_the_line_is_tried_again_after_its_backoff(
        self, own_database
    ):
        with own_database.owner() as conn:
            conn.execute("CREATE SEQUENCE tries; GRANT USAGE ON SEQUENCE tries TO sync_worker")
        refuse(
            own_database,
            "NEW.email = 'c1@example.test' AND nextval('tries') < 3",
            "RAISE EXCEPTION 'not yet'",
        )
        shop = make_connection(own_database)
        queue = fill_queue(own_database, shop, [customer(1)], initial_backoff_ms=100)

        outcome = upsert(own_database, queue, CUSTOMERS, queue_settings(initial_backoff_ms=100))

        assert (outcome.created, outcome.retried, outcome.failed) == (1, 2, 0)
        waits = row(
            own_database,
            "SELECT extract(epoch FROM max(created_at) - min(created_at))::float8 AS seconds"
            " FROM sync_activity WHERE line_no = 1",
        )
        assert waits["seconds"] >= 0.75 * (0.1 + 0.2)

    def test_given_lines_that_are_refused_to_the_last_then_the_queue_says_what_to_check(
        self, own_database
    ):
        refuse(own_database, "true", "RAISE EXCEPTION 'closed'")
        shop = make_connection(own_database)
        queue = fill_queue(own_database, shop, [customer(1), customer(2)], max_retries=1)

        outcome = upsert(own_database, queue, CUSTOMERS, queue_settings())

        assert (outcome.retried, outcome.failed) == (2, 2)
        conflicts = rows(own_database, "SELECT conflict_type, details FROM sync_conflict")
        assert {one["conflict_type"] for one in conflicts} == {"RetryExhausted"}
        assert {one["details"]["tries"] for one in conflicts} == {2}
        found = status(own_database, queue)
        assert (found["state"], found["is_action_required"]) == ("failed", True)
        assert found["action_required_reason"] == (
            "100 % failures, check the store and the mapping: 2 of 2 lines failed: "
            "2 x sql.P0001 (retries exhausted)"
        )

    @pytest.mark.parametrize(
        ("break_it", "mend_it"),
        [
            (
                "REVOKE UPDATE ON customer FROM sync_worker",
                "GRANT UPDATE ON customer TO sync_worker",
            ),
            (
                "ALTER TABLE customer RENAME COLUMN tags TO labels",
                "ALTER TABLE customer RENAME COLUMN labels TO tags",
            ),
        ],
    )
    def test_given_a_schema_that_refuses_every_line_then_it_stops_and_no_line_fails(
        self, own_database, break_it, mend_it
    ):
        shop = make_connection(own_database)
        queue = fill_queue(own_database, shop, [customer(n + 1) for n in range(8)], batch_size=4)
        with own_database.owner() as conn:
            conn.execute(break_it)
        with pytest.raises(DatabaseUnusableError, match="refuses every line"):
            upsert(own_database, queue, CUSTOMERS, queue_settings())
        with own_database.owner() as conn:
            conn.execute(mend_it)

        outcome = upsert(own_database, queue, CUSTOMERS, queue_settings())

        assert (outcome.created, outcome.failed) == (8, 0)

    def test_given_passing_faults_when_tried_again_then_every_line_is_applied(self, own_database):
        with own_database.owner() as conn:
            conn.execute("CREATE SEQUENCE tries; GRANT USAGE ON SEQUENCE tries TO sync_worker")
        refuse(
            own_database,
            "nextval('tries') < 6",
            "RAISE EXCEPTION 'again' USING ERRCODE = 'deadlock_detected'",
        )
        shop = make_connection(own_database)
        queue = fill_queue(own_database, shop, [customer(n + 1) for n in range(10)], batch_size=5)

        outcome = upsert(own_database, queue, CUSTOMERS, queue_settings(max_backoff_ms=1))

        assert (outcome.created, outcome.failed) == (10, 0)

    def test_given_the_connection_dies_in_a_batch_then_it_stops_and_the_next_start_goes_on(
        self, own_database
    ):
        refuse(
            own_database,
            "NEW.email = 'c4@example.test' AND current_setting('app.calm', true) IS NULL",
            "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1)",
        )
        shop = make_connection(own_database)
        queue = fill_queue(own_database, shop, [customer(n + 1) for n in range(6)], batch_size=2)

        with pytest.raises(DatabaseUnavailableError):
            upsert(own_database, queue, CUSTOMERS, queue_settings(lease_seconds=0.2, workers=1))
        with own_database.owner() as conn:
            conn.execute("DROP TRIGGER refuse ON customer")
        outcome = upsert(own_database, queue, CUSTOMERS, queue_settings(lease_seconds=0.2))

        assert outcome.created == 4
        assert applied_and_audited(own_database, queue) == {
            "customers": 6,
            "audit": 6,
            "lines": 6,
        }


class TestKillers:
    def test_given_a_batch_whose_workers_keep_dying_then_it_is_cut_until_the_line_is_alone(
        self, database, org_id
    ):
        shop = make_connection(database)
        queue = fill_queue(database, shop, [customer(n + 1) for n in range(4)], batch_size=4)
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_batch SET state = 'processing', attempt = 5, token = 5,"
                " lease_until = now() - interval '1 s'"
            )

        outcome = upsert(database, queue, CUSTOMERS, queue_settings())

        assert (outcome.created, outcome.failed) == (4, 0)
        assert len(rows(database, "SELECT * FROM sync_batch")) == 2

    def test_given_one_line_whose_workers_keep_dying_then_it_fails_and_says_so(
        self, database, org_id
    ):
        shop = make_connection(database)
        queue = fill_queue(database, shop, [customer(1)])
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_batch SET state = 'processing', attempt = 5, token = 5,"
                " lease_until = now() - interval '1 s'"
            )

        outcome = upsert(database, queue, CUSTOMERS, queue_settings())

        assert outcome.failed == 1
        conflict = row(database, "SELECT conflict_type, message FROM sync_conflict")
        assert conflict["conflict_type"] == "RetryExhausted"
        assert "again and again" in conflict["message"]


class TestRetries:
    def test_given_a_line_that_tries_again_then_its_batch_waits_longer_each_time(
        self, database, org_id
    ):
        shop = make_connection(database)
        fill_and_apply(database, shop, [customer(1, email="a@x.test"), customer(2)])
        queue = fill_queue(
            database,
            shop,
            [customer(1, email="c2@example.test")],
            initial_backoff_ms=50,
            max_retries=1,
        )

        outcome = upsert(database, queue, CUSTOMERS, queue_settings(initial_backoff_ms=50))

        assert (outcome.retried, outcome.failed) == (3, 1)
        times = [
            one["created_at"].timestamp()
            for one in rows(
                database,
                "SELECT created_at FROM sync_activity WHERE queue_no = %s"
                " AND line_no IS NOT NULL ORDER BY created_at",
                queue.queue_no,
            )
        ]
        first_wait, second_wait = times[1] - times[0], times[2] - times[1]
        assert first_wait >= 0.75 * 0.05
        assert second_wait >= 0.75 * 0.1

    def test_given_retries_set_to_none_when_our_row_was_deleted_by_hand_then_it_is_made_again(
        self, database, org_id
    ):
        shop = make_connection(database)
        fill_and_apply(database, shop, [customer(1)])
        with database.owner() as conn:
            conn.execute("DELETE FROM customer")

        outcome = fill_and_apply(database, shop, [customer(1, first_name="Eve")], max_retries=0)

        assert (outcome.created, outcome.failed) == (1, 0)

    def test_given_retries_set_to_none_then_the_first_failure_is_the_last(self, database, org_id):
        shop = make_connection(database)
        fill_and_apply(database, shop, [customer(1), customer(2)])

        outcome = fill_and_apply(
            database, shop, [customer(1, email="c2@example.test")], max_retries=0
        )

        assert (outcome.retried, outcome.failed) == (0, 1)


def fill_and_apply(database, shop, records, **settings):
    queue = fill_queue(database, shop, records, **settings)
    return upsert(database, queue, CUSTOMERS, queue_settings(**settings))


class TestWorkers:
    def test_given_several_drains_at_once_then_every_line_is_applied_and_audited_once(
        self, database, org_id
    ):
        shop = make_connection(database)
        queue = fill_queue(database, shop, [customer(n + 1) for n in range(200)], batch_size=7)

        with ThreadPoolExecutor(3) as pool:
            outcomes = list(
                pool.map(
                    lambda _: upsert(database, queue, CUSTOMERS, queue_settings(workers=2)),
                    range(3),
                )
            )

        assert sum(outcome.created for outcome in outcomes) == 200
        assert applied_and_audited(database, queue) == {
            "customers": 200,
            "audit": 200,
            "lines": 200,
        }
        assert status(database, queue)["state"] == "done"

    def test_given_a_queue_that_is_done_when_drained_again_then_nothing_happens(
        self, database, org_id
    ):
        shop = make_connection(database)
        queue = fill_queue(database, shop, [customer(1)])
        upsert(database, queue, CUSTOMERS, queue_settings())

        again = upsert(database, queue, CUSTOMERS, queue_settings())

        assert (again.done, again.failed) == (0, 0)

    def test_given_another_process_with_the_last_batch_then_the_drain_waits_for_its_lease(
        self, database, org_id
    ):
        shop = make_connection(database)
        queue = fill_queue(database, shop, [customer(1)])
        with database.organization("acme") as conn:
            claim(conn, queue.queue_no, worker="dead", lease_seconds=0.3)

        outcome = upsert(database, queue, CUSTOMERS, queue_settings())

        assert outcome.created == 1
        assert row(database, "SELECT token FROM sync_batch")["token"] == 2

    def test_given_a_batch_delay_then_it_is_kept(self, database, org_id):
        shop = make_connection(database)
        queue = fill_queue(
            database, shop, [customer(n + 1) for n in range(3)], batch_size=1, batch_delay_ms=100
        )
        seen = []

        upsert(database, queue, CUSTOMERS, queue_settings(workers=1), seen.append)

        times = rows(database, "SELECT created_at FROM sync_activity WHERE line_no IS NOT NULL")
        moments = sorted(one["created_at"].timestamp() for one in times)
        assert moments[2] - moments[0] >= 0.2
        assert [outcome.created for outcome in seen] == [1, 1, 1]

    def test_given_a_callback_that_raises_then_the_drain_ends_with_its_error(
        self, database, org_id
    ):
        shop = make_connection(database)
        queue = fill_queue(database, shop, [customer(n + 1) for n in range(10)], batch_size=1)

        def fail(_):
            raise RuntimeError("stop")

        before = threading.active_count()
        with pytest.raises(RuntimeError, match="stop"):
            upsert(database, queue, CUSTOMERS, queue_settings(), fail)
        assert threading.active_count() <= before + 3  # the pool's own threads

        assert upsert(database, queue, CUSTOMERS, queue_settings()).done >= 8
        assert status(database, queue)["done_count"] == 10


_WATCHED = """
    CREATE TABLE watched (place text, setting text);
    CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO watched VALUES (TG_TABLE_NAME, current_setting('synchronous_commit'));
        RETURN NULL;
    END $$;
    CREATE TRIGGER watch_batches AFTER UPDATE ON sync_batch EXECUTE FUNCTION watch();
    CREATE TRIGGER watch_finish AFTER UPDATE OF finished_at ON sync_queue EXECUTE FUNCTION watch();
"""
_UNWATCHED = "DROP FUNCTION watch() CASCADE; DROP TABLE watched"


def test_given_a_queue_when_drained_then_batches_do_not_wait_for_the_disk_and_the_finish_does(
    database, org_id
):
    shop = make_connection(database, org_id)
    queue = fill_queue(database, shop, [customer(n + 1) for n in range(4)], batch_size=2)
    with database.owner() as conn:
        conn.execute(_WATCHED)
    try:
        # The databases of tests do not wait, for speed; those of companies do.
        joint = "&" if "?" in database.url else "?"
        waiting = f"{database.url}{joint}options=-csynchronous_commit%3Don"
        with Database.open(settings_for(waiting)) as as_delivered:
            upsert(as_delivered, queue, CUSTOMERS, queue_settings())
        with database.owner() as conn:
            found = conn.execute(
                "SELECT DISTINCT place, setting FROM watched ORDER BY 1"
            ).fetchall()
    finally:
        with database.owner() as conn:
            conn.execute(_UNWATCHED)

    assert [(one["place"], one["setting"]) for one in found] == [
        ("sync_batch", "off"),
        ("sync_queue", "on"),
    ]
