"""The state of an orchestration, from any states of its queues; what outlives a purge."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.errors import RestrictViolation

from sync_pipeline.errors import InputError
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.orchestrations import (
    UnknownOrchestrationError,
    activities_of,
    find_orchestration,
    items_of,
    moment_of,
    orchestration_status,
    recent_orchestrations,
)
from sync_pipeline_tests.factories import make_connection, rows
from sync_pipeline_tests.queue.orchestrations.making import purge, put, queue_numbers, start

COUNTERS = (
    "total_count", "created_count", "updated_count", "unchanged_count", "failed_count",
    "cancelled_count", "scanned_count", "progress",
)  # fmt: skip
STATES = ("draft", "processing", "done", "partial", "failed", "cancelled")


@pytest.fixture
def shop(database):
    return make_connection(database, "acme", name="shop")


def expected_state(states):
    """As the design words it."""
    if {"draft", "processing"} & set(states):
        return "draft" if set(states) == {"draft"} else "processing"
    if set(states) in ({"done"}, {"cancelled"}):
        return states[0]
    return "partial" if {"done", "partial"} & set(states) else "failed"


class TestState:
    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.lists(st.sampled_from(STATES), min_size=5, max_size=5))
    def test_it_follows_from_the_states_of_the_queues_also_when_they_are_purged(
        self, database, shop, states
    ):
        with database.owner() as conn:
            conn.execute("SET LOCAL session_replication_role = replica")
            conn.execute("DELETE FROM sync_queue")
            conn.execute("DELETE FROM sync_batch")
        made = start(database, is_full=True)
        numbers = list(queue_numbers(database, made).values())
        for number, state in zip(numbers, states, strict=True):
            put(database, number, state)
        with database.owner() as conn:
            # Where something is as before, not all has failed.
            conn.execute(
                "UPDATE sync_queue SET scanned_count = 9, unchanged_count = 4"
                " WHERE queue_no <> ALL (%s)",
                [[n for n, s in zip(numbers, states, strict=True) if s == "failed"]],
            )

        before = moment_of(database, made)
        ended = [n for n, s in zip(numbers, states, strict=True) if s not in STATES[:2]]
        for number in ended:
            purge(database, number)
        after = moment_of(database, made)

        assert [[getattr(item, name) for name in COUNTERS] for item in after.items] == [
            [getattr(item, name) for name in COUNTERS] for item in before.items
        ]
        before, after = before.status, after.status
        assert before["state"] == expected_state(states)
        assert {state: before[f"n_{state}"] for state in STATES} == {
            state: states.count(state) for state in STATES
        }
        assert (before["finished_at"] is None) == (before["state"] in STATES[:2])
        assert (after["state"], after["n_purged"]) == (before["state"], len(ended))
        counters = (*COUNTERS, "done_count")
        assert [after[name] for name in counters] == [before[name] for name in counters]

    def test_given_that_every_item_was_refused_then_it_failed_and_needs_a_person(
        self, database, shop
    ):
        made = start(database, entities=["products"])
        with database.owner() as conn:
            conn.execute("UPDATE sync_orchestration_item SET queue_no = NULL, refusal = 'no'")

        status = orchestration_status(database, made)

        assert (status["state"], status["n_queues"], status["n_refused"]) == ("failed", 0, 1)
        assert status["action_required_reason"] == "shop products: no"

    def test_given_all_open_queues_paused_then_it_is_paused(self, database, shop):
        made = start(database)
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET is_paused = true WHERE entity <> 'orders'")
        assert not orchestration_status(database, made)["is_paused"]

        put(database, queue_numbers(database, made)["orders"], "done")

        assert orchestration_status(database, made)["is_paused"]
        assert find_orchestration(database, made.id).is_paused

    def test_given_a_connection_that_was_disconnected_then_nothing_moves(self, database, shop):
        made = start(database, entities=["products"])
        assert not moment_of(database, made).is_still

        with database.owner() as conn:
            conn.execute("UPDATE sync_connection SET is_active = false")

        assert moment_of(database, made).is_still


class TestEnd:
    def test_given_its_end_then_it_is_audited_once_and_again_after_it_was_reopened(
        self, database, shop
    ):
        made = start(database, entities=["products"])
        number = queue_numbers(database, made)["products"]
        put(database, number, "failed")
        for _ in range(2):
            orchestration_status(database, made)
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET stage = 'apply', finished_at = NULL")
        orchestration_status(database, made)
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET stage = 'finished', finished_at = now()")
        recent_orchestrations(database)

        told = activities_of(database, "acme", made.orchestration_no)
        assert [one.activity_type for one in told] == [
            "orchestration_started",
            "orchestration_finished",
            "orchestration_finished",
        ]
        assert told[1].message == "failed: of 1 queues 1 failed"

    @pytest.mark.parametrize(
        "text", ["UPDATE {} SET message = ''", "DELETE FROM {}", "TRUNCATE {}"]
    )
    def test_given_its_audit_then_nobody_changes_it(self, database, shop, text):
        start(database)

        with (
            pytest.raises(RestrictViolation, match="sync_activity_log is append-only"),
            database.owner() as conn,
        ):
            conn.execute(text.format("sync_activity_log"))


class TestFind:
    def test_given_the_beginning_of_an_id_then_it_is_found(self, database, shop):
        made = start(database)

        assert find_orchestration(database, made.id[:8]) == made

    def test_given_another_organization_then_it_is_not_found(self, database, shop):
        made = start(database)

        with pytest.raises(UnknownOrchestrationError):
            find_orchestration(database, made.id, org_id="globex")

    @pytest.mark.parametrize("typed", ["shop", "12"])
    def test_given_no_id_then_it_is_refused(self, database, typed):
        with pytest.raises(InputError, match="not an orchestration id"):
            find_orchestration(database, typed)


class TestRetention:
    def test_given_its_queues_long_gone_then_it_goes_with_its_items_and_audit(self, database, shop):
        old, young = start(database, entities=["products"]), start(database, entities=["orders"])
        for one in (old, young):
            (number,) = queue_numbers(database, one).values()
            put(database, number, "done")
            purge(database, number)
        with database.owner() as conn:
            conn.execute("UPDATE sync_orchestration SET created_at = now() - interval '90 d'")
            conn.execute(
                "UPDATE sync_orchestration_item SET purged_at = now() - interval '40 d'"
                " WHERE entity = 'products'"
            )
            conn.execute(statement("retention/allow"))
            (before,) = conn.execute("SELECT now() - interval '30 d' AS utc").fetchall()
            conn.execute(statement("retention/orchestrations"), {"before_utc": before["utc"]})

        assert [str(one["id"]) for one in recent_orchestrations(database)] == [young.id]
        assert items_of(database, old) == []
        assert activities_of(database, "acme", old.orchestration_no) == []
        assert activities_of(database, "acme", young.orchestration_no) != []

    def test_given_keys_of_two_days_then_those_past_a_day_go(self, database, shop):
        start(database, entities=["products"], idempotency_key="old")
        start(database, entities=["orders"], idempotency_key="young")
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_idempotency_log SET created_at = now() - interval '25 h'"
                " WHERE key = 'old'"
            )
            conn.execute(statement("retention/keys"))

        assert [one["key"] for one in rows(database, "SELECT key FROM sync_idempotency_log")] == [
            "young"
        ]
