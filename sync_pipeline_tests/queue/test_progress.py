"""Rates, remaining time and percent of a queue in every stage, as the view computes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg.errors import InsufficientPrivilege

from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.errors import UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue import leases
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.progress import Standing, failed_lines, milestones, recent, standing
from sync_pipeline.queue.queues import Queue, begin
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    land_records,
    make_connection,
    make_queue,
    queue_settings,
    row,
)

NOW = datetime.now(UTC)
LINES = 20


@pytest.fixture
def queue(database: Database) -> Queue:
    """Four batches of five lines; nothing is applied, and work began five minutes ago."""
    made = fill_queue(
        database,
        make_connection(database),
        [customer(number) for number in range(1, LINES + 1)],
        batch_size=5,
    )
    change_queue(database, made, "work_began_at = now() - interval '5 min'")
    change_queue(database, made, "apply_began_at = now() - interval '5 min'")
    return made


def change_queue(database: Database, queue: Queue, change: str) -> None:
    """Time as an argument: what the row would say if it had happened then."""
    with database.owner() as conn:
        conn.execute(
            f"UPDATE sync_queue SET {change} WHERE queue_no = %s",  # type: ignore[arg-type]
            [queue.queue_no],
        )


def end_batch(database: Database, queue: Queue, batch_no: int, *, seconds_ago: float) -> None:
    """As if a worker had applied it then, in half a second."""
    with database.owner() as conn:
        conn.execute(
            "UPDATE sync_batch SET state = 'done', n_done = n_total, n_created = n_total,"
            " worked_at = now() - make_interval(secs => %(ago)s), worked_count = n_total,"
            " claimed_at = now() - make_interval(secs => %(ago)s + 0.5),"
            " finished_at = now() - make_interval(secs => %(ago)s)"
            " WHERE queue_no = %(queue_no)s AND batch_no = %(batch_no)s",
            {"ago": seconds_ago, "queue_no": queue.queue_no, "batch_no": batch_no},
        )


def figures(now: Standing) -> tuple[str, int, int | None, float]:
    it = now.progress
    return now.unit, it.processed_count, it.total_count, it.completion_percent


class TestReading:
    def test_given_nothing_read_yet_when_asked_then_nobody_knows_how_much_there_is(
        self, database: Database
    ):
        now = standing(database, make_queue(database, make_connection(database)))

        assert figures(now) == ("records", 0, None, 0.0)
        assert (now.progress.items_per_min, now.progress.eta_seconds) == (0.0, None)

    def test_given_a_page_of_four_when_asked_then_records_are_counted_and_no_lines(
        self, database: Database
    ):
        queue = make_queue(database, make_connection(database))
        land_records(database, queue, "customers", [customer(n) for n in range(1, 6)])
        change_pages(database, queue, total=20)
        change_queue(database, queue, "work_began_at = now() - interval '30 s'")

        now = standing(database, queue)

        assert figures(now) == ("records", 5, 20, 25.0)
        assert now.line_count == 0
        assert now.progress.items_per_min == pytest.approx(10, abs=0.5)
        assert now.progress.eta_seconds == pytest.approx(90, abs=5)

    def test_given_a_second_listing_begun_when_asked_then_both_count(self, database: Database):
        queue = make_queue(database, make_connection(database))
        land_records(database, queue, "customers", [customer(1), customer(2)])
        change_pages(database, queue, total=2)
        land_records(database, queue, "orders", [{"id": 1}])

        assert figures(standing(database, queue)) == ("records", 3, 3, 100.0)

    def test_given_a_limit_when_asked_then_the_rest_of_the_store_is_not_waited_for(
        self, database: Database
    ):
        queue = make_queue(database, make_connection(database), Filters(limit=4))
        land_records(database, queue, "customers", [customer(1), customer(2)])
        change_pages(database, queue, total=5000)

        assert figures(standing(database, queue)) == ("records", 2, 4, 50.0)

    def test_given_pages_of_hours_ago_when_asked_then_they_are_counted_but_are_no_pace(
        self, database: Database
    ):
        queue = make_queue(database, make_connection(database))
        land_records(database, queue, "customers", [customer(1)])
        with database.owner() as conn:
            conn.execute("UPDATE sync_page SET fetched_at = now() - interval '3 h', total = 9")

        now = standing(database, queue)

        assert (now.progress.processed_count, now.progress.items_per_min) == (1, 0.0)
        assert now.progress.eta_seconds is None

    def test_given_lines_in_the_making_when_asked_then_all_is_read_and_no_end_is_known(
        self, database: Database
    ):
        queue = make_queue(database, make_connection(database))
        land_records(database, queue, "customers", [customer(1), customer(2)])
        change_queue(database, queue, "stage = 'enqueue'")

        now = standing(database, queue)

        assert figures(now) == ("records", 2, 2, 100.0)
        assert now.progress.eta_seconds is None


class TestApplying:
    def test_given_no_batch_applied_when_asked_then_all_is_left(self, database, queue):
        now = standing(database, queue)

        assert figures(now) == ("lines", 0, LINES, 0.0)
        assert (now.progress.items_per_min, now.progress.eta_seconds) == (0.0, None)

    def test_given_hours_of_work_when_asked_then_the_last_minute_is_the_pace(self, database, queue):
        end_batch(database, queue, 1, seconds_ago=200)
        end_batch(database, queue, 2, seconds_ago=20)

        now = standing(database, queue)

        assert figures(now) == ("lines", 10, LINES, 50.0)
        assert now.progress.items_per_min == 5.0
        assert now.progress.eta_seconds == 120.0

    def test_given_half_a_minute_of_work_when_asked_then_it_is_not_spread_over_a_whole_one(
        self, database, queue
    ):
        change_queue(database, queue, "apply_began_at = now() - interval '30 s'")
        end_batch(database, queue, 1, seconds_ago=20)

        assert standing(database, queue).progress.items_per_min == pytest.approx(10, abs=0.5)

    def test_given_a_process_that_began_again_when_asked_then_the_standstill_is_no_part_of_the_pace(
        self, database, queue
    ):
        end_batch(database, queue, 1, seconds_ago=50)
        change_queue(database, queue, "work_began_at = now() - interval '6 s'")
        end_batch(database, queue, 2, seconds_ago=1)

        now = standing(database, queue)

        assert now.progress.items_per_min == pytest.approx(50, abs=10)
        assert now.progress.processed_count == 10

    def test_given_a_start_when_it_begins_then_rates_count_from_there(self, database, queue):
        begin(database, queue, run_id=None)

        began = row(database, "SELECT now() - work_began_at AS ago FROM sync_queue")["ago"]

        assert began < timedelta(seconds=5)

    def test_given_batches_when_asked_then_the_last_one_is_told_with_its_own_pace(
        self, database, queue
    ):
        end_batch(database, queue, 1, seconds_ago=5)
        end_batch(database, queue, 2, seconds_ago=1)

        batches = standing(database, queue).batches

        assert (batches.total, batches.ended, batches.last_no) == (4, 2, 2)
        assert (batches.last_lines, batches.last_seconds) == (5, 0.5)
        assert batches.last_items_per_min == 600.0

    def test_given_a_batch_in_work_when_asked_then_it_is_being_processed(self, database, queue):
        with database.organization(queue.org_id) as conn:
            leases.claim(conn, queue.queue_no, worker="w", lease_seconds=60)

        now = standing(database, queue)

        assert (now.progress.processing_count, now.progress.is_processing) == (5, True)
        assert now.progress.draft_count == 15


class TestStandingStill:
    @pytest.mark.parametrize(
        "how",
        [
            "is_paused = true",
            "retry_at = now() + interval '1 min'",
            "is_action_required = true",
            "stage_lease_until = now() - interval '1 s'",
        ],
    )
    def test_given_work_a_moment_ago_when_it_stands_still_then_there_is_no_pace_and_no_end(
        self, database, queue, how
    ):
        end_batch(database, queue, 1, seconds_ago=2)
        change_queue(database, queue, how)

        now = standing(database, queue)

        assert (now.is_moving, now.progress.items_per_min) == (False, 0.0)
        assert now.progress.eta_seconds is None
        assert (now.progress.processed_count, now.progress.completion_percent) == (5, 25.0)

    @pytest.mark.parametrize(
        "how",
        [
            "retry_at = now() - interval '1 s'",
            "stage_lease_until = now() + interval '20 s'",
        ],
    )
    def test_given_a_retry_that_is_due_or_a_living_lease_when_asked_then_it_moves(
        self, database, queue, how
    ):
        end_batch(database, queue, 1, seconds_ago=2)
        change_queue(database, queue, how)

        now = standing(database, queue)

        assert (now.is_moving, now.progress.items_per_min) == (True, 5.0)


class TestEnded:
    def test_given_a_drained_queue_when_asked_then_it_is_over_with_a_rate(self, database, queue):
        upsert(database, queue, CUSTOMERS, queue_settings(workers=1))

        now = standing(database, queue)

        assert (now.is_over, now.progress.eta_seconds) == (True, 0.0)
        assert now.progress.items_per_min == pytest.approx(LINES / 5, rel=0.2)
        assert (now.batches.ended, now.batches.last_lines) == (4, 5)
        assert now.batches.last_seconds is not None
        assert 0 < now.batches.last_seconds < 60

    def test_given_a_queue_cancelled_while_reading_when_asked_then_nothing_remains(
        self, database: Database
    ):
        queue = make_queue(database, make_connection(database))
        change_queue(
            database, queue, "stage = 'finished', cancelled_at = now(), finished_at = now()"
        )

        now = standing(database, queue)

        assert (now.progress.state, now.is_over) == ("cancelled", True)
        assert (now.progress.items_per_min, now.progress.eta_seconds) == (0.0, 0.0)

    def test_given_one_line_retried_long_after_when_asked_then_its_batch_is_not_counted_again(
        self, database, queue
    ):
        upsert(database, queue, CUSTOMERS, queue_settings(workers=1))
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_batch SET worked_at = worked_at - interval '1 h', state = 'ready',"
                " pass = 2, n_done = n_done - 1, n_created = n_created - 1 WHERE batch_no = 1"
            )
            conn.execute("UPDATE sync_line SET state = 'draft' WHERE line_no = 1")
        change_queue(database, queue, "stage = 'apply', finished_at = NULL")

        upsert(database, queue, CUSTOMERS, queue_settings(workers=1))

        worked = row(database, "SELECT worked_count, n_done FROM sync_batch WHERE batch_no = 1")
        assert worked == {"worked_count": 1, "n_done": 5}

    def test_given_a_queue_that_is_gone_when_asked_then_it_says_so(self, database, queue):
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_queue")

        with pytest.raises(UnknownQueueError):
            standing(database, queue)


class TestAlarm:
    def test_given_no_line_that_went_well_when_asked_then_the_store_and_mapping_are_suspected(
        self, database: Database
    ):
        bad = [customer(number, email="none") for number in (1, 2)]
        queue, _ = apply_records(database, make_connection(database), bad)

        assert (
            standing(database, queue).alarm == "every line failed: check the store and the mapping"
        )

    def test_given_only_failures_so_far_when_asked_then_it_says_so_before_the_end(
        self, database, queue
    ):
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_batch SET n_failed = n_total, state = 'done' WHERE batch_no = 1"
            )

        assert "every line so far failed" in str(standing(database, queue).alarm)

    def test_given_one_line_that_went_well_when_asked_then_there_is_no_alarm(
        self, database: Database
    ):
        queue, _ = apply_records(
            database, make_connection(database), [customer(1, email="none"), customer(2)]
        )

        assert standing(database, queue).alarm is None


class TestRecent:
    def test_given_queues_of_two_organizations_when_listed_then_newest_first_with_their_figures(
        self, database: Database
    ):
        apply_records(database, make_connection(database), [customer(1)])
        reading = make_queue(database, make_connection(database, "globex", "other"))
        land_records(database, reading, "customers", [customer(1), customer(2)])

        found = recent(database, most=5)

        assert [one.progress.connection for one in found] == ["other", "shop"]
        assert figures(found[0]) == ("records", 2, 2, 100.0)
        assert (found[0].org_id, found[0].stage) == ("globex", "extract")

    def test_given_who_decides_for_all_organizations_when_it_looks_then_it_sees_amounts_only(
        self, database: Database
    ):
        queue = make_queue(database, make_connection(database))
        land_records(database, queue, "customers", [customer(1)])

        assert recent(database, most=1)[0].progress.processed_count == 1
        with pytest.raises(InsufficientPrivilege), database.control() as conn:
            conn.execute("SELECT body FROM sync_page")


class TestHappened:
    def test_given_failures_when_asked_then_they_come_with_their_reasons(self, database: Database):
        queue, _ = apply_records(
            database, make_connection(database), [customer(1, email="none"), customer(2)]
        )

        failed = failed_lines(database, queue, most=10)

        assert [line.external_id for line in failed] == ["1"]
        assert failed[0].error_code.startswith("validation.")

    def test_given_a_queue_when_asked_what_happened_then_it_is_in_order(self, database: Database):
        queue, _ = apply_records(database, make_connection(database), [customer(1)])

        happened = [one.activity_type for one in milestones(database, queue)]

        assert happened == ["queue_opened", "enqueue_completed", "queue_finished"]


def change_pages(database: Database, queue: Queue, *, total: int) -> None:
    with database.owner() as conn:
        conn.execute("UPDATE sync_page SET total = %s", [total])


class TestPlan:
    """A look costs what the queue's own batches cost, however many queues there are."""

    OTHER_QUEUES = 40
    BATCHES = 500

    @pytest.mark.parametrize("is_analyzed", [False, True])
    @pytest.mark.parametrize("stage", ["extract", "apply"])
    def test_given_a_long_history_when_asked_then_indexes_find_what_belongs_to_the_queue(
        self, database: Database, stage: str, is_analyzed: bool
    ):
        queue = make_queue(database, make_connection(database))
        with database.owner() as conn:
            conn.execute(
                "INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line,"
                " n_total, worked_at, claimed_at) SELECT q, n, 'acme', n, n, 1, now(), now()"
                " FROM generate_series(%(no)s::int, %(no)s::int + %(others)s) AS q,"
                " generate_series(1, %(batches)s) AS n",
                {"no": queue.queue_no, "others": self.OTHER_QUEUES, "batches": self.BATCHES},
            )
            conn.execute(
                "INSERT INTO sync_page (queue_no, listing, first_offset, record_limit, org_id,"
                " n_records, body, elapsed_ms) SELECT q, 'customers', n, 1, 'acme', 1, '[]', 1"
                " FROM generate_series(%(no)s::int, %(no)s::int + %(others)s) AS q,"
                " generate_series(1, %(batches)s) AS n",
                {"no": queue.queue_no, "others": self.OTHER_QUEUES, "batches": self.BATCHES},
            )
            if is_analyzed:
                conn.execute("ANALYZE sync_batch, sync_page")
        change_queue(database, queue, f"stage = '{stage}'")

        with database.organization(queue.org_id) as conn:
            plan = conn.execute(
                "EXPLAIN (ANALYZE, FORMAT JSON) " + statement("queue/progress"),  # type: ignore[operator]
                {"queue_no": queue.queue_no},
            ).fetchone()

        found = list(_nodes(plan["QUERY PLAN"][0]["Plan"]))  # type: ignore[index]
        # Partitions that cannot hold the queue are in the plan and are not read.
        read = [
            one
            for one in found
            if one.get("Relation Name", "").startswith(("sync_batch", "sync_page"))
            and one["Actual Loops"]
        ]
        assert {one["Node Type"] for one in read} <= {"Index Scan", "Bitmap Heap Scan"}
        assert sum(one["Actual Rows"] for one in read) <= 3 * self.BATCHES
        assert sum(one.get("Rows Removed by Filter", 0) for one in found) == 0


def _nodes(node: dict[str, Any]) -> Any:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)
