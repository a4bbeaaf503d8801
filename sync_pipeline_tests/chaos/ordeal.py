"""Syncs that are opened one after the other while parts of the deployment are killed.

Belongs here: opening, killing at random instants, how long a kill kept a sync from being worked.
Does not: the processes (end_to_end/stack.py), what must hold at the end (fleet.py).
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sync_pipeline.queue.heartbeat import LEASE_SECONDS
from sync_pipeline_tests.chaos.fleet import Shop, everywhere, patiently, strike
from sync_pipeline_tests.chaos.processes import IS_FULL
from sync_pipeline_tests.end_to_end.stack import NotInTimeError, Stack

PARTS = ("run", "daemon", "code", "postgres")
# Runs are what there is most of, and what dies most often.
WEIGHTS = (5, 2, 2, 2)
_SIGNS = """
    SELECT connection.name AS shop, queue_no,
           stage_lease_until - make_interval(secs => %(lease_seconds)s) AS seen_at
    FROM sync_queue JOIN sync_connection AS connection USING (connection_id)
    WHERE stage <> 'finished' AND connection.name = ANY (%(shops)s)
"""


@dataclass
class Strike:
    """One kill, and the queues that were open then and that nobody has worked since."""

    part: str
    at: datetime
    waiting: set[int]
    seconds: float = 0.0


@dataclass
class Recovery:
    """How long it takes after each kill until every open queue is worked, or finished.

    A process that works on a queue renews its lease every few seconds: a renewal after the kill is
    the sign. Kills that follow lengthen it, as they would.

    Attributes:
        unfinished: the queues that are open, as of the last look; their run may be starting.
    """

    strikes: list[Strike] = field(default_factory=list)
    unfinished: set[int] = field(default_factory=set)

    def struck(self, part: str) -> None:
        self.strikes.append(Strike(part, datetime.now(UTC), set(self.unfinished)))

    @property
    def is_over(self) -> bool:
        """Every queue that was open at a kill has been worked since."""
        return not any(one.waiting for one in self.strikes)

    def look(self, signs: list[dict[str, Any]]) -> None:
        """Take in how the unfinished queues stand."""
        self.unfinished = {sign["queue_no"] for sign in signs}
        seen_at = {sign["queue_no"]: sign["seen_at"] for sign in signs}
        now = datetime.now(UTC)
        for one in self.strikes:
            if one.waiting:
                one.waiting = {
                    queue_no
                    for queue_no in one.waiting & self.unfinished
                    if seen_at[queue_no] is None or seen_at[queue_no] < one.at
                }
                one.seconds = (now - one.at).total_seconds()

    def slowest(self) -> dict[str, float]:
        """Seconds by part."""
        slowest: dict[str, float] = {}
        for one in self.strikes:
            slowest[one.part] = max(slowest.get(one.part, 0.0), round(one.seconds, 1))
        return slowest


def signs_of_work(stack: Stack, shops: Sequence[Shop]) -> list[dict[str, Any]]:
    """The unfinished queues of shops, and when a process showed last that it works on each."""
    names = [shop.name for shop in shops]
    return everywhere(stack.database, _SIGNS, shops=names, lease_seconds=LEASE_SECONDS)


class Ordeal:
    """Syncs that are opened one after the other, and kills at random instants meanwhile.

    Args:
        is_one_at_a_time: the next kill waits until the last one is recovered from.
    """

    def __init__(
        self,
        stack: Stack,
        shops: list[Shop],
        dice: random.Random,
        *,
        queues: int,
        kills: int,
        is_one_at_a_time: bool = False,
    ) -> None:
        self.killed: Counter[str] = Counter()
        self.recovery = Recovery()
        self._queues, self._kills, self._is_one_at_a_time = queues, kills, is_one_at_a_time
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
        return self.opened >= self._queues and self.killed.total() >= self._kills

    def live_through(self, patience_seconds: float) -> None:
        """Until all was opened, all was killed, and all is over."""
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            self._stack.tend()
            signs = patiently(lambda: signs_of_work(self._stack, self._shops))
            if signs is not None:
                self.recovery.look(signs)
                if not signs and self.is_enough:
                    return
                self._open_next({sign["shop"] for sign in signs})
            self._kill_next()
            time.sleep(0.1)
        raise NotInTimeError(f"after {self.killed}\n{self._stack.printed()}")

    def _open_next(self, unfinished_names: set[str]) -> None:
        for shop in self._shops:
            # More than planned only while there is more to kill.
            is_more = not self.is_enough and (IS_FULL or not unfinished_names)
            is_wanted = self.opened < self._queues or is_more
            if is_wanted and shop.name not in unfinished_names:
                patiently(
                    lambda s=shop: s.open(self._stack.database, batch_size=20, batch_delay_ms=50)
                )

    def _kill_next(self) -> None:
        is_due = self.killed.total() < self._kills and time.monotonic() >= self._next_kill
        is_quiet = self.recovery.is_over or not self._is_one_at_a_time
        if is_due and is_quiet and self.recovery.unfinished:
            unhurt = [part for part in PARTS if not self.killed[part]]
            part = self._dice.choice(unhurt or self._dice.choices(PARTS, WEIGHTS))
            if strike(self._stack, part, self._dice):
                self.killed[part] += 1
                self.recovery.struck(part)
            self._next_kill = self._pause()
            # Beside the logs of the processes: whoever waits for an hour sees how far it is.
            with (self._stack.directory / "kills.log").open("a") as log:
                log.write(f"{time.strftime('%H:%M:%S')} {part}: {dict(self.killed)}\n")

    def _pause(self) -> float:
        return time.monotonic() + self._dice.uniform(0.5, self._longest_pause_seconds)
