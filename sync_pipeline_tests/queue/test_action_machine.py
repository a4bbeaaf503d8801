"""Any order of operator actions, workers, refusals of the database and later syncs, on PostgreSQL.

After each step the counters of every batch equal its lines, no lease is left that an action took
away, and no transition was made that docs/states.md does not list.
"""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

import psycopg
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
from sync_pipeline.queue import actions, completion, leases
from sync_pipeline.queue.actions import QueueStateError
from sync_pipeline.queue.completion import LeaseLostError
from sync_pipeline.queue.opening import QueueOpenError, open_queue
from sync_pipeline.queue.queues import begin, finish
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
    forget_transitions,
    miscounted_batches,
    transitions_seen,
    watch_transitions,
)

LINES = 5
LEASE_SECONDS = 60
# Which actions a position refuses; every other one is done or finds nothing to do.
REFUSED = {
    "open": set(),
    "paused": set(),
    "finished": {"pause", "resume", "cancel"},
    "forced": {"pause", "resume", "cancel"},
    "cancelled": {"pause", "resume", "force_done", "retry"},
}
_REFUSE = """
CREATE TABLE refused (email text);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    IF EXISTS (SELECT FROM refused WHERE email = NEW.email) THEN
        RAISE EXCEPTION 'not this one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def watched(database, org_id):
    """A database that notes transitions and refuses customers that are listed in `refused`."""
    watch_transitions(database, _REFUSE)
    return database


class ActionMachine(RuleBasedStateMachine):
    database = None
    allowed = frozenset()
    made: ClassVar = set()
    run_no = 0
    taken = Bundle("taken")

    @initialize(
        batch_size=st.sampled_from([4, 2, 5, 1]),
        kinds=st.lists(
            st.sampled_from(["good", "invalid", "refused"]), min_size=LINES, max_size=LINES
        ),
        worked=st.sampled_from(["to the end", "a little", "not"]),
    )
    def fill(self, batch_size, kinds, worked):
        type(self).run_no += 1
        forget_transitions(self.database)
        self.shop = make_connection(self.database, "acme", name=f"shop{self.run_no}")
        numbered = list(enumerate(kinds, start=1))
        self.refuse({self.email(n) for n, kind in numbered if kind == "refused"})
        records = [
            customer(n, email="nobody" if kind == "invalid" else self.email(n))
            for n, kind in numbered
        ]
        self.queue = fill_queue(
            self.database, self.shop, records, batch_size=batch_size, max_retries=1
        )
        self.now_utc = datetime.now(UTC)
        self.other = None
        self.steps = 0
        if worked == "to the end":
            self.work_to_the_end()
        elif worked == "a little":
            self.work(batches=2)

    def email(self, number):
        return f"r{self.run_no}c{number}@example.test"

    def refuse(self, emails):
        with self.database.owner() as conn:
            conn.execute("DELETE FROM refused")
            conn.execute("INSERT INTO refused SELECT unnest(%s::text[])", [sorted(emails)])

    def organization(self):
        return self.database.organization("acme")

    def position(self):
        found = status(self.database, self.queue)
        if found["state"] == "cancelled":
            return "cancelled"
        if found["stage"] == "finished":
            return "forced" if found["forced_done_at"] else "finished"
        return "paused" if found["is_paused"] else "open"

    def held(self):
        """Batch number -> token of the batches that somebody holds."""
        found = rows(
            self.database,
            "SELECT batch_no, token FROM sync_batch WHERE queue_no = %s AND state = 'processing'",
            self.queue.queue_no,
        )
        return {one["batch_no"]: one["token"] for one in found}

    @rule(target=taken, worker=st.sampled_from("ab"))
    def claim(self, worker):
        return self.claimed(worker) or multiple()

    def claimed(self, worker):
        position = self.position()
        with self.organization() as conn:
            lease = leases.claim(
                conn,
                self.queue.queue_no,
                worker=worker,
                now_utc=self.now_utc,
                lease_seconds=LEASE_SECONDS,
            )
        assert lease is None or position == "open"
        return lease

    @rule(lease=taken)
    def complete(self, lease):
        self.complete_as_a_worker(lease)

    def complete_as_a_worker(self, lease):
        """Apply, and look for the line when the database refuses."""
        is_held = self.held().get(lease.batch_no) == lease.token
        try:
            with self.organization() as conn:
                completion.complete(conn, lease, self.queue, CUSTOMERS, backoff_seconds=0)
        except LeaseLostError:
            assert not is_held
            return
        except psycopg.errors.RaiseException:
            with self.organization() as conn:
                if not completion.split(conn, lease):
                    completion.give_up(conn, lease, self.queue, code="sql.P0001", message="no")
        assert is_held
        assert self.held().get(lease.batch_no) != lease.token

    @rule(batches=st.integers(1, 3))
    def work(self, batches):
        """A worker that is not disturbed."""
        for _ in range(batches):
            if isinstance(lease := self.claimed("c"), leases.Lease):
                self.complete_as_a_worker(lease)

    @rule()
    def work_to_the_end(self):
        self.now_utc += timedelta(seconds=2 * LEASE_SECONDS)
        while (lease := self.claimed("d")) is not None:
            self.complete_as_a_worker(lease)
        self.finish_if_it_can()

    @rule(lease=taken)
    def release(self, lease):
        with self.organization() as conn:
            completion.release(conn, lease, backoff_seconds=0)

    @rule(wait_seconds=st.sampled_from([1, LEASE_SECONDS + 1]))
    def wait(self, wait_seconds):
        self.now_utc += timedelta(seconds=wait_seconds)

    @rule(numbers=st.sets(st.integers(1, LINES), max_size=2))
    def mend_or_break_the_trigger(self, numbers):
        self.refuse({self.email(n) for n in numbers})

    @rule(name=st.sampled_from(["pause", "resume"]))
    def pause_or_resume(self, name):
        self.act(name)

    @rule(is_mended=st.booleans())
    def retry(self, is_mended):
        if is_mended:
            self.refuse(set())
        self.act("retry")

    # Later than the rest: little is left to be seen of a sync that has ended.
    @precondition(lambda self: self.steps > 6)
    @rule()
    def force_done(self):
        self.act("force_done")

    @precondition(lambda self: self.steps > 6)
    @rule()
    def cancel(self):
        self.act("cancel")

    def act(self, name):
        position, before = self.position(), self.held()
        action = getattr(actions, name)
        try:
            result = action(self.database, str(self.queue.id), by="ann", reason="why")
        except QueueStateError:
            assert name in REFUSED[position]
            return
        except QueueOpenError:
            assert (name, position) == ("retry", "finished")
            assert self.other is not None
            return
        assert name not in REFUSED[position]
        assert result.state == status(self.database, self.queue)["state"]
        if name in ("pause", "resume"):
            assert self.held() == before
        elif name in ("cancel", "force_done"):
            assert self.held() == {}
        again = action(self.database, str(self.queue.id), by="ann")
        assert not again.changed

    @rule()
    def finish(self):
        self.finish_if_it_can()

    def finish_if_it_can(self):
        position = self.position()
        if finish(self.database, self.queue):
            assert position == "open"
            assert not finish(self.database, self.queue)

    @rule()
    def open_another_or_cancel_it(self):
        if self.other is not None:
            actions.cancel(self.database, str(self.other.id), by="ann")
            self.other = None
            return
        other, is_new = open_queue(self.database, self.shop, "customers", settings=queue_settings())
        assert is_new == (self.position() not in ("open", "paused"))
        if is_new:
            begin(self.database, other, run_id=None)
            self.other = other

    @precondition(lambda self: self.other is None and self.position() not in ("open", "paused"))
    @rule(number=st.integers(1, LINES))
    def a_later_sync_applies_a_record(self, number):
        self.refuse(set())
        changed = customer(number, email=self.email(number), first_name="Later")
        apply_records(self.database, self.shop, [changed])

    @invariant()
    def counters_equal_lines(self):
        if not hasattr(self, "queue"):
            return
        self.steps += 1
        assert miscounted_batches(self.database, self.queue) == []
        assert status(self.database, self.queue)["total_count"] == LINES

    @invariant()
    def no_transition_is_made_that_is_not_listed(self):
        made = transitions_seen(self.database)
        self.made.update(made)
        assert made - self.allowed == set()

    def teardown(self):
        if not hasattr(self, "queue"):
            return
        applied = rows(
            self.database,
            "SELECT line_no, count(*) AS n FROM sync_activity WHERE queue_no = %s"
            " AND activity_type IN ('record_created', 'record_updated', 'record_unchanged')"
            " GROUP BY line_no",
            self.queue.queue_no,
        )
        done = status(self.database, self.queue)["done_count"]
        assert [one["n"] for one in applied] == [1] * done
        twice = row(
            self.database,
            "SELECT count(*) AS n, count(DISTINCT email) AS n_emails FROM customer",
        )
        assert twice["n"] == twice["n_emails"]


def test_any_order_of_actions_and_work_makes_only_listed_transitions_and_counts_right(watched):
    machine = type(
        "BoundActionMachine",
        (ActionMachine,),
        {"database": watched, "allowed": allowed_transitions()},
    )
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=400 if IS_FULL else 12,
            stateful_step_count=50 if IS_FULL else 20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_given_every_listed_transition_then_it_can_happen(watched):
    """What no story makes is not listed: the document promises nothing that is not there."""
    shop = make_connection(watched, "acme")
    settled = customer(1, email="free@x.test")

    def act(name, queue):
        getattr(actions, name)(watched, str(queue.id), by="ann")

    for name in ("cancel", "force_done"):
        draft, _ = open_queue(watched, shop, "customers", settings=queue_settings())
        act(name, draft)
        act(name, fill_queue(watched, shop, [customer(1)]))
        held = fill_queue(watched, shop, [customer(1)])
        with watched.organization("acme") as conn:
            leases.claim(conn, held.queue_no, worker="a", lease_seconds=60)
        act(name, held)
    failed, _ = apply_records(watched, shop, [customer(1, email="nobody")])
    act("retry", failed)
    act("force_done", failed)
    partly, _ = apply_records(watched, shop, [settled, customer(2, email="nobody")])
    act("retry", partly)
    upsert(watched, partly, CUSTOMERS, queue_settings())
    act("force_done", partly)
    again, _ = apply_records(watched, shop, [customer(3, email="free@x.test")], max_retries=1)
    act("force_done", again)
    old, _ = apply_records(watched, shop, [customer(4, email="nobody"), customer(5)])
    apply_records(watched, shop, [customer(4)])
    act("retry", old)

    assert transitions_seen(watched) == allowed_transitions()


def test_given_the_document_then_it_lists_the_transitions_of_the_old_contract():
    allowed = allowed_transitions()

    for old, new in (
        ("draft", "processing"),
        ("processing", "done"),
        ("processing", "failed"),
        ("failed", "draft"),
    ):
        assert ("line", old, new) in allowed
    assert not any(old in ("done", "cancelled") for _, old, _ in allowed)
