"""Any order of calls on one queue, on real PostgreSQL, held against a plain dict.

Take the token out of complete.sql and this fails, printing the shortest story.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue import completion, leases
from sync_pipeline.queue.completion import LeaseLostError
from sync_pipeline.queue.queues import finish, is_stopped
from sync_pipeline_tests.factories import (
    customer,
    fill_queue,
    make_connection,
    row,
    rows,
    status,
)

LEASE_SECONDS = 60
LINES = 7


class QueueMachine(RuleBasedStateMachine):
    """`holder` says who may complete which batch: the last to claim it, until it is completed."""

    database = None
    org_id = None
    taken = Bundle("taken")
    run_no = 0

    @initialize(batch_size=st.integers(1, 4), bad=st.sets(st.integers(1, LINES), max_size=2))
    def fill(self, batch_size, bad):
        type(self).run_no += 1
        shop = make_connection(self.database, self.org_id, name=f"shop{self.run_no}")
        records = [
            customer(n, email="nobody" if n in bad else f"r{self.run_no}c{n}@example.test")
            for n in range(1, LINES + 1)
        ]
        self.queue = fill_queue(self.database, shop, records, batch_size=batch_size, max_retries=1)
        self.bad = bad
        self.now_utc = datetime.now(UTC)
        self.holder = {}
        self.lease_until = {}

    def organization(self):
        return self.database.organization(self.org_id)

    @rule(target=taken, worker=st.sampled_from("ab"))
    def claim(self, worker):
        with self.organization() as conn:
            lease = leases.claim(
                conn,
                self.queue.queue_no,
                worker=worker,
                now_utc=self.now_utc,
                lease_seconds=LEASE_SECONDS,
            )
        if lease is None:
            assert all(until > self.now_utc for until in self.lease_until.values())
            return multiple()
        assert self.lease_until.get(lease.batch_no, self.now_utc) <= self.now_utc
        self.holder[lease.batch_no] = lease
        self.lease_until[lease.batch_no] = self.now_utc + timedelta(seconds=LEASE_SECONDS)
        return lease

    def holds(self, lease):
        return self.holder.get(lease.batch_no) == lease

    def let_go(self, lease):
        del self.holder[lease.batch_no]
        del self.lease_until[lease.batch_no]

    @rule(lease=taken)
    def complete(self, lease):
        with self.organization() as conn:
            if not self.holds(lease):
                with pytest.raises(LeaseLostError):
                    completion.complete(conn, lease, self.queue, CUSTOMERS, backoff_seconds=0)
                return
            completion.complete(conn, lease, self.queue, CUSTOMERS, backoff_seconds=0)
        self.let_go(lease)

    @rule(lease=taken)
    def split(self, lease):
        with self.organization() as conn:
            was_split = completion.split(conn, lease)
        can_split = self.holds(lease) and lease.first_line < lease.last_line
        assert was_split == can_split
        if was_split:
            self.let_go(lease)

    @rule(lease=taken)
    def give_up(self, lease):
        with self.organization() as conn:
            if not self.holds(lease):
                with pytest.raises(LeaseLostError):
                    self.fail(conn, lease)
                return
            self.fail(conn, lease)
        self.bad = self.bad | set(range(lease.first_line, lease.last_line + 1))
        self.let_go(lease)

    def fail(self, conn, lease):
        completion.give_up(conn, lease, self.queue, code="sql.x", message="m", max_retries=0)

    @rule(lease=taken)
    def release(self, lease):
        with self.organization() as conn:
            completion.release(conn, lease, backoff_seconds=0)
        if self.holds(lease):
            self.let_go(lease)

    @rule(wait_seconds=st.integers(1, 90))
    def wait(self, wait_seconds):
        self.now_utc += timedelta(seconds=wait_seconds)

    @precondition(lambda self: hasattr(self, "queue"))
    @invariant()
    def a_batch_has_one_holder_or_none(self):
        found = rows(
            self.database,
            "SELECT batch_no, token FROM sync_batch WHERE queue_no = %s AND state = 'processing'",
            self.queue.queue_no,
        )
        assert {one["batch_no"]: one["token"] for one in found} == {
            number: lease.token for number, lease in self.holder.items()
        }

    @precondition(lambda self: hasattr(self, "queue"))
    @invariant()
    def counters_equal_lines(self):
        counted = status(self.database, self.queue)
        by_state = {
            one["state"]: one["n"]
            for one in rows(
                self.database,
                "SELECT state, count(*) AS n FROM sync_line_status WHERE queue_no = %s GROUP BY 1",
                self.queue.queue_no,
            )
        }
        for state in ("draft", "processing", "done", "failed"):
            assert counted[f"{state}_count"] == by_state.get(state, 0)
        assert counted["total_count"] == LINES

    def teardown(self):
        if not hasattr(self, "queue"):
            return
        self.now_utc += timedelta(days=1)
        with self.organization() as conn:
            while lease := leases.claim(
                conn, self.queue.queue_no, worker="z", now_utc=self.now_utc, lease_seconds=60
            ):
                completion.complete(conn, lease, self.queue, CUSTOMERS, backoff_seconds=0)
            assert not is_stopped(conn, self.queue.queue_no)
        assert [finish(self.database, self.queue) for _ in range(2)] == [True, False]
        self.every_line_was_applied_and_audited_once()

    def every_line_was_applied_and_audited_once(self):
        audit = row(
            self.database,
            "SELECT count(*) AS n, count(DISTINCT line_no) AS n_lines,"
            " count(*) FILTER (WHERE activity_type = 'record_failed') AS n_failed"
            " FROM sync_activity WHERE queue_no = %s AND line_no IS NOT NULL",
            self.queue.queue_no,
        )
        assert audit == {"n": LINES, "n_lines": LINES, "n_failed": len(self.bad)}
        applied = row(
            self.database,
            "SELECT count(*) AS n, count(DISTINCT local_id) AS n_customers FROM sync_record"
            " WHERE connection_id = %s",
            self.queue.connection_id,
        )
        assert set(applied.values()) == {LINES - len(self.bad)}


def test_any_order_of_calls_leaves_each_batch_one_holder_and_each_line_applied_once(
    database, org_id
):
    machine = type("BoundQueueMachine", (QueueMachine,), {"database": database, "org_id": org_id})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
