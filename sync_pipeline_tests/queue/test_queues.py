"""Opening, finding and finishing queues; the state that follows from their batches."""

import threading
from uuid import uuid4

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.errors import InputError, UnknownQueueError
from sync_pipeline.queue import queues
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import QueueOpenError, open_queue
from sync_pipeline.queue.queues import find_queue, latest_queue
from sync_pipeline.queue.stops import QueueStoppedError
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    make_queue,
    queue_settings,
    row,
    rows,
    status,
    wait_until_somebody_waits,
)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


def start(database, shop, key=None, filters=None):
    return open_queue(
        database,
        shop,
        "customers",
        settings=queue_settings(),
        filters=filters,
        idempotency_key=key,
    )


class TestOpening:
    def test_given_no_open_queue_when_started_then_a_new_draft(self, database, shop):
        queue, is_new = start(database, shop)

        assert is_new
        assert status(database, queue)["state"] == "draft"

    def test_given_an_open_queue_when_started_again_then_it_is_joined(self, database, shop):
        first, _ = start(database, shop)

        second, is_new = start(database, shop)

        assert (second.id, is_new) == (first.id, False)

    def test_given_an_open_queue_when_other_filters_are_asked_for_then_refused_with_a_remedy(
        self, database, shop
    ):
        start(database, shop, filters=Filters(limit=3))

        with pytest.raises(QueueOpenError, match=r"sync shop --entity customers --limit 3\.$"):
            start(database, shop)

    def test_given_a_key_when_used_again_then_the_first_queue_open_or_finished(
        self, database, shop
    ):
        first, _ = start(database, shop, key="monday")
        again, is_new = start(database, shop, key="monday")
        with database.organization("acme") as conn:
            conn.execute("UPDATE sync_queue SET stage = 'finished', finished_at = now()")

        later, later_is_new = start(database, shop, key="monday")

        assert (again.id, is_new) == (later.id, later_is_new) == (first.id, False)

    def test_given_another_key_when_a_queue_is_open_then_refused(self, database, shop):
        start(database, shop, key="monday")

        with pytest.raises(QueueOpenError):
            start(database, shop, key="tuesday")

    def test_given_the_same_key_at_another_store_then_a_queue_of_its_own(
        self, database, shop, org_id
    ):
        other = make_connection(database, org_id, name="second")
        first, _ = start(database, shop, key="monday")

        second, is_new = start(database, other, key="monday")

        assert is_new
        assert second.id != first.id

    @pytest.mark.parametrize("key", [None, "monday"])
    def test_given_six_starts_at_the_same_instant_then_one_queue(self, database, shop, key):
        barrier = threading.Barrier(6)
        found = []

        def begin():
            barrier.wait()
            found.append(start(database, shop, key=key))

        threads = [threading.Thread(target=begin) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len({queue.id for queue, _ in found}) == 1
        assert sorted(is_new for _, is_new in found) == [False] * 5 + [True]

    def test_given_a_start_with_the_same_key_that_commits_in_between_then_that_queue(
        self, database, shop
    ):
        answers = []
        with database.organization("acme") as conn:
            conn.execute(
                "INSERT INTO sync_queue (org_id, connection_id, entity, queue_name, source_system,"
                " batch_size, batch_delay_ms, max_retries, initial_backoff_ms,"
                " lifetime_value_rule, idempotency_key)"
                " VALUES ('acme', %s, 'customers', 'q', 'woocommerce', 1, 0, 0, 0, 'all_orders',"
                " 'monday')",
                [shop.connection_id],
            )
            second = threading.Thread(
                target=lambda: answers.append(start(database, shop, key="monday"))
            )
            second.start()
            wait_until_somebody_waits(database)
        second.join()

        assert [is_new for _, is_new in answers] == [False]


class TestFinding:
    def test_given_no_uuid_when_found_then_an_input_error(self, database):
        with pytest.raises(InputError, match="not a queue id"):
            find_queue(database, "7")

    def test_given_an_unknown_id_when_found_then_it_is_said(self, database):
        with pytest.raises(UnknownQueueError, match="There is no queue"):
            find_queue(database, str(uuid4()))

    def test_given_no_queue_at_all_when_the_latest_is_asked_then_it_is_said(self, database):
        with pytest.raises(UnknownQueueError, match="Nothing was synced yet"):
            latest_queue(database, connection=None, entity=None)

    def test_given_two_queues_when_the_latest_is_asked_then_the_newer_by_connection(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        second, _ = start(database, shop)

        assert latest_queue(database, connection="shop", entity="customers").id == second.id
        assert find_queue(database, str(second.id)) == second


class TestState:
    @pytest.mark.parametrize(
        ("good", "bad", "state"),
        [(2, 0, "done"), (1, 1, "partial"), (0, 2, "failed"), (0, 0, "done")],
    )
    def test_given_how_the_lines_ended_then_the_state_of_the_contract(
        self, database, shop, good, bad, state
    ):
        records = [customer(n + 1) for n in range(good)]
        records += [customer(n + 50, email="bad") for n in range(bad)]

        queue, _ = apply_records(database, shop, records)

        found = status(database, queue)
        assert (found["state"], found["done_count"], found["failed_count"]) == (state, good, bad)
        assert found["progress"] == (100 if not records else 100 * good / len(records))

    def test_given_failed_lines_then_action_is_required_with_a_reason_in_words(
        self, database, shop
    ):
        queue, _ = apply_records(
            database, shop, [customer(1), customer(2, email="bad"), customer(3, email="")]
        )

        found = status(database, queue)
        assert found["is_action_required"] is True
        assert found["action_required_reason"].startswith("2 of 3 lines failed: 1 x validation.")

    def test_given_work_begun_then_processing_and_each_start_is_counted(self, database, shop):
        queue = make_queue(database, shop)
        queues.begin(database, queue, run_id="run-1")
        queues.begin(database, queue, run_id=None)

        found = status(database, queue)
        assert (found["state"], found["process_count"]) == ("processing", 3)
        assert found["last_dagster_run_id"] == "run-1"
        assert found["last_process_date"] is not None

    def test_given_a_paused_queue_when_worked_then_it_stops_and_goes_on_when_resumed(
        self, database, shop
    ):
        queue = fill_queue(database, shop, [customer(1), customer(2)], batch_size=1)
        flag(database, "is_paused = true")

        with pytest.raises(QueueStoppedError, match="paused"):
            upsert(database, queue, CUSTOMERS, queue_settings())
        between = status(database, queue)
        flag(database, "is_paused = false")
        resumed = upsert(database, queue, CUSTOMERS, queue_settings())

        assert (between["done_count"], resumed.done) == (0, 2)
        assert (between["state"], between["is_paused"]) == ("processing", True)
        assert status(database, queue)["state"] == "done"

    def test_given_a_cancelled_queue_then_its_state_says_so_and_nothing_is_applied(
        self, database, shop
    ):
        queue = fill_queue(database, shop, [customer(1)])
        flag(database, "cancelled_at = now()")

        with pytest.raises(QueueStoppedError, match="cancelled"):
            upsert(database, queue, CUSTOMERS, queue_settings())
        assert status(database, queue)["state"] == "cancelled"
        assert rows(database, "SELECT * FROM customer") == []

    def test_given_a_batch_in_work_then_processing_and_its_lines_too(self, database, shop):
        queue = fill_queue(database, shop, [customer(n + 1) for n in range(4)], batch_size=2)
        flag(
            database,
            "state = 'processing', lease_until = now() + interval '1 minute'",
            table="sync_batch",
            where="batch_no = 1",
        )

        found = status(database, queue)
        assert (found["draft_count"], found["processing_count"]) == (2, 2)
        assert found["is_processing"] is True
        states = rows(database, "SELECT state FROM sync_line_status ORDER BY line_no")
        assert [one["state"] for one in states] == ["processing"] * 2 + ["draft"] * 2

    def test_given_an_open_batch_when_finished_then_refused_else_for_one_caller_only(
        self, database, shop
    ):
        queue = fill_queue(database, shop, [customer(1)])
        assert queues.finish(database, queue) is False

        upsert(database, queue, CUSTOMERS, queue_settings())

        assert queues.finish(database, queue) is False
        finished = row(
            database,
            "SELECT count(*) AS n FROM sync_activity WHERE activity_type = 'queue_finished'",
        )
        assert finished["n"] == 1

    def test_given_a_scan_that_proves_nothing_then_partial_although_every_line_is_done(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [customer(1)])
        flag(database, "is_complete = false", table="sync_queue")

        assert status(database, queue)["state"] == "partial"


def flag(database, what, table="sync_queue", where="true"):
    with database.owner() as conn:
        conn.execute(f"UPDATE {table} SET {what} WHERE {where}")
