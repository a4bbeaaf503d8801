"""The processes of deploy/ when nobody watches, and when anything is killed with `kill -9`.

First many syncs are due at once, a store is down, a record cannot be applied; then parts are killed
at random instants, PostgreSQL too. The short form has small limits and few stores, and kills each
part once while two syncs run; the full one (`make chaos`) has a hundred stores of ten
organizations under the limits of deploy/dagster.yaml, and kills a hundred times.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from sync_pipeline.demo import Fault
from sync_pipeline.orchestration.tags import REASON_TAG
from sync_pipeline.queue import actions
from sync_pipeline.queue.actions import QueueStateError
from sync_pipeline_tests.chaos.fleet import (
    assert_exactly_once,
    configured_limits,
    everywhere,
    recovered_seconds,
    served_shops,
    started,
    status_of,
    unfinished,
)
from sync_pipeline_tests.chaos.morning import (
    CUSTOMERS,
    DOWN_SECONDS,
    MEND,
    ORGANIZATIONS,
    REFUSE,
    RETRIES,
    SMALL_LIMITS,
    TRIES,
    Morning,
)
from sync_pipeline_tests.chaos.ordeal import PARTS, Ordeal
from sync_pipeline_tests.chaos.processes import IS_FULL, note
from sync_pipeline_tests.chaos.spans import busy, most_at_once
from sync_pipeline_tests.end_to_end.installing import ON_A_SERVER_OF_ITS_OWN, installed_stack
from sync_pipeline_tests.end_to_end.stack import Stack

STRUCK_ORGANIZATIONS = (
    ["acme", "acme", "acme", "globex", "globex"] if IS_FULL else ["acme", "globex"]
)
QUEUES = 20 if IS_FULL else 2
KILLS = int(os.environ.get("CHAOS_PROCESS_KILLS", "100" if IS_FULL else "4"))
STRUCK_CUSTOMERS = 400 if IS_FULL else 100
# Pages of 20 at half a second each: a sync lasts as long as a few kills take.
LATENCY_SECONDS = 0.5
PAGE_RECORDS = 20
PATIENCE_SECONDS = 3 * 3600 if IS_FULL else 400
# What is promised; the short form runs beside other tests, and asks only whether it is in time.
LATE_SECONDS = 5 if IS_FULL else 30


@pytest.fixture(scope="module")
def dice() -> random.Random:
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(10**6)))
    note(f"CHAOS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One for all: starting the processes is most of what these tests cost."""
    directory = tmp_path_factory.mktemp("processes")
    limits = None if IS_FULL else SMALL_LIMITS
    with installed_stack(directory, limits=limits, SYNC_SOURCE_PAGE_RECORDS=PAGE_RECORDS) as stack:
        yield stack


@pytest.fixture(scope="module")
def stack(installed: Stack) -> Stack:
    """Its processes run."""
    return started(installed)


@pytest.fixture(scope="module")
def morning(installed: Stack) -> Iterator[Morning]:
    """It is over: all syncs were due before the processes were started."""
    stack = installed
    with (
        served_shops(stack.database, ORGANIZATIONS, CUSTOMERS, latency_seconds=0.1) as shops,
        psycopg.connect(stack.database.url, autocommit=True) as company,
    ):
        company.execute(REFUSE)
        morning = Morning(stack, shops)
        morning.down.server.faults = [Fault("server_error")]
        for shop in shops:
            shop.open(
                stack.database, batch_size=10, **(RETRIES if shop is morning.poisoned else {})
            )
        started(stack)
        patience_seconds = 2400 if IS_FULL else 400
        stack.wait_until(
            lambda: morning.watch() or morning.down.server.requests,
            "the store that is down was asked",
            patience_seconds,
        )
        back = time.monotonic() + DOWN_SECONDS
        stack.wait_until(lambda: morning.watch() or time.monotonic() > back, "time passed")
        morning.down.server.faults = []
        stack.wait_until(morning.watch, "every sync is over", patience_seconds)
        yield morning


