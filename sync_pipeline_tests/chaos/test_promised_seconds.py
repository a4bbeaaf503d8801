"""What is promised in seconds, by a deployment that has nothing else to do.

A run that is killed while it starts, alone or with those who would notice, holds no lease and has
not named its process: nothing of ours tells that it is gone.
"""

import random
import time
from collections.abc import Iterator

import dagster as dg
import psycopg
import pytest

from sync_pipeline.orchestration.in_flight import UNFINISHED
from sync_pipeline.queue import actions
from sync_pipeline_tests.chaos.fleet import (
    assert_exactly_once,
    everywhere,
    patiently,
    recovered_seconds,
    served_shops,
    started,
    status_of,
    strike,
)
from sync_pipeline_tests.chaos.morning import DUE, MEND, POISON, REFUSE, TRIES
from sync_pipeline_tests.chaos.ordeal import Recovery, signs_of_work
from sync_pipeline_tests.chaos.processes import IS_FULL, note
from sync_pipeline_tests.end_to_end.installing import ON_A_SERVER_OF_ITS_OWN, installed_stack
from sync_pipeline_tests.end_to_end.stack import Stack

LONGEST_START_SECONDS = 4.0
LATE_SECONDS = 5
# The wait for the second try: 30 to 40 s, enough for a run to end and another to start.
LONGEST_WAIT_MS = 40_000
TWICE = {"max_retries": 1} | dict.fromkeys(
    ("initial_backoff_ms", "max_backoff_ms"), LONGEST_WAIT_MS
)
UNFINISHED_RUNS = dg.RunsFilter(statuses=UNFINISHED)
STARTING = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with installed_stack(
        tmp_path_factory.mktemp("starts"), SYNC_QUEUE_MAX_BACKOFF_MS=LONGEST_WAIT_MS
    ) as stack:
        yield started(stack)


pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(not IS_FULL, reason="of seconds, which only an idle machine can show"),
    pytest.mark.timeout(900),
]


@ON_A_SERVER_OF_ITS_OWN
@pytest.mark.parametrize(
    "parts",
    [["run"], ["daemon", "run"], ["code", "run"], ["code", "daemon", "run"], ["postgres"]],
    ids=" and ".join,
)
def test_given_a_start_that_is_killed_then_its_sync_is_worked_within_a_minute(
    stack: Stack, parts: list[str]
):
    prefix = "-".join(["struck", *parts])
    with served_shops(stack.database, ["acme"], 400, prefix=prefix) as (shop,):
        queue, recovery = shop.open(stack.database), Recovery()

        def is_starting() -> bool:
            return bool(stack.instance.get_runs(STARTING) and stack.run_workers())

        def is_worked() -> bool:
            stack.tend()
            if (signs := patiently(lambda: signs_of_work(stack, [shop]))) is not None:
                recovery.look(signs)
            return recovery.is_over

        stack.wait_until(is_starting, "its run starts")
        # Anywhere from the first instant of its process to its first step.
        time.sleep(random.uniform(0, LONGEST_START_SECONDS))
        recovery.look(signs_of_work(stack, [shop]))
        for part in parts:
            assert strike(stack, part, random.Random())
        recovery.struck(" and ".join(parts))
        stack.wait_until(is_worked, "it is worked", 600)
        stack.wait_until(
            lambda: status_of(stack.database, queue)["stage"] == "finished", "it is over"
        )

        note(f"worked again after, s: {recovery.slowest()}")
        assert_exactly_once(stack.database, [shop])
        assert 0 < max(recovery.slowest().values()) < recovered_seconds(stack)


@ON_A_SERVER_OF_ITS_OWN
def test_given_a_line_that_waits_while_no_run_lives_then_it_is_tried_within_5_s_of_its_time(
    stack: Stack,
):
    database = stack.database
    with (
        served_shops(database, ["acme"], 10, prefix="waits") as (shop,),
        psycopg.connect(database.url, autocommit=True) as company,
    ):
        company.execute(REFUSE.replace(POISON, "c5@waits-1.test"))
        queue = shop.open(database, **TWICE)
        (first,) = stack.wait_until(
            lambda: everywhere(database, DUE, queue_no=queue.queue_no), "a line waits"
        )
        actions.pause(database, str(queue.id), by="op", reason="the run shall end")
        stack.wait_until(lambda: not stack.instance.get_runs(UNFINISHED_RUNS), "it has ended")
        actions.resume(database, str(queue.id), by="op", reason="it has ended")
        stack.wait_until(lambda: status_of(database, queue)["stage"] == "finished", "it is over")
        company.execute(MEND)

    *_, last = everywhere(database, TRIES, queue_no=queue.queue_no)
    late_seconds = (last["created_at"] - first["available_at"]).total_seconds()
    note(f"late by {late_seconds:.1f} s")
    assert 0 <= late_seconds < LATE_SECONDS
