import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sync_pipeline.errors import DatabaseUnavailableError
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue import heartbeat
from sync_pipeline.queue.heartbeat import announce, working
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    environment,
    make_connection,
    make_queue,
    row,
    status,
)

ROOT = Path(__file__).parent.parent.parent
# A process that works until it is killed, with a lease of 1 s.
_WORK = """
import sys, time
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import heartbeat
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.settings import DatabaseSettings
heartbeat.LEASE_SECONDS, heartbeat._RENEWAL_SECONDS = 1.0, 0.2
with Database.open(DatabaseSettings()) as database:
    with heartbeat.working(database, find_queue(database, sys.argv[1])):
        print("working", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(heartbeat, "_RENEWAL_SECONDS", 0.05)
    monkeypatch.setattr(heartbeat, "_RENEWAL_AFTER_ERROR_SECONDS", 0.05)


@pytest.fixture
def queue(database):
    return make_queue(database, make_connection(database))


def lease(database, queue):
    return row(
        database, "SELECT stage_lease_until AS at FROM sync_queue WHERE queue_no = %s",
        queue.queue_no,
    )["at"]  # fmt: skip


def wait_until(is_so, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestWorking:
    def test_given_work_then_it_is_shown_from_the_beginning_and_no_longer_than_it_lasts(
        self, database, queue
    ):
        before = status(database, queue)["is_processing"]
        with working(database, queue):
            during = status(database, queue)["is_processing"]

        assert (before, during) == (False, True)
        assert lease(database, queue) is None
        assert status(database, queue)["is_processing"] is False

    def test_given_work_that_goes_on_then_the_lease_is_renewed(self, database, queue, quick):
        with working(database, queue):
            first = lease(database, queue)
            wait_until(lambda: lease(database, queue) > first)

    def test_given_work_that_fails_then_the_lease_is_given_back(self, database, queue):
        with pytest.raises(ValueError, match="no"), working(database, queue):
            raise ValueError("no")

        assert lease(database, queue) is None

    def test_given_another_process_that_works_too_then_its_lease_stands(self, database, queue):
        with working(database, queue):
            announce(database, queue)

        assert status(database, queue)["is_processing"] is True

    @pytest.mark.parametrize("ended", ["cancelled_at", "forced_done_at"])
    def test_given_a_queue_that_was_ended_meanwhile_then_it_is_not_shown_as_worked_on(
        self, database, queue, quick, ended
    ):
        with working(database, queue):
            with database.owner() as conn:
                conn.execute(
                    f"UPDATE sync_queue SET {ended} = now(), stage = 'finished',"
                    " finished_at = now(), stage_lease_until = NULL"
                )
            time.sleep(0.2)
            assert status(database, queue)["is_processing"] is False

    def test_given_a_finished_queue_that_was_compared_then_a_run_about_it_shows_nothing(
        self, database
    ):
        queue, _ = apply_records(database, make_connection(database), [customer(1)])
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET reconciliation = '{}'")

        with working(database, queue):
            assert status(database, queue)["is_processing"] is False

    def test_given_lines_in_the_making_then_the_lease_does_not_wait_for_them(self, database, queue):
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET stage = 'enqueue'")
        with database.organization("acme") as conn:
            conn.execute(statement("enqueue/hold_shared"), {"queue_no": queue.queue_no})
            conn.execute(statement("enqueue/hold"), {"queue_no": queue.queue_no})
            with database.organization("acme") as other:
                other.execute("SET LOCAL lock_timeout = '1s'")
                other.execute("UPDATE sync_queue SET stage_lease_until = now(), is_paused = true")


class TestTrouble:
    def test_given_a_database_that_goes_away_for_a_while_then_the_work_goes_on(
        self, database, queue, quick, monkeypatch
    ):
        reachable = database.organization
        tries = []

        @contextlib.contextmanager
        def gone(*_, **__):
            tries.append(1)
            raise DatabaseUnavailableError("gone")
            yield

        with working(database, queue):
            with database.owner() as conn:
                conn.execute("UPDATE sync_queue SET stage_lease_until = now()")
            monkeypatch.setattr(database, "organization", gone)
            wait_until(lambda: len(tries) > 2)
            monkeypatch.setattr(database, "organization", reachable)
            wait_until(lambda: status(database, queue)["is_processing"])

    def test_given_a_database_that_is_gone_at_the_end_then_the_lease_runs_out_by_itself(
        self, database, queue, monkeypatch
    ):
        with working(database, queue):
            monkeypatch.setattr(heartbeat.Heartbeat, "_give_back", _unavailable)

        assert status(database, queue)["is_processing"] is True

    def test_given_a_killed_process_then_its_queue_is_seen_to_be_abandoned(self, database, queue):
        process = subprocess.Popen(
            [sys.executable, "-c", _WORK, str(queue.id)],
            env=environment(database) | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert process.stdout.readline() == "working\n"
            time.sleep(1.3)
            after_a_lease = status(database, queue)["is_processing"]
            process.kill()
            process.wait()
        wait_until(lambda: not status(database, queue)["is_processing"])

        assert after_a_lease is True
        assert lease(database, queue) is not None


def _unavailable(_):
    raise DatabaseUnavailableError("gone")
