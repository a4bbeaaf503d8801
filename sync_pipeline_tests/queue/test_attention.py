from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.attention import (
    Attention,
    needing_attention,
    needs_run,
    next_look,
    queues_to_start,
)
from sync_pipeline.queue.failures import LOST_CODE
from sync_pipeline.queue.heartbeat import announce
from sync_pipeline.queue.life import signs_of_life
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import begin
from sync_pipeline.settings import QueueSettings
from sync_pipeline_tests.factories import apply_records, customer, make_connection, make_queue

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ENTITIES = ["customers"]


def seconds(count):
    return timedelta(seconds=count)


def waiting(number=1, **changes):
    """A queue that was begun, and that nobody works on."""
    values = {
        "queue_no": number,
        "queue_id": f"q{number}",
        "org_id": "acme",
        "connection": f"shop-{number}",
        "system": "woocommerce",
        "entity": "customers",
        "stage": "extract",
        "process_count": 1,
        "is_paused": False,
        "is_cancelled": False,
        "is_action_required": False,
        "lease_until": None,
        "retry_at": None,
        "last_error_code": None,
        "created_at": NOW - seconds(60),
        "updated_at": NOW - seconds(60),
        "last_dagster_run_id": None,
        "next_due_at": None,
        "circuit_open_until": None,
    }
    return Attention(**values | changes)


class TestReason:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"process_count": 0}, "pending"),
            ({"retry_at": NOW}, "retry"),
            ({}, "retry"),
            ({"lease_until": NOW - seconds(1)}, "recovery"),
            ({"last_error_code": LOST_CODE, "retry_at": NOW}, "recovery"),
        ],
    )
    def test_a_queue_is_never_begun_or_given_back_or_abandoned(self, changes, reason):
        (start,) = queues_to_start([waiting(**changes)], set(), NOW, 1)

        assert start.reason == reason


class TestNeedsRun:
    @pytest.mark.parametrize(
        "changes",
        [
            {"is_paused": True},
            {"is_cancelled": True},
            {"is_action_required": True},
            {"waits_for_others": True},
            {"lease_until": NOW + seconds(1)},
            {"retry_at": NOW + seconds(3)},
            {"circuit_open_until": NOW + seconds(3)},
            {"stage": "apply", "next_due_at": NOW + seconds(11)},
            {"stage": "finished", "last_error_code": "sync.unexpected"},
        ],
    )
    def test_given_what_it_waits_for_then_it_is_left_alone(self, changes):
        assert not needs_run(waiting(**changes), NOW)

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"lease_until": NOW},
            {"retry_at": NOW + seconds(2)},
            {"circuit_open_until": NOW + seconds(2)},
            {"stage": "apply", "next_due_at": NOW + seconds(10)},
            {"stage": "finished", "is_action_required": True},
        ],
    )
    def test_given_that_its_time_has_come_or_is_near_then_it_gets_a_run(self, changes):
        assert needs_run(waiting(**changes), NOW)


moments = st.none() | st.integers(-300, 300).map(lambda s: NOW + seconds(s))
any_queue = st.builds(
    waiting,
    number=st.integers(1, 10_000),
    org_id=st.sampled_from(["acme", "globex", "initech"]),
    process_count=st.integers(0, 3),
    stage=st.sampled_from(["extract", "enqueue", "apply", "finished"]),
    is_paused=st.booleans(),
    is_cancelled=st.booleans(),
    is_action_required=st.booleans(),
    lease_until=moments,
    retry_at=moments,
    next_due_at=moments,
    circuit_open_until=moments,
    waits_for_others=st.booleans(),
)
some_queues = st.lists(any_queue, max_size=60, unique_by=lambda row: row.queue_no)