@pytest.mark.chaos
@ON_A_SERVER_OF_ITS_OWN
@pytest.mark.timeout(5400 if IS_FULL else 900)
class TestMorning:
    def test_given_all_due_at_once_then_each_runs_and_all_but_the_poisoned_are_exactly_done(
        self, morning: Morning
    ):
        assert_exactly_once(morning.stack.database, [morning.down, *morning.healthy])

    def test_given_limits_then_never_more_at_once_by_the_times_of_runs_and_of_requests(
        self, morning: Morning
    ):
        limits = configured_limits(morning.stack)
        spans = [
            (run.start_time, run.end_time, run.dagster_run.tags["sync/organization"])
            for run in morning.runs()
        ]
        asked = [
            (*span, shop.connection.org_id)
            for shop in morning.shops
            for span in busy(shop.server.requests)
        ]

        for what, seen in (("runs", spans), ("requests", asked)):
            most = most_at_once(seen)
            note(f"{what}: {most} at once")
            assert most.pop("all") <= limits["max_concurrent_runs"]
            assert max(most.values()) <= limits["sync/organization"]

    def test_given_one_organization_with_more_than_its_share_then_the_other_does_not_wait_for_it(
        self, morning: Morning
    ):
        order = [run.dagster_run.tags["sync/organization"] for run in morning.runs()]

        first = {org_id: order.index(org_id) for org_id in set(ORGANIZATIONS)}
        note(f"first starts of {len(order)} runs: {first}")
        places = configured_limits(morning.stack)["max_concurrent_runs"]
        assert max(first.values()) < min(places, 3 * len(first))

    def test_given_a_store_that_answered_500_when_it_recovered_then_its_sync_went_on_by_itself(
        self, morning: Morning
    ):
        statuses = [request.status for request in morning.down.server.requests]

        assert 500 in statuses
        assert statuses[-1] == 200

    def test_given_a_record_that_the_company_refuses_then_one_conflict_and_all_else_is_done(
        self, morning: Morning
    ):
        queue = morning.poisoned.queues[0]
        conflicts = everywhere(
            morning.stack.database, "SELECT conflict_type, external_id, queue_no FROM sync_conflict"
        )

        assert conflicts == [
            {"conflict_type": "RetryExhausted", "external_id": "5", "queue_no": queue.queue_no}
        ]
        standing = status_of(morning.stack.database, queue)
        assert standing == standing | {
            "state": "partial",
            "done_count": CUSTOMERS - 1,
            "failed_count": 1,
            "is_action_required": True,
        }
        assert "1 of 30 lines failed" in standing["action_required_reason"]

    def test_given_lines_that_are_due_then_they_are_tried_within_seconds(self, morning: Morning):
        tries = tries_of(morning)
        first_due, *_ = morning.due.values()

        late_seconds = (tries[1] - first_due).total_seconds()

        note(f"late by {late_seconds:.1f} s in the run that waited")
        assert (len(tries), len(morning.due)) == (3, 2)
        assert 0 <= late_seconds < LATE_SECONDS

    def test_given_a_line_that_waits_while_no_run_lives_then_one_is_started_ahead_of_time(
        self, morning: Morning
    ):
        *_, due = morning.due.values()
        *_, tried = tries_of(morning)
        *_, ended, run = morning.runs_of_the_poisoned()
        assert ended.end_time is not None
        assert run.start_time is not None
        assert morning.resumed_at is not None
        # A run cannot start faster than this machine starts one, nor before it may be started.
        start_seconds = run.start_time - run.create_timestamp.timestamp()
        expected = max(due, morning.resumed_at + timedelta(seconds=start_seconds))

        late_seconds = (tried - expected).total_seconds()

        ahead_seconds = due.timestamp() - run.create_timestamp.timestamp()
        note(
            f"late by {(tried - due).total_seconds():.1f} s in a run that was asked for"
            f" {ahead_seconds:.1f} s ahead and took {start_seconds:.1f} s to start"
        )
        assert run.dagster_run.tags[REASON_TAG] == "retry"
        assert tried >= due
        assert datetime.fromtimestamp(ended.end_time, UTC) < run.create_timestamp
        assert late_seconds < max(LATE_SECONDS, start_seconds)


@pytest.mark.chaos
@ON_A_SERVER_OF_ITS_OWN
def test_given_the_reason_is_mended_when_an_operator_retries_then_the_daemon_does_the_rest(
    morning: Morning,
):
    stack, queue = morning.stack, morning.poisoned.queues[0]
    with stack.database.owner() as conn:
        conn.execute(MEND)

    actions.retry(stack.database, str(queue.id), by="op", reason="the trigger is gone")

    stack.wait_until(
        lambda: status_of(stack.database, queue)["state"] == "done", "the sync is done"
    )
    standing = status_of(stack.database, queue)
    assert (standing["state"], standing["done_count"]) == ("done", CUSTOMERS)
    assert standing["is_action_required"] is False
    assert everywhere(stack.database, "SELECT FROM sync_conflict WHERE state = 'open'") == []


