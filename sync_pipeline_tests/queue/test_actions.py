"""Each operator action on real queues: effect, counters, audit, repetition, refusal."""

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.errors import (
    DatabaseUnavailableError,
    InputError,
    TransientError,
    UnknownQueueError,
)
from sync_pipeline.postgres import database as database_module
from sync_pipeline.queue import actions
from sync_pipeline.queue.actions import QueueBusyError, QueueStateError
from sync_pipeline.queue.completion import LeaseLostError, complete
from sync_pipeline.queue.leases import claim
from sync_pipeline.queue.opening import QueueOpenError
from sync_pipeline.queue.stops import QueueStoppedError, refuse_if_stopped
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
)

COUNTED = ("draft", "processing", "done", "failed", "cancelled")


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def act(database):
    def acted(name, queue, by="ann", reason="because"):
        function = getattr(actions, name.replace("-", "_"))
        return function(database, str(queue.id), by=by, reason=reason)

    return acted


def bad(number):
    return customer(number, email="nobody")


def line_states(database, queue):
    """External id -> state as people see it."""
    found = rows(
        database,
        "SELECT external_id, state FROM sync_line_status WHERE queue_no = %s",
        queue.queue_no,
    )
    return {one["external_id"]: one["state"] for one in found}


def assert_counters_equal_lines(database, queue):
    counted = status(database, queue)
    states = list(line_states(database, queue).values())
    assert {name: counted[f"{name}_count"] for name in COUNTED} == {
        name: states.count(name) for name in COUNTED
    }
    return counted


def activities(database, queue):
    """Audit rows about the queue as a whole that name a person."""
    return rows(
        database,
        "SELECT activity_type, message, details FROM sync_activity"
        " WHERE queue_no = %s AND details ? 'by' ORDER BY activity_no",
        queue.queue_no,
    )


def take(database, queue, **changes):
    values = {"worker": "w", "lease_seconds": 60} | changes
    with database.organization(queue.org_id) as conn:
        return claim(conn, queue.queue_no, **values)


def finish_batch(database, queue, lease):
    with database.organization(queue.org_id) as conn:
        return complete(conn, lease, queue, CUSTOMERS, backoff_seconds=0)


def drain(database, queue):
    return upsert(database, queue, CUSTOMERS, queue_settings())


class TestPauseAndResume:
    def test_given_an_open_queue_when_paused_then_nothing_is_claimed_until_it_is_resumed(
        self, database, shop, act
    ):
        queue = fill_queue(database, shop, [customer(1)])

        paused = act("pause", queue)
        assert take(database, queue) is None
        resumed = act("resume", queue)

        assert (paused.changed, paused.is_paused, paused.state) == (True, True, "processing")
        assert (resumed.changed, resumed.is_paused) == (True, False)
        assert take(database, queue) is not None

    def test_given_a_batch_in_hand_when_paused_then_it_is_completed_all_the_same(
        self, database, shop, act
    ):
        queue = fill_queue(database, shop, [customer(1), customer(2)], batch_size=1)
        lease = take(database, queue)

        act("pause", queue)

        assert finish_batch(database, queue, lease).created == 1
        assert assert_counters_equal_lines(database, queue)["draft_count"] == 1

    def test_when_paused_and_resumed_twice_then_each_is_done_and_audited_once(
        self, database, shop, act
    ):
        queue = fill_queue(database, shop, [customer(1)])

        changed = [act(name, queue).changed for name in ("pause", "pause", "resume", "resume")]

        assert changed == [True, False, True, False]
        assert [one["activity_type"] for one in activities(database, queue)] == [
            "queue_paused",
            "queue_resumed",
        ]

    def test_when_paused_then_who_and_why_are_kept_and_told_to_workers(self, database, shop, act):
        queue = fill_queue(database, shop, [customer(1)])

        act("pause", queue, by="ann", reason="the shop moves")

        (kept,) = activities(database, queue)
        assert kept["message"] == "queue paused by ann: the shop moves"
        assert (kept["details"]["by"], kept["details"]["reason"]) == ("ann", "the shop moves")
        with pytest.raises(QueueStoppedError, match="paused by ann: the shop moves") as raised:
            refuse_if_stopped(database, queue)
        assert raised.value.stop.kind == "paused"
        assert "sync-pipeline resume" in raised.value.remedy

    def test_given_a_queue_that_waits_for_its_next_try_when_resumed_then_it_is_due_at_once(
        self, database, shop, act
    ):
        queue = make_queue(database, shop)
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET retry_at = now() + interval '1 h'")

        assert act("resume", queue).changed
        assert status(database, queue)["retry_at"] is None

    @pytest.mark.parametrize("name", ["pause", "resume"])
    def test_given_a_finished_queue_then_it_is_refused_in_words(self, database, shop, act, name):
        queue, _ = apply_records(database, shop, [customer(1)])

        with pytest.raises(QueueStateError, match="it is finished"):
            act(name, queue)
        assert activities(database, queue) == []