class TestStarts:
    @given(some_queues, st.sets(st.integers(1, 10_000)), st.integers(1, 30))
    def test_any_start_is_of_a_queue_that_may_run_and_of_none_in_flight(self, rows, flying, limit):
        in_flight = {f"q{number}" for number in flying}
        starts = queues_to_start(rows, in_flight, NOW, limit)

        by_id = {row.queue_id: row for row in rows}
        started = [by_id[start.queue_id] for start in starts]
        assert len(started) == len({row.queue_id for row in started}) <= limit
        assert not in_flight & {row.queue_id for row in started}
        for row in started:
            assert not row.is_paused
            assert not row.is_cancelled
            assert not row.waits_for_others
            assert row.lease_until is None or row.lease_until <= NOW
            assert row.circuit_open_until is None or row.circuit_open_until <= NOW + seconds(2)
            assert row.stage == "finished" or not row.is_action_required

    @given(some_queues, st.integers(1, 10))
    @settings(max_examples=50)
    def test_any_queue_that_needs_a_run_gets_it_in_as_many_looks_as_there_are_rounds(
        self, rows, limit
    ):
        wanted = {row.queue_id for row in rows if needs_run(row, NOW)}
        in_flight: set[str] = set()
        for _ in range(-(-len(wanted) // limit)):
            in_flight |= {one.queue_id for one in queues_to_start(rows, in_flight, NOW, limit)}

        assert in_flight == wanted

    @given(some_queues)
    def test_the_three_sensors_together_start_what_one_would(self, rows):
        apart = [
            start.queue_id
            for reason in ("pending", "retry", "recovery")
            for start in queues_to_start(rows, set(), NOW, 100, (reason,))
        ]

        together = [one.queue_id for one in queues_to_start(rows, set(), NOW, 100)]
        assert sorted(apart) == sorted(together)

    def test_given_an_organization_with_a_hundred_then_one_with_one_does_not_wait(self):
        crowd = [waiting(number, created_at=NOW - seconds(600)) for number in range(1, 101)]
        single = waiting(500, org_id="globex")

        starts = queues_to_start([*crowd, single], set(), NOW, 2)

        assert [start.org_id for start in starts] == ["acme", "globex"]

    def test_given_queues_of_one_organization_then_the_oldest_due_comes_first(self):
        late = waiting(1, retry_at=NOW - seconds(1))
        long_due = waiting(2, created_at=NOW - seconds(600))

        (start,) = queues_to_start([late, long_due], set(), NOW, 1)

        assert start.queue_id == "q2"


class TestRows:
    def test_given_open_and_finished_queues_then_only_the_open_ones_are_read(self, database):
        apply_records(database, make_connection(database, name="done"), [customer(1)])
        queue = make_queue(database, make_connection(database, name="open"))

        (found,) = needing_attention(database, ENTITIES)

        assert (found.queue_id, found.connection) == (str(queue.id), "open")
        assert (found.org_id, found.system) == ("acme", "woocommerce")
        assert (found.stage, found.process_count) == ("extract", 1)

    def test_given_queues_of_several_organizations_then_all_are_seen(self, database):
        for org_id in ("acme", "globex"):
            make_queue(database, make_connection(database, org_id, f"shop-{org_id}"))

        assert [row.org_id for row in needing_attention(database, ENTITIES)] == ["acme", "globex"]

    def test_given_more_than_a_look_takes_then_the_next_look_goes_on_after_them(self, database):
        first, second = (
            make_queue(database, make_connection(database, name=name)) for name in "ab"
        )

        found = needing_attention(database, ENTITIES, after_queue_no=first.queue_no)

        assert [row.queue_id for row in found] == [str(second.id)]

    @pytest.mark.parametrize("stage", ["extract", "finished"])
    def test_given_a_connection_that_was_disconnected_then_its_queues_are_left_alone(
        self, database, stage
    ):
        make_queue(database, make_connection(database))
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_queue SET stage = %s, finished_at = CASE WHEN %s = 'finished'"
                " THEN now() - interval '2 minutes' END",
                [stage, stage],
            )
        before = needing_attention(database, ENTITIES)
        with database.owner() as conn:
            conn.execute("UPDATE sync_connection SET is_active = false")

        assert len(before) == 1
        assert needing_attention(database, ENTITIES) == []

    @pytest.mark.parametrize(
        ("change", "is_seen"),
        [
            ("finished_at = now() - interval '2 minutes'", True),
            ("finished_at = now() - interval '2 days'", False),
            ("finished_at = now() - interval '2 minutes', reconciliation = '{}'", False),
            ("finished_at = now() - interval '2 minutes', forced_done_at = now()", False),
            ("finished_at = now() - interval '2 minutes', cancelled_at = now()", False),
            ("finished_at = now() - interval '2 minutes', filters = '{\"limit\": 1}'", False),
        ],
    )
    def test_a_finished_queue_is_seen_when_a_comparison_is_owed(self, database, change, is_seen):
        apply_records(database, make_connection(database), [customer(1)])
        with database.owner() as conn:
            conn.execute(f"UPDATE sync_queue SET {change}")

        assert bool(needing_attention(database, ENTITIES)) is is_seen

    def test_given_a_newer_sync_then_the_old_one_needs_no_comparison(self, database):
        connection = make_connection(database)
        apply_records(database, connection, [customer(1)])
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET finished_at = now() - interval '2 minutes'")
        newer = make_queue(database, connection)

        assert [row.queue_id for row in needing_attention(database, ENTITIES)] == [str(newer.id)]

    def test_given_a_long_history_then_a_look_reads_none_of_it(self, database):
        connections = [make_connection(database, name=f"shop-{number}") for number in range(20)]
        for connection in connections[:5]:
            open_queue(database, connection, "customers", settings=QueueSettings())
        with database.owner() as conn:
            conn.execute(
                "INSERT INTO sync_queue (org_id, connection_id, entity, queue_name, source_system,"
                " batch_size, batch_delay_ms, max_retries, initial_backoff_ms,"
                " lifetime_value_rule, stage, finished_at, reconciliation, created_at)"
                " SELECT org_id, connection_id, 'customers', 'old', 'woocommerce', 500, 0, 3, 1000,"
                " 'all_orders', 'finished', now(), '{}', now() - n * interval '1 hour'"
                " FROM sync_connection CROSS JOIN generate_series(1, 500) AS n"
            )
            conn.execute("ANALYZE sync_queue")
            plan = conn.execute(
                "EXPLAIN (ANALYZE, FORMAT JSON) " + statement("queue/attention"),
                {"after_queue_no": 0, "most": 500, "entities": ENTITIES},
            ).fetchone()

        assert rows_read_of(plan["QUERY PLAN"][0]["Plan"], "sync_queue") <= 50
        assert len(needing_attention(database, ENTITIES)) == 5


class TestNextLook:
    def test_given_a_look_that_saw_all_then_the_next_begins_anew(self):
        assert next_look([waiting(number) for number in range(1, 500)]) == 0

    def test_given_a_full_look_then_the_next_goes_on_after_its_last_open_queue(self):
        finished = waiting(900, stage="finished")

        assert next_look([*(waiting(number) for number in range(1, 501)), finished]) == 500

    def test_given_finished_queues_then_they_make_no_look_full(self):
        open_queues = [waiting(number) for number in range(1, 500)]

        assert next_look([*open_queues, waiting(900, stage="finished")]) == 0


def rows_read_of(plan, table):
    """Rows that the plan read of a table, filtered ones too."""
    own = 0
    if plan.get("Relation Name") == table:
        filtered = plan.get("Rows Removed by Filter", 0)
        own = (plan["Actual Rows"] + filtered) * plan["Actual Loops"]
    return own + sum(rows_read_of(part, table) for part in plan.get("Plans", []))


class TestSignsOfLife:
    def test_given_a_lease_then_silence_begins_when_it_runs_out(self, database):
        queue = make_queue(database, make_connection(database))
        begin(database, queue, run_id="r1")
        announce(database, queue)

        life = signs_of_life(database, [str(queue.id)])[str(queue.id)]

        assert life.last_dagster_run_id == "r1"
        assert -20 <= life.silent_seconds < -15

    def test_given_a_lease_that_was_given_back_then_its_run_has_time_to_end(self, database):
        queue = make_queue(database, make_connection(database))

        life = signs_of_life(database, [str(queue.id)])[str(queue.id)]

        assert life.silent_seconds < -30

    def test_given_no_queue_then_nothing_is_asked(self, database):
        assert signs_of_life(database, []) == {}


def test_given_a_row_then_a_start_says_how_often_it_was_begun():
    (start,) = queues_to_start([replace(waiting(), process_count=7)], set(), NOW, 1)

    assert start.process_count == 7


class TestOneRunOfSeveral:
    def of_one_request(self, number, entity, **changes):
        values = {"process_count": 0, "connection": "shop", "orchestration_id": "o1"}
        return waiting(number, entity=entity, **values | changes)

    def test_given_queues_of_a_request_that_nobody_began_then_one_run_begins_them_all(self):
        rows = [
            self.of_one_request(1, "customers"),
            self.of_one_request(2, "orders", waits_for_others=True),
            self.of_one_request(3, "products"),
            self.of_one_request(4, "customers", connection="other"),
            waiting(5),
        ]

        starts = queues_to_start(rows, set(), NOW, 10)

        assert [(one.queue_id, one.is_whole) for one in starts] == [
            ("q1", True),
            ("q4", True),
            ("q5", False),
        ]
        assert starts[0].orchestration_id == "o1"

    @pytest.mark.parametrize("in_flight", [{"q1"}, {"q2"}])
    def test_given_a_run_that_is_about_one_of_them_then_no_other_is_started(self, in_flight):
        rows = [self.of_one_request(1, "customers"), self.of_one_request(2, "products")]

        assert queues_to_start(rows, in_flight, NOW, 10) == []

    def test_given_one_that_is_worked_on_then_no_other_is_begun(self):
        working = NOW + seconds(20)
        rows = [
            self.of_one_request(1, "customers", lease_until=working),
            self.of_one_request(2, "products"),
        ]

        assert queues_to_start(rows, set(), NOW, 10) == []

    def test_given_a_request_that_was_begun_then_each_goes_on_alone_after_what_it_waits_for(self):
        begun = {"is_orchestration_begun": True}
        rows = [
            self.of_one_request(1, "customers", process_count=1, **begun),
            self.of_one_request(2, "products", **begun),
            self.of_one_request(3, "orders", waits_for_others=True, **begun),
        ]

        starts = queues_to_start(rows, set(), NOW, 10)

        assert [(one.queue_id, one.reason, one.is_whole) for one in starts] == [
            ("q1", "retry", False),
            ("q2", "pending", False),
        ]
