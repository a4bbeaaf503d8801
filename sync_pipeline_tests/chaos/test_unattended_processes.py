"""Nobody watches: many syncs due at once, a store that is down, a record that cannot be applied.

All of it by the processes of deploy/. The short form has small limits and few stores; the full one
(`make chaos`) a hundred stores of ten organizations under the limits of deploy/dagster.yaml.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg
import psycopg
import pytest

from sync_pipeline.demo import Fault
from sync_pipeline.queue import actions
from sync_pipeline_tests.chaos.fleet import (
    Shop,
    assert_exactly_once,
    configured_limits,
    everywhere,
    served_shops,
    status_of,
    unfinished,
)
from sync_pipeline_tests.chaos.processes import IS_FULL, note
from sync_pipeline_tests.chaos.spans import busy, most_at_once
from sync_pipeline_tests.end_to_end.installing import ON_A_SERVER_OF_ITS_OWN, installed_stack
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
        for row in everywhere(self.stack.database, DUE, queue_no=self.poisoned.queues[0].queue_no):
            self.due[row["pass"]] = row["available_at"]
        return not unfinished(self.stack.database)


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Morning]:
    directory = tmp_path_factory.mktemp("unattended")
    with (
        installed_stack(directory, limits=None if IS_FULL else SMALL_LIMITS) as stack,
        served_shops(stack.database, ORGANIZATIONS, CUSTOMERS, latency_seconds=0.1) as shops,
        psycopg.connect(stack.database.url, autocommit=True) as company,
    ):
        company.execute(REFUSE)
        morning = Morning(stack, shops)
        morning.down.server.faults = [Fault("server_error")]
        for shop in shops:
            shop.open(stack.database, batch_size=10)
        stack.start("code")
        stack.start("daemon")
        patience_seconds = 2400 if IS_FULL else 400
        stack.wait_until(
            lambda: morning.down.server.requests,
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

    def test_given_lines_that_are_due_then_they_are_tried_within_5_seconds(self, morning: Morning):
        queue_no = morning.poisoned.queues[0].queue_no
        tries = [
            r["created_at"] for r in everywhere(morning.stack.database, TRIES, queue_no=queue_no)
        ]

        late = [
            (next(t for t in tries if t >= due) - due).total_seconds()
            for due in morning.due.values()
        ]

        note(f"{len(tries)} tries, late by {late} s")
        assert (len(tries), len(late)) == (4, 3)
        assert max(late) < 5


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
