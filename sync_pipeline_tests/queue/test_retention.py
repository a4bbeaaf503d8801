"""History goes in whole ranges when it is past its time, and nobody waits for that."""

import threading
import time
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.ranges import QUEUES_PER_RANGE
from sync_pipeline.queue import retention
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.queue.retention import maintain, purge
from sync_pipeline.queue.story import gather as explain
from sync_pipeline.queue.story import reasons
from sync_pipeline.settings import RetentionSettings
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    make_queue,
    order,
    row,
    rows,
)

NOW = datetime.now(UTC)
SETTINGS = RetentionSettings()
RANGED = ("sync_line", "sync_activity", "sync_page")


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def impatient(monkeypatch):
    """Retention gives way sooner than it does."""
    monkeypatch.setattr(retention, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(retention, "_LOCK_TIMEOUT_MS", 20)


class TestPurge:
    def test_given_a_range_of_old_finished_queues_then_nothing_of_it_is_left(self, database, shop):
        queue = synced(database, shop, days_ago=31)
        go_to_range(database, 1)

        purged = purge(database, SETTINGS, now_utc=NOW)

        assert (purged.ranges, purged.queues, purged.lines) == ((0,), 1, 2)
        assert purged.n_bytes > 0
        assert tables_of_range(database, 0) == []
        assert left_of(database, queue) == dict.fromkeys(left_of(database, queue), 0)
        assert purge(database, SETTINGS, now_utc=NOW) == retention.Purged()

    def test_given_a_purge_then_our_rows_and_what_they_are_stay(self, database, shop):
        synced(database, shop, days_ago=31)
        go_to_range(database, 1)

        purge(database, SETTINGS, now_utc=NOW)

        assert row(database, "SELECT count(*) AS n FROM customer")["n"] == 2
        assert row(database, "SELECT count(*) AS n FROM sync_record")["n"] == 2
        story = explain(database, shop, CUSTOMERS, "1")
        assert "Every queue that it was on is purged" in " ".join(reasons(story))
        assert story.identity.applied_queue_id is None

    def test_given_a_purge_then_each_organization_can_read_what_it_lost(self, database, shop):
        synced(database, shop, days_ago=31)
        go_to_range(database, 1)

        purge(database, SETTINGS, now_utc=NOW)

        said = row(
            database,
            "SELECT queue_no, message, details FROM sync_activity"
            " WHERE activity_type = 'history_purged'",
        )
        assert said["queue_no"] == 0
        assert said["message"].startswith("1 queues with 2 lines were purged")
        assert (said["details"]["queues"], said["details"]["lines"]) == (1, 2)
        purge(database, SETTINGS, now_utc=datetime.now(UTC) + timedelta(days=31))
        assert rows(database, "SELECT * FROM sync_activity WHERE queue_no = 0") == []

    @pytest.mark.parametrize("stage", ["finished", "apply"])
    def test_given_a_range_with_a_young_or_open_queue_then_it_stays_and_that_queue_is_named(
        self, database, shop, stage
    ):
        synced(database, shop, days_ago=31)
        other = make_connection(database, name="other")
        if stage == "apply":
            keeper = fill_queue(database, other, [customer(7)])
            age(database, keeper, days_ago=90, column="created_at")
        else:
            keeper = synced(database, other, days_ago=29)
        go_to_range(database, 1)

        purged = purge(database, SETTINGS, now_utc=NOW)

        assert purged.ranges == ()
        (held,) = purged.held
        assert (held.range_no, held.queue_id) == (0, keeper.id)
        assert held.reason.startswith("it finished on" if stage == "finished" else "it is not")
        assert row(database, "SELECT count(*) AS n FROM sync_queue")["n"] == 2

    def test_given_the_range_in_use_then_it_stays_however_old(self, database, shop):
        queue = synced(database, shop, days_ago=400)
        age(database, queue, days_ago=400, column="created_at")

        assert purge(database, SETTINGS, now_utc=NOW).ranges == ()

        assert find_queue(database, str(queue.id)).stage == "finished"
        assert make_queue(database, shop).queue_no == QUEUES_PER_RANGE, "kept for nobody's sake"

    def test_given_week_old_queues_then_their_pages_go_and_their_lines_stay(self, database, shop):
        queue = synced(database, shop, days_ago=8)
        go_to_range(database, 1)

        purged = purge(database, SETTINGS, now_utc=NOW)

        assert (purged.ranges, purged.page_ranges, purged.queues) == ((), (0,), 0)
        assert tables_of_range(database, 0) == ["sync_activity_r0", "sync_line_r0"]
        assert left_of(database, queue)["sync_line"] == 2
        assert purge(database, SETTINGS, now_utc=NOW) == retention.Purged()

    def test_given_conflicts_then_open_ones_stay_and_closed_ones_go(self, database, shop):
        queue, _ = apply_records(
            database, shop, [customer(1, email="bad"), customer(2, email="no")]
        )
        apply_records(database, shop, [customer(1)])
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET finished_at = %s", [NOW - timedelta(days=31)])
        go_to_range(database, 1)
        assert row(database, "SELECT count(*) AS n FROM sync_conflict")["n"] == 2

        assert purge(database, SETTINGS, now_utc=NOW).queues == 2

        left = row(database, "SELECT external_id, state, queue_no FROM sync_conflict")
        assert left == {"external_id": "2", "state": "open", "queue_no": queue.queue_no}
        assert "An open conflict waits" in " ".join(
            reasons(explain(database, shop, CUSTOMERS, "2"))
        )

    def test_given_a_dry_run_then_it_says_the_same_and_nothing_goes(self, database, shop):
        synced(database, shop, days_ago=31)
        go_to_range(database, 1)

        said = purge(database, SETTINGS, now_utc=NOW, is_dry_run=True)

        assert tables_of_range(database, 0) != []
        assert said == purge(database, SETTINGS, now_utc=NOW)

    def test_given_limits_of_its_own_then_they_count(self, database, shop):
        synced(database, shop, days_ago=5)
        go_to_range(database, 1)

        short = RetentionSettings(queues_days=4, pages_days=30)

        assert purge(database, short, now_utc=NOW).ranges == (0,)

    def test_given_a_queue_that_is_retried_after_the_look_then_its_range_stays(
        self, database, shop, monkeypatch
    ):
        queue = synced(database, shop, days_ago=31)
        go_to_range(database, 1)
        looked = retention.decide

        def retried_meanwhile(*args):
            decided = looked(*args)
            age(database, queue, days_ago=0)
            return decided

        monkeypatch.setattr(retention, "decide", retried_meanwhile)

        assert purge(database, SETTINGS, now_utc=NOW) == retention.Purged()

        assert left_of(database, queue)["sync_line"] == 2


class TestBesideWorkers:
    def test_given_a_long_transaction_on_old_lines_then_purge_gives_way_and_says_so(
        self, database, shop, impatient
    ):
        synced(database, shop, days_ago=31)
        go_to_range(database, 1)

        with database.organization("acme") as reader:
            reader.execute("SELECT count(*) FROM sync_line")
            purged = purge(database, SETTINGS, now_utc=NOW)

        assert purged.ranges == ()
        assert [one.reason for one in purged.held] == ["its tables are in use"]
        assert row(database, "SELECT count(*) AS n FROM sync_queue")["n"] == 1
        assert purge(database, SETTINGS, now_utc=NOW).ranges == (0,)

    def test_given_workers_at_work_when_ranges_are_dropped_then_none_waits_long_or_fails(
        self, database, shop
    ):
        for range_no in range(1, 6):
            synced(database, shop, days_ago=40)
            go_to_range(database, range_no)
        slowest_seconds = 0.0
        applied = []
        is_over = threading.Event()

        def work():
            nonlocal slowest_seconds
            while not is_over.is_set() or len(applied) < 3:
                started = time.monotonic()
                _, outcome = apply_records(database, shop, people(len(applied)), batch_size=5)
                slowest_seconds = max(slowest_seconds, time.monotonic() - started)
                applied.append(outcome.done)

        worker = threading.Thread(target=work)
        worker.start()
        purged = purge(database, SETTINGS, now_utc=NOW)
        is_over.set()
        worker.join()

        assert purged.ranges == (0, 1, 2, 3, 4)
        assert set(applied) == {10}
        # Nobody waited for the purge: what waits for a lock gives up after longer.
        assert slowest_seconds < 20

    def test_given_somebody_opens_a_queue_in_a_range_when_it_is_to_go_then_it_stays(
        self, database, shop, impatient
    ):
        synced(database, shop, days_ago=31)
        with psycopg.connect(database.url) as opener:
            opener.execute("SELECT sync_make_range(0)")
            go_to_range(database, 1)

            purged = purge(database, SETTINGS, now_utc=NOW)

        assert [one.reason for one in purged.held] == ["its tables are in use"]


class TestMaintain:
    def test_given_a_range_of_a_day_then_the_next_queue_is_in_the_next_one(self, database, shop):
        first = synced(database, shop, days_ago=1)
        age(database, first, days_ago=1, column="created_at")

        assert maintain(database) == 1

        queue = make_queue(database, shop)
        assert queue.queue_no == QUEUES_PER_RANGE
        assert len(tables_of_range(database, 1)) == len(tables_of_range(database, 2)) == 3

    def test_given_a_young_range_or_an_empty_one_then_it_goes_on(self, database, shop):
        assert maintain(database) == 0
        synced(database, shop, days_ago=0)
        assert maintain(database) == 0
        assert maintain(database, now_utc=NOW + timedelta(days=1)) == 1
        assert maintain(database, now_utc=NOW + timedelta(days=9)) == 1, "nothing was put there"

    def test_given_several_at_once_while_queues_are_opened_then_no_number_is_given_twice(
        self, database, shop
    ):
        first = synced(database, shop, days_ago=1)
        age(database, first, days_ago=1, column="created_at")
        numbers = []

        def take_numbers():
            with psycopg.connect(database.url, autocommit=True) as conn:
                for _ in range(200):
                    taken = conn.execute("SELECT nextval('sync_queue_queue_no_seq')").fetchone()
                    numbers.append(taken[0])

        threads = [threading.Thread(target=take_numbers) for _ in range(2)]
        threads += [threading.Thread(target=maintain, args=[database]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(numbers) == len(set(numbers)) == 400
        assert max(numbers) >= QUEUES_PER_RANGE

    def test_given_a_range_that_is_nearly_full_then_it_ends_by_itself(self, database, shop):
        first = synced(database, shop, days_ago=1)
        age(database, first, days_ago=1, column="created_at")
        set_next_queue_no(database, QUEUES_PER_RANGE - 1)

        assert maintain(database) == 0
        assert [make_queue(database, make_connection(database, name=name)).queue_no
                for name in ("one", "two", "three")] == [9_999, 10_000, 10_001]  # fmt: skip


def synced(database, connection, *, days_ago):
    """A queue of two customers that ended then."""
    queue, _ = apply_records(database, connection, people(days_ago, count=2), [order(1, 1)])
    age(database, queue, days_ago=days_ago)
    return queue


def people(variant, count=10):
    return [customer(n, first_name=f"Ann {variant}") for n in range(1, count + 1)]


def age(database, queue, *, days_ago, column="finished_at"):
    with database.owner() as conn:
        conn.execute(
            f"UPDATE sync_queue SET {column} = %s WHERE queue_no = %s",
            [NOW - timedelta(days=days_ago), queue.queue_no],
        )


def go_to_range(database, range_no):
    set_next_queue_no(database, range_no * QUEUES_PER_RANGE)


def set_next_queue_no(database, queue_no):
    with database.owner() as conn:
        conn.execute("SELECT setval('sync_queue_queue_no_seq', %s, false)", [queue_no])


def tables_of_range(database, range_no):
    with database.owner() as conn:
        found = conn.execute(
            "SELECT relname FROM pg_class WHERE relname = ANY (%s) ORDER BY 1",
            [[f"{name}_r{range_no}" for name in RANGED]],
        ).fetchall()
    return [one["relname"] for one in found]


def left_of(database, queue):
    tables = ("sync_queue", "sync_batch", *RANGED)
    return {
        table: row(
            database, f"SELECT count(*) AS n FROM {table} WHERE queue_no = %s", queue.queue_no
        )["n"]
        for table in tables
    }