@pytest.mark.chaos
@pytest.mark.skipif(not IS_FULL, reason="one process: test_upsert_under_actions.py")
@ON_A_SERVER_OF_ITS_OWN
@pytest.mark.timeout(600)
def test_given_a_running_sync_when_paused_resumed_cancelled_at_random_then_each_takes_effect(
    stack: Stack, dice: random.Random
):
    database = stack.database
    with served_shops(database, ["initech"], STRUCK_CUSTOMERS, prefix="steered") as (shop,):
        queue = shop.open(database, batch_size=1, batch_delay_ms=200)
        queue_id = str(queue.id)

        def done() -> int:
            return int(status_of(database, queue)["done_count"])

        stack.wait_until(lambda: done() > dice.randrange(10), "some lines are done")
        actions.pause(database, queue_id, by="op", reason="looking")
        time.sleep(2)
        standing = done()
        time.sleep(1)
        assert done() == standing
        actions.resume(database, queue_id, by="op", reason="looked")
        stack.wait_until(lambda: done() > standing, "it goes on")
        time.sleep(dice.random())
        cancelled = actions.cancel(database, queue_id, by="op", reason="wrong shop")

        for refused in (actions.force_done, actions.retry, actions.pause):
            refusal_of(lambda act=refused: act(database, queue_id, by="op", reason="late"))
        counts = status_of(database, queue)
        assert (counts["state"], counts["done_count"]) == ("cancelled", cancelled.done_count)
        assert counts["done_count"] + counts["cancelled_count"] == counts["total_count"]

        forced = shop.open(database, batch_size=1, batch_delay_ms=200)
        if IS_FULL:
            stack.wait_until(lambda: status_of(database, forced)["done_count"] > 3, "it runs")
        actions.force_done(database, str(forced.id), by="op", reason="enough")
        assert status_of(database, forced)["state"] == "done"

        whole = shop.open(database)
        stack.wait_until(lambda: not unfinished(database), "the last one is over")
        assert status_of(database, whole)["state"] == "done"
        shop.queues[:] = [whole]
        assert_exactly_once(database, [shop])


@pytest.mark.chaos
@ON_A_SERVER_OF_ITS_OWN
@pytest.mark.timeout(PATIENCE_SECONDS + 300)
def test_given_kill_9_of_anything_at_any_instant_when_restarted_then_all_is_done_exactly_once(
    stack: Stack, dice: random.Random
):
    with served_shops(
        stack.database, STRUCK_ORGANIZATIONS, STRUCK_CUSTOMERS, LATENCY_SECONDS, prefix="struck"
    ) as shops:
        ordeal = Ordeal(stack, shops, dice, queues=QUEUES, kills=KILLS)
        ordeal.live_through(PATIENCE_SECONDS)

        note(f"{ordeal.killed.total()} kills over {ordeal.opened} syncs: {dict(ordeal.killed)}")
        assert ordeal.killed.total() == KILLS
        assert_exactly_once(stack.database, [shop for shop in shops if shop.queues])
        note(f"every open sync worked again after, s: {ordeal.recovery.slowest()}")


@pytest.mark.chaos
@pytest.mark.skipif(not IS_FULL, reason="of seconds, which only an idle machine can show")
@ON_A_SERVER_OF_ITS_OWN
@pytest.mark.timeout(PATIENCE_SECONDS + 300)
def test_given_one_kill_9_at_a_time_then_every_open_sync_is_worked_again_within_a_minute(
    stack: Stack, dice: random.Random
):
    with served_shops(
        stack.database, ["acme", "globex"], STRUCK_CUSTOMERS, LATENCY_SECONDS, prefix="hurt"
    ) as shops:
        ordeal = Ordeal(stack, shops, dice, queues=2, kills=3 * len(PARTS), is_one_at_a_time=True)
        ordeal.live_through(PATIENCE_SECONDS)

        slowest = ordeal.recovery.slowest()
        note(f"every open sync worked again after, s: {slowest}")
        assert set(slowest) == set(PARTS)
        assert max(slowest.values()) < recovered_seconds(stack)


def refusal_of(act: Callable[[], object]) -> None:
    with pytest.raises(QueueStateError):
        act()


def tries_of(morning: Morning) -> list[datetime]:
    """When the poisoned line was tried, to no avail."""
    queue_no = morning.poisoned.queues[0].queue_no
    found = everywhere(morning.stack.database, TRIES, queue_no=queue_no)
    return [one["created_at"] for one in found]