class TestBusy:
    @pytest.mark.parametrize("name", ["cancel", "force-done", "retry"])
    def test_given_a_claim_that_is_not_committed_then_the_action_gives_up_in_words(
        self, database, shop, act, monkeypatch, name
    ):
        monkeypatch.setattr(actions, "_LOCK_TIMEOUT_SECONDS", 0.1)
        queue = fill_queue(database, shop, [customer(1)])

        with database.organization(queue.org_id) as other:
            claim(other, queue.queue_no, worker="w", lease_seconds=60)
            with pytest.raises(QueueBusyError, match="a worker keeps it") as raised:
                act(name, queue)

        assert isinstance(raised.value, TransientError)
        assert "Try again" in raised.value.remedy
        assert activities(database, queue) == []

    def test_given_a_claim_of_a_frozen_process_then_the_action_waits_only_until_it_is_cut(
        self, database, shop, act, monkeypatch
    ):
        monkeypatch.setattr(database_module, "_IDLE_SECONDS", 1)
        queue = fill_queue(database, shop, [customer(1)])

        def claim_and_stand_still():
            with database.organization(queue.org_id) as other:
                claim(other, queue.queue_no, worker="w", lease_seconds=60)
                assert act("cancel", queue).state == "cancelled"
                other.execute("SELECT 1")

        with pytest.raises(DatabaseUnavailableError):
            claim_and_stand_still()


class TestCancel:
    def test_given_lines_in_every_state_when_cancelled_then_only_what_is_not_done_is(
        self, database, shop, act
    ):
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        records = [customer(1), bad(2), customer(3, email="taken@x.test"), customer(4), customer(5)]
        queue = fill_queue(database, shop, records, batch_size=3)
        finish_batch(database, queue, take(database, queue))  # done, failed, tries again
        take(database, queue)

        result = act("cancel", queue)

        assert line_states(database, queue) == {
            "1": "done",
            "2": "failed",
            "3": "cancelled",
            "4": "cancelled",
            "5": "cancelled",
        }
        counted = assert_counters_equal_lines(database, queue)
        assert (counted["state"], counted["stage"]) == ("cancelled", "finished")
        assert (result.state, result.cancelled_lines) == ("cancelled", 3)

    def test_given_a_worker_with_a_batch_when_cancelled_then_its_completion_is_refused(
        self, database, shop, act
    ):
        queue = fill_queue(database, shop, [customer(1)])
        lease = take(database, queue)

        act("cancel", queue)

        with pytest.raises(LeaseLostError):
            finish_batch(database, queue, lease)
        assert rows(database, "SELECT * FROM customer") == []

    @pytest.mark.parametrize("stage", ["extract", "enqueue"])
    def test_given_a_queue_without_lines_yet_when_cancelled_then_a_new_sync_can_start(
        self, database, shop, act, stage
    ):
        queue = make_queue(database, shop)
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET stage = %s", [stage])

        assert act("cancel", queue).state == "cancelled"
        assert make_queue(database, shop).queue_no != queue.queue_no

    def test_given_a_cancelled_queue_then_the_same_again_does_nothing_and_others_are_refused(
        self, database, shop, act
    ):
        queue = fill_queue(database, shop, [customer(1)])
        act("cancel", queue)

        assert act("cancel", queue).changed is False
        for name in ("pause", "resume", "force-done", "retry"):
            with pytest.raises(QueueStateError, match="it was cancelled"):
                act(name, queue)

    def test_given_a_finished_queue_when_cancelled_then_it_is_refused(self, database, shop, act):
        queue, _ = apply_records(database, shop, [customer(1)])

        with pytest.raises(QueueStateError, match="it is finished"):
            act("cancel", queue)


