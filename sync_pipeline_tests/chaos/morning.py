"""Many syncs due at the same instant: one store is down, one record is refused, one run is ended.

Belongs here: letting it happen, and noting what is over when it has. Does not: what must hold then
(test_processes.py).
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from sync_pipeline.orchestration.tags import QUEUE_TAG
from sync_pipeline.queue import actions
from sync_pipeline_tests.chaos.fleet import Shop, everywhere, unfinished
from sync_pipeline_tests.chaos.processes import IS_FULL
from sync_pipeline_tests.end_to_end.stack import Stack

ORGANIZATIONS = [f"org-{n % 10}" for n in range(100)] if IS_FULL else ["org-0"] * 3 + ["org-1"]
SMALL_LIMITS = {
    "max_concurrent_runs": 3,
    "tag_concurrency_limits": [
        {"key": key, "value": {"applyLimitPerUniqueValue": True}, "limit": limit}
        for key, limit in (("dagster/partition", 1), ("sync/organization", 2))
    ],
}
CUSTOMERS = 30
DOWN_SECONDS = 8
# Waits of 6 to 8 s, then of 12 to 16 s: the second is long enough for a run to end and another to
# start.
RETRIES = {"max_retries": 2, "initial_backoff_ms": 8000}
LAST_PASS = 1 + RETRIES["max_retries"]
POISON = "c5@shop-2.test"
# A company's own trigger, which the sync knows nothing about.
REFUSE = f"""
    CREATE FUNCTION company_refuses() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
    CREATE TRIGGER company_refuses BEFORE INSERT OR UPDATE ON customer FOR EACH ROW
    WHEN (NEW.email = '{POISON}') EXECUTE FUNCTION company_refuses();
"""
MEND = "DROP TRIGGER company_refuses ON customer; DROP FUNCTION company_refuses()"
DUE = """
    SELECT batch_no, pass, available_at FROM sync_batch
    WHERE queue_no = %(queue_no)s AND state = 'ready' AND pass > 1
"""
TRIES = """
    SELECT created_at FROM sync_activity
    WHERE queue_no = %(queue_no)s AND activity_type IN ('record_retried', 'record_failed')
    ORDER BY created_at
"""


@dataclass
class Morning:
    """All connections due at the same instant; one store down, one record refused."""

    stack: Stack
    shops: list[Shop]
    due: dict[int, datetime] = field(default_factory=dict)
    resumed_at: datetime | None = None
    _is_paused: bool = False

    @property
    def healthy(self) -> list[Shop]:
        return self.shops[2:]

    @property
    def down(self) -> Shop:
        return self.shops[0]

    @property
    def poisoned(self) -> Shop:
        return self.shops[1]

    def runs(self) -> list[dg.RunRecord]:
        """The runs of the syncs, in the order in which they started; none is under way."""
        records = self.stack.instance.get_run_records
        self.stack.wait_until(
            lambda: all(r.dagster_run.is_finished for r in records()), "every run has ended"
        )
        return sorted((r for r in records() if r.start_time), key=lambda r: r.start_time or 0)

    def watch(self) -> bool:
        """Note which lines are due when; True when every sync is over."""
        queue = self.poisoned.queues[0]
        for row in everywhere(self.stack.database, DUE, queue_no=queue.queue_no):
            self.due[row["pass"]] = row["available_at"]
        if LAST_PASS in self.due and self.resumed_at is None:
            self._end_the_run(str(queue.id))
        return not unfinished(self.stack.database)

    def runs_of_the_poisoned(self) -> list[dg.RunRecord]:
        """Oldest first."""
        tags = {QUEUE_TAG: str(self.poisoned.queues[0].id)}
        return self.stack.instance.get_run_records(dg.RunsFilter(tags=tags), ascending=True)

    def _end_the_run(self, queue_id: str) -> None:
        """While the line waits for its last try: another run has to be started for that."""
        database = self.stack.database
        if not self._is_paused:
            actions.pause(database, queue_id, by="op", reason="the run shall end")
            self._is_paused = True
        elif all(run.dagster_run.is_finished for run in self.runs_of_the_poisoned()):
            actions.resume(database, queue_id, by="op", reason="it has ended")
            self.resumed_at = datetime.now(UTC)
