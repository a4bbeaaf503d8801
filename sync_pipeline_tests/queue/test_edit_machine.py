"""Any order of edits on both sides, syncs and crashes, held against a plain model of both sides.

No edit is ever lost silently: what a person typed stands in our row, or is shown in an open
conflict, or went by a rule or a decision that the model knows.
"""

from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.types.json import Jsonb

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.chaos.processes import IS_FULL
from sync_pipeline_tests.factories import (
    customer,
    fill_queue,
    make_connection,
    queue_settings,
    rows,
    status,
)

CUSTOMER_IDS = (1, 2, 3)
FIELDS = ("name", "phone")
NAMES = st.sampled_from(["Ann", "Bea", "Cem"])


class CrashError(Exception):
    """The process dies after a batch."""


@dataclass
class Sides:
    """One record: what the store says, what we hold, and what was last applied."""

    theirs: dict
    ours: dict | None = None
    base: dict | None = None
    disputed: set = field(default_factory=set)

    def sync(self, policies):
        """What a sync makes of it, by the words of the documentation."""
        if self.theirs == self.base:
            self.disputed = set()
            return
        if self.ours is None:
            self.ours = dict(self.theirs)
        else:
            merged, self.disputed = dict(self.ours), set()
            for name in FIELDS:
                self._merge(name, merged, policies.get(name, "manual"))
            if self.disputed:
                return
            self.ours = merged
        self.base = dict(self.theirs)

    def _merge(self, name, merged, policy):
        base, ours, theirs = (one[name] for one in (self.base, self.ours, self.theirs))
        if theirs in (ours, base):
            return
        if ours == base or policy == "source_wins":
            merged[name] = theirs
        elif policy == "manual":
            self.disputed.add(name)


class EditMachine(RuleBasedStateMachine):
    """Three customers, two fields that both sides edit."""

    database = None
    org_id = None
    run_no = 0

    @initialize()
    def begin(self):
        type(self).run_no += 1
        self.shop = make_connection(self.database, self.org_id, name=f"shop{self.run_no}")
        self.sides = {n: Sides({"name": "Ann", "phone": "1"}) for n in CUSTOMER_IDS}
        self.policies = {}

    def email(self, n):
        return f"r{self.run_no}c{n}@example.test"

    def record(self, n):
        theirs = self.sides[n].theirs
        billing = customer()["billing"] | {"phone": theirs["phone"]}
        names = {"first_name": theirs["name"], "last_name": ""}
        return customer(n, email=self.email(n), billing=billing, **names)

    @rule(n=st.sampled_from(CUSTOMER_IDS), name=st.sampled_from(FIELDS), value=NAMES)
    def somebody_edits_there(self, n, name, value):
        self.sides[n].theirs[name] = value

    @rule(n=st.sampled_from(CUSTOMER_IDS), name=st.sampled_from(FIELDS), value=NAMES)
    def somebody_edits_here(self, n, name, value):
        if self.sides[n].ours is None:
            return
        self.sides[n].ours[name] = value
        with self.database.organization(self.org_id) as conn:
            conn.execute(
                f"UPDATE customer SET {name} = %s WHERE email = %s",
                [value, self.email(n)],
            )

    @rule(
        name=st.sampled_from(FIELDS),
        policy=st.sampled_from(["manual", "source_wins", "target_wins"]),
    )
    def somebody_says_who_wins(self, name, policy):
        self.policies[name] = policy
        with self.database.organization(self.org_id) as conn:
            conn.execute(
                "UPDATE sync_connection SET options = %s WHERE connection_id = %s",
                [Jsonb({"policies": {"customers": self.policies}}), self.shop.connection_id],
            )

    @rule(batches=st.sampled_from([None, None, 1, 2]))
    def sync(self, batches):
        """To the end, or with a crash after some batches and another start."""
        records = [self.record(n) for n in CUSTOMER_IDS]
        queue = fill_queue(self.database, self.shop, records, batch_size=1)
        if batches is not None:
            self.crash_after(queue, batches)
        upsert(self.database, queue, CUSTOMERS, queue_settings())
        for sides in self.sides.values():
            sides.sync(self.policies)
        failed = sum(bool(one.disputed) for one in self.sides.values())
        assert status(self.database, queue)["failed_count"] == failed

    def crash_after(self, queue, batches):
        done = iter(range(batches - 1))

        def on_batch(_):
            if next(done, None) is None:
                raise CrashError

        with suppress(CrashError):
            upsert(self.database, queue, CUSTOMERS, queue_settings(workers=1), on_batch)

    @precondition(lambda self: hasattr(self, "sides"))
    @invariant()
    def our_rows_are_what_the_rules_say(self):
        found = rows(
            self.database,
            "SELECT r.external_id, c.name, c.phone FROM sync_record AS r"
            " JOIN customer AS c ON c.id = r.local_id WHERE r.connection_id = %s",
            self.shop.connection_id,
        )
        held = {int(one.pop("external_id")): one for one in found}
        assert held == {n: one.ours for n, one in self.sides.items() if one.ours is not None}

    @precondition(lambda self: hasattr(self, "sides"))
    @invariant()
    def what_nobody_can_tell_is_shown(self):
        found = rows(
            self.database,
            "SELECT external_id, details FROM sync_conflict"
            " WHERE connection_id = %s AND state = 'open'",
            self.shop.connection_id,
        )
        shown = {int(one["external_id"]): set(one["details"]["fields"]) for one in found}
        assert shown == {n: one.disputed for n, one in self.sides.items() if one.disputed}


@pytest.fixture
def machine(database, org_id):
    return type("BoundEditMachine", (EditMachine,), {"database": database, "org_id": org_id})


def test_any_order_of_edits_and_syncs_loses_no_edit_silently(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=400 if IS_FULL else 12,
            stateful_step_count=30 if IS_FULL else 12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