class TestForceDone:
    def test_given_lines_in_every_state_when_forced_then_all_that_is_left_is_cancelled(
        self, database, shop, act
    ):
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        records = [customer(1), bad(2), customer(3, email="taken@x.test"), customer(4), customer(5)]
        queue = fill_queue(database, shop, records, batch_size=3)
        finish_batch(database, queue, take(database, queue))
        lease = take(database, queue)

        result = act("force-done", queue)

        assert line_states(database, queue) == {
            "1": "done",
            "2": "cancelled",
            "3": "cancelled",
            "4": "cancelled",
            "5": "cancelled",
        }
        assert assert_counters_equal_lines(database, queue)["state"] == "done"
        assert (result.state, result.cancelled_lines, result.progress) == ("done", 4, 100.0)
        with pytest.raises(LeaseLostError):
            finish_batch(database, queue, lease)

    def test_given_a_partial_queue_when_forced_then_it_is_done_and_asks_for_nobody(
        self, database, shop, act
    ):
        queue, _ = apply_records(database, shop, [customer(1), bad(2)])

        act("force-done", queue)

        found = assert_counters_equal_lines(database, queue)
        assert (found["state"], found["is_action_required"]) == ("done", False)
        assert found["action_required_reason"] is None
        conflict = row(database, "SELECT state, resolved_by, resolution FROM sync_conflict")
        assert (conflict["state"], conflict["resolved_by"]) == ("skipped", "ann")

    def test_given_a_queue_that_was_forced_when_forced_again_then_nothing_happens(
        self, database, shop, act
    ):
        queue, _ = apply_records(database, shop, [customer(1), bad(2)])

        assert [act("force-done", queue).changed for _ in range(2)] == [True, False]
        assert act("retry", queue).changed is False

    def test_given_a_queue_that_is_done_when_forced_then_nothing_happens(self, database, shop, act):
        queue, _ = apply_records(database, shop, [customer(1)])

        assert act("force-done", queue).message == "Nothing to do: it is done already."


