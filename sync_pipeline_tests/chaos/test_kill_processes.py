"""Kill -9 of any part of the deployment at random, PostgreSQL too: it ends as if nothing was.

The short form kills each part once while three syncs run; the full one (`make chaos`) kills a
hundred times over twenty syncs of five stores.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from sync_pipeline.queue import actions
from sync_pipeline.queue.actions import QueueStateError
from sync_pipeline_tests.chaos.fleet import (
    Shop,
    assert_exactly_once,
    patiently,
    served_shops,
    status_of,
    strike,
    unfinished,
)
from sync_pipeline_tests.chaos.processes import IS_FULL, note
from sync_pipeline_tests.end_to_end.installing import ON_A_SERVER_OF_ITS_OWN, installed_stack
from sync_pipeline_tests.end_to_end.stack import NotInTimeError, Stack

ORGANIZATIONS = ["acme", "acme", "acme", "globex", "globex"] if IS_FULL else ["acme", "globex"] * 2
QUEUES = 20 if IS_FULL else 3
KILLS = int(os.environ.get("CHAOS_PROCESS_KILLS", "100" if IS_FULL else "4"))
CUSTOMERS = 400 if IS_FULL else 100
# Pages of 20 at half a second each: a sync lasts as long as a few kills take.
LATENCY_SECONDS = 0.5
PAGE_RECORDS = 20
PARTS = ("run", "daemon", "code", "postgres")
# Runs are what there is most of, and what dies most often.
WEIGHTS = (5, 2, 2, 2)
PATIENCE_SECONDS = 3 * 3600 if IS_FULL else 400


@pytest.fixture(scope="module")
def dice() -> random.Random:
    seed = int(os.environ.get("CHAOS_SEED", random.randrange(10**6)))
    note(f"CHAOS_SEED={seed}")
    return random.Random(seed)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("killed")
    with installed_stack(directory, SYNC_SOURCE_PAGE_RECORDS=PAGE_RECORDS) as installed:
        installed.start("code")
        installed.start("daemon")
        yield installed


class Ordeal:
    """Syncs that are opened one after the other, and kills at random instants meanwhile."""

    def __init__(self, stack: Stack, shops: list[Shop], dice: random.Random) -> None:
        self.killed: Counter[str] = Counter()
        self._stack, self._shops, self._dice = stack, shops, dice
        # As long as it takes to start again, on this machine at this hour, and now and then longer.
        self._longest_pause_seconds = 1.4 * stack.start_seconds if IS_FULL else 2
        self._next_kill = self._pause()

    @property
    def opened(self) -> int:
        return sum(len(shop.queues) for shop in self._shops)

    @property
    def is_enough(self) -> bool:
        """All was opened and all was killed; what is left is to end well."""
        return self.opened >= QUEUES and self.killed.total() >= KILLS

    def live_through(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            self._stack.tend()
            names = patiently(lambda: unfinished(self._stack.database))
            if names is not None:
                if not names and self.is_enough:
                    return
                self._open_next(names)
            self._kill_next()
            time.sleep(0.1)
        raise NotInTimeError(f"after {self.killed}\n{self._stack.printed()}")

    def _open_next(self, unfinished_names: set[str]) -> None:
        for shop in self._shops:
            # More than planned only while there is more to kill.
            is_wanted = self.opened < QUEUES or (IS_FULL and not self.is_enough)
            if is_wanted and shop.name not in unfinished_names:
                patiently(
                    lambda s=shop: s.open(self._stack.database, batch_size=20, batch_delay_ms=50)
                )

    def _kill_next(self) -> None:
        if self.killed.total() < KILLS and time.monotonic() >= self._next_kill:
            unhurt = [part for part in PARTS if not self.killed[part]]
            part = self._dice.choice(unhurt or self._dice.choices(PARTS, WEIGHTS))
            self.killed[part] += strike(self._stack, part, self._dice)
            self._next_kill = self._pause()
            # Beside the logs of the processes: whoever waits for an hour sees how far it is.
            with (self._stack.directory / "kills.log").open("a") as log:
                log.write(f"{time.strftime('%H:%M:%S')} {part}: {dict(self.killed)}\n")

    def _pause(self) -> float:
        return time.monotonic() + self._dice.uniform(0.5, self._longest_pause_seconds)


@pytest.mark.chaos
@ON_A_SERVER_OF_ITS_OWN
@pytest.mark.timeout(PATIENCE_SECONDS + 300)
def test_given_kill_9_of_anything_at_any_instant_when_restarted_then_all_is_done_exactly_once(
    stack: Stack, dice: random.Random
):
    with served_shops(stack.database, ORGANIZATIONS, CUSTOMERS, LATENCY_SECONDS) as shops:
        ordeal = Ordeal(stack, shops, dice)
        ordeal.live_through()

        note(f"{ordeal.killed.total()} kills over {ordeal.opened} syncs: {dict(ordeal.killed)}")
        assert ordeal.killed.total() == KILLS
        assert_exactly_once(stack.database, [shop for shop in shops if shop.queues])


@pytest.mark.chaos
@ON_A_SERVER_OF_ITS_OWN
@pytest.mark.timeout(600)
def test_given_a_running_sync_when_paused_resumed_cancelled_at_random_then_each_takes_effect(
    stack: Stack, dice: random.Random
):
    database = stack.database
    with served_shops(database, ["initech"], CUSTOMERS, prefix="steered") as (shop,):
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


def refusal_of(act: Callable[[], object]) -> None:
    with pytest.raises(QueueStateError):
        act()
