"""Operators acting at any moment on a sync that workers apply: counters, transitions, effects."""

import random
import threading
import time
from contextlib import suppress

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue import actions
from sync_pipeline.queue.actions import QueueStateError
from sync_pipeline.queue.stops import QueueStoppedError
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.chaos.processes import IS_FULL
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    queue_settings,
    row,
    rows,
    status,
)
from sync_pipeline_tests.queue.transitions import (
    allowed_transitions,
    miscounted_batches,
    transitions_seen,
    watch_transitions,
)

LINES = 120
# What is promised; the short form runs beside other tests.
PAUSE_SECONDS = 2.0 if IS_FULL else 30.0
_REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.email ~ '^c(7|31|32|90)@' THEN RAISE EXCEPTION 'not this one'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def watched(database, org_id):
    watch_transitions(database, _REFUSE)
    return database


class Working:
    """Two processes' worth of workers that come back to the queue like runs that sensors start."""

    def __init__(self, database, queue):
        self._database = database
        self._queue = queue
        self._over = threading.Event()
        self._faults = []
        self._threads = [threading.Thread(target=self._work) for _ in range(2)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert self._faults == []

    def _work(self):
        settings = queue_settings(workers=1, max_backoff_ms=1)
        try:
            while not self._over.is_set():
                with suppress(QueueStoppedError):
                    upsert(self._database, self._queue, CUSTOMERS, settings)
                self._over.wait(0.01)
        except BaseException as error:  # noqa: BLE001  (told by the test's own thread)
            self._faults.append(error)


def filled(database, number, **settings):
    shop = make_connection(database, "acme", name=f"shop{number}")
    records = [
        customer(n, email="nobody" if n in (5, 50) else f"c{n}@example.test")
        for n in range(1, LINES + 1)
    ]
    return fill_queue(database, shop, records, batch_size=6, max_retries=1, **settings)


def act(database, queue, name):
    try:
        getattr(actions, name)(database, str(queue.id), by="ann")
    except QueueStateError:
        return False
    assert miscounted_batches(database, queue) == []
    return True


def applied_per_line(database, queue):
    found = rows(
        database,
        "SELECT count(*) AS n FROM sync_activity WHERE queue_no = %s AND line_no IS NOT NULL"
        " AND activity_type IN ('record_created', 'record_updated', 'record_unchanged')"
        " GROUP BY line_no",
        queue.queue_no,
    )
    return [one["n"] for one in found]


@pytest.mark.parametrize("ending", ["finish", "cancel", "force_done"])
@pytest.mark.parametrize("seed", range(10 if IS_FULL else 1))
def test_given_workers_when_anything_is_done_at_any_moment_then_counters_and_states_are_right(
    watched, ending, seed
):
    chance = random.Random(f"{ending} {seed}")
    queue = filled(watched, seed, batch_delay_ms=20)

    with Working(watched, queue):
        for _ in range(12):
            time.sleep(chance.random() * 0.05)
            act(watched, queue, chance.choice(["pause", "resume", "resume", "retry"]))
        if ending == "finish":
            act(watched, queue, "resume")
            deadline = time.monotonic() + 60
            while status(watched, queue)["stage"] != "finished" and time.monotonic() < deadline:
                time.sleep(0.02)
            ended = False
        else:
            # A fast machine may be at the end before; then there is nothing left to cancel.
            ended = act(watched, queue, ending)

    found = status(watched, queue)
    assert miscounted_batches(watched, queue) == []
    assert found["stage"] == "finished"
    assert applied_per_line(watched, queue) == [1] * found["done_count"]
    made = row(watched, "SELECT count(*) AS n FROM customer")
    assert made["n"] == found["done_count"]
    if ended:
        assert found["state"] == {"cancel": "cancelled", "force_done": "done"}[ending]
    else:
        assert (found["state"], found["done_count"], found["failed_count"]) == ("partial", 114, 6)
    assert transitions_seen(watched) - allowed_transitions() == set()


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"batch_delay_ms": 50}, id="between batches"),
        pytest.param({"batch_delay_ms": 60_000}, id="in a long delay"),
        pytest.param(
            {"initial_backoff_ms": 60_000, "max_backoff_ms": 60_000},
            id="in the wait for the next try",
        ),
    ],
)
def test_given_workers_when_paused_then_they_have_stopped_within_two_seconds(watched, settings):
    queue = filled(watched, 0, **settings)
    raised = []

    def work():
        try:
            quick = queue_settings(workers=2, max_backoff_ms=60_000)
            upsert(watched, queue, CUSTOMERS, quick)
        except QueueStoppedError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while status(watched, queue)["done_count"] == 0:
        time.sleep(0.01)
    if "initial_backoff_ms" in settings:
        while status(watched, queue)["draft_count"] > 4:
            time.sleep(0.01)
    paused_at = time.monotonic()
    actions.pause(watched, str(queue.id), by="ann", reason="lunch")
    thread.join()

    assert time.monotonic() - paused_at < PAUSE_SECONDS
    assert [error.stop.in_words for error in raised] == ["paused by ann: lunch"]
    assert status(watched, queue)["processing_count"] == 0


@pytest.mark.parametrize("name", ["cancel", "force_done"])
def test_given_a_batch_that_is_being_completed_when_ended_then_its_result_is_kept_and_counted(
    watched, request, name
):
    """Its lines are done, failed and to be tried again when the action has waited for it."""
    shop = make_connection(watched, "acme", name="shop0")
    apply_records(watched, shop, [customer(500, email="c2@example.test")])
    queue = filled(watched, 0)
    with watched.owner() as conn:
        conn.execute(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " IF NEW.email = 'c3@example.test' THEN PERFORM pg_sleep(0.5); END IF;"
            " RETURN NEW; END $$;"
            "CREATE TRIGGER dawdle BEFORE INSERT ON customer"
            " FOR EACH ROW EXECUTE FUNCTION dawdle()"
        )
    request.addfinalizer(lambda: drop_dawdle(watched))

    with Working(watched, queue):
        wait_until_a_batch_dawdles(watched)
        getattr(actions, name)(watched, str(queue.id), by="ann")

    found = rows(
        watched,
        "SELECT external_id, state FROM sync_line_status WHERE queue_no = %s AND line_no <= 6",
        queue.queue_no,
    )
    ended = {"2": "cancelled", "5": {"cancel": "failed", "force_done": "cancelled"}[name]}
    assert {one["external_id"]: one["state"] for one in found} == {
        **dict.fromkeys("1346", "done"),
        **ended,
    }
    assert miscounted_batches(watched, queue) == []
    assert transitions_seen(watched) - allowed_transitions() == set()


def wait_until_a_batch_dawdles(database):
    for _ in range(500):
        with database.owner() as conn:
            asleep = conn.execute(
                "SELECT pg_sleep(0.01), count(*) AS n FROM pg_stat_activity"
                " WHERE wait_event = 'PgSleep' AND pid <> pg_backend_pid()"
                " AND datname = current_database()"
            ).fetchone()
        if asleep["n"]:
            return
    raise TimeoutError


def drop_dawdle(database):
    with database.owner() as conn:
        conn.execute("DROP FUNCTION dawdle() CASCADE")