class TestRetry:
    def test_given_failed_lines_when_retried_after_a_fix_then_they_are_applied_and_settled(
        self, database, shop, act
    ):
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        queue, _ = apply_records(
            database,
            shop,
            [customer(1), customer(2, email="taken@x.test"), customer(3)],
            max_retries=0,
        )
        before = status(database, queue)
        with database.owner() as conn:
            conn.execute("UPDATE customer SET email = 'free@x.test' WHERE email = 'taken@x.test'")

        result = act("retry", queue)
        assert assert_counters_equal_lines(database, queue)["state"] == "processing"
        outcome = drain(database, queue)

        assert (before["state"], before["is_action_required"]) == ("partial", True)
        assert (result.retried_lines, result.draft_count, result.done_count) == (1, 1, 2)
        assert (outcome.created, outcome.failed) == (1, 0)
        after = assert_counters_equal_lines(database, queue)
        assert (after["state"], after["is_action_required"]) == ("done", False)
        assert row(database, "SELECT state FROM sync_conflict")["state"] == "resolved"

    def test_given_a_line_that_fails_again_when_retried_then_it_has_all_its_tries_again(
        self, database, shop, act
    ):
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        queue, first = apply_records(
            database, shop, [customer(1, email="taken@x.test")], max_retries=2
        )

        act("retry", queue)
        second = drain(database, queue)

        assert (first.retried, first.failed) == (second.retried, second.failed) == (4, 1)
        assert assert_counters_equal_lines(database, queue)["state"] == "failed"
        assert len(rows(database, "SELECT * FROM sync_conflict WHERE state = 'open'")) == 1

    def test_given_failed_lines_of_several_passes_and_cut_batches_when_retried_then_all_are_tried(
        self, database, shop, act
    ):
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        records = [customer(n) for n in range(1, 9)]
        records[1], records[6] = bad(2), customer(7, email="taken@x.test")
        queue, _ = apply_records(database, shop, records, batch_size=4, max_retries=1)
        passes = rows(database, "SELECT pass FROM sync_batch WHERE queue_no = %s", queue.queue_no)

        act("retry", queue)
        assert line_states(database, queue)["2"] == "draft"
        assert_counters_equal_lines(database, queue)
        drain(database, queue)

        assert sorted(one["pass"] for one in passes) == [1, 4]
        counted = assert_counters_equal_lines(database, queue)
        assert (counted["done_count"], counted["failed_count"]) == (6, 2)
        audit = row(
            database,
            "SELECT count(*) FILTER (WHERE activity_type = 'record_created') AS created,"
            " count(*) FILTER (WHERE activity_type = 'record_failed') AS failed"
            " FROM sync_activity WHERE queue_no = %s",
            queue.queue_no,
        )
        assert audit == {"created": 6, "failed": 4}

    def test_given_a_record_that_a_later_sync_applied_when_retried_then_its_line_is_cancelled(
        self, database, shop, act
    ):
        queue, _ = apply_records(database, shop, [customer(1), bad(2), bad(3)])
        apply_records(database, shop, [customer(2, email="newer@x.test")])

        result = act("retry", queue)
        drain(database, queue)

        assert (result.retried_lines, result.superseded_lines) == (1, 1)
        assert line_states(database, queue) == {"1": "done", "2": "cancelled", "3": "failed"}
        assert_counters_equal_lines(database, queue)
        assert row(database, "SELECT email FROM customer WHERE email LIKE 'newer%%'")

    @pytest.mark.parametrize("ends", ["open", "skipped"])
    def test_given_a_record_that_a_later_sync_failed_on_when_retried_then_its_line_is_cancelled(
        self, database, shop, act, ends
    ):
        queue, _ = apply_records(database, shop, [bad(2)])
        later, _ = apply_records(database, shop, [bad(2) | {"first_name": "Newer"}])
        with database.organization("acme") as conn:
            conn.execute(
                "UPDATE sync_conflict SET state = %s, resolved_by = 'ann', resolved_at ="
                " CASE WHEN %s = 'open' THEN NULL ELSE now() END, resolution = 'x'",
                [ends, ends],
            )

        result = act("retry", queue)

        assert (result.retried_lines, result.superseded_lines) == (0, 1)
        assert row(database, "SELECT state, queue_no FROM sync_conflict") == {
            "state": ends,
            "queue_no": later.queue_no,
        }

    def test_given_nothing_but_superseded_lines_when_retried_then_the_queue_is_done(
        self, database, shop, act
    ):
        queue, _ = apply_records(database, shop, [bad(2)])
        apply_records(database, shop, [customer(2)])

        result = act("retry", queue)

        assert (result.changed, result.state, result.cancelled_lines) == (True, "done", 1)
        found = assert_counters_equal_lines(database, queue)
        assert (found["stage"], found["is_action_required"]) == ("finished", False)

    def test_given_another_sync_that_is_open_when_retried_then_it_is_refused_and_named(
        self, database, shop, act
    ):
        queue, _ = apply_records(database, shop, [bad(1)])
        other = make_queue(database, shop)

        with pytest.raises(QueueOpenError, match=str(other.id)):
            act("retry", queue)
        assert status(database, queue)["failed_count"] == 1

    def test_given_an_open_queue_with_a_worker_when_retried_then_the_worker_is_fenced_off(
        self, database, shop, act
    ):
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        queue = fill_queue(database, shop, [customer(1), bad(2), customer(3, email="taken@x.test")])
        finish_batch(database, queue, take(database, queue))
        lease = take(database, queue)  # its second pass, with line 2 failed and line 3 pending

        act("retry", queue)

        assert_counters_equal_lines(database, queue)
        with pytest.raises(LeaseLostError):
            finish_batch(database, queue, lease)
        drain(database, queue)
        assert assert_counters_equal_lines(database, queue)["failed_count"] == 2

    def test_given_an_unfinished_queue_that_asks_for_a_person_when_retried_then_it_may_go_on(
        self, database, shop, act
    ):
        queue = make_queue(database, shop)
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_queue SET is_action_required = true, retry_at = now(),"
                " action_required_reason = 'wrong key', failure_count = 3,"
                " last_error_code = 'woocommerce.unauthorized', last_error = 'no'"
            )

        result = act("retry", queue)

        found = status(database, queue)
        assert result.changed
        assert (found["is_action_required"], found["action_required_reason"]) == (False, None)
        assert (found["retry_at"], found["failure_count"], found["stage"]) == (None, 0, "extract")

    def test_given_a_paused_queue_when_retried_then_it_stays_paused_and_says_so(
        self, database, shop, act
    ):
        queue = fill_queue(database, shop, [bad(1), customer(2)], batch_size=1)
        finish_batch(database, queue, take(database, queue))
        act("pause", queue)

        result = act("retry", queue)

        assert (result.is_paused, result.retried_lines) == (True, 1)
        assert "resume it" in result.message
        assert take(database, queue) is None

    def test_given_nothing_failed_when_retried_then_it_says_so(self, database, shop, act):
        queue, _ = apply_records(database, shop, [customer(1)])

        assert act("retry", queue).message == "Nothing to do: no line failed."


class TestQueueId:
    def test_given_no_uuid_or_no_such_queue_then_it_is_wrong_input(self, database, org_id):
        with pytest.raises(InputError):
            actions.pause(database, "17", by="ann")
        with pytest.raises(UnknownQueueError):
            actions.pause(database, "00000000-0000-0000-0000-000000000000", by="ann")
