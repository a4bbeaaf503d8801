"""Any order of edits on both sides, syncs, decisions, undos and crashes, against a plain model.

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
from sync_pipeline.queue.conflicts.choosing import Chosen
from sync_pipeline.queue.conflicts.deciding import Decision
from sync_pipeline.queue.conflicts.resolving import resolve
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.queue.reverting import revert
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
from sync_pipeline_tests.previewing import preview_records, told

CUSTOMER_IDS = (1, 2, 3)
FIELDS = ("name", "phone")
NAMES = st.sampled_from(["Ann", "Bea", "Cem"])


class CrashError(Exception):
    """The process dies after a batch."""


@dataclass
class Sides:
    """One record: what the store says, what we hold, and what they last agreed on.

    Attributes:
        seen: what the store said when a sync took it, or a person looked past it.
        shown: what the store said when the dispute was shown.
        disputed: fields that wait for a person, and whether an undo asks instead of a sync, of the
            whole row or of fields.
        former: what these held before, if an undo asks.
        did: what the last sync did: fields with what they held before and after, and the base.
    """

    theirs: dict
    ours: dict | None = None
    base: dict | None = None
    seen: dict | None = None
    shown: dict | None = None
    disputed: set = field(default_factory=set)
    is_by_undo: bool = False
    is_of_whole: bool = False
    former: dict = field(default_factory=dict)
    did: tuple | None = None

    def sync(self, policies):
        """What a sync makes of it, by the words of the documentation."""
        self.did = None
        if self.theirs == self.seen and (not self.disputed or self.is_by_undo):
            return
        before = self.ours
        if before is None:
            self.ours = dict(self.theirs)
        else:
            merged, disputed = self.merged(self.theirs, policies)
            if disputed:
                self.disputed, self.is_by_undo, self.shown = disputed, False, dict(self.theirs)
                return
            self.ours = merged
        if not self.is_by_undo or self.is_of_whole:
            self.disputed, self.is_by_undo = set(), False
        if before != self.ours:
            self.did = (before, dict(self.ours), self.base)
        self.base, self.seen = dict(self.theirs), dict(self.theirs)

    def merged(self, theirs, policies):
        """Field by field, and those that nobody can tell; these stay as they are here."""
        merged, disputed = dict(self.ours), set()
        for name in FIELDS:
            base, ours = self.base[name], self.ours[name]
            policy = policies.get(name, "manual")
            if theirs[name] in (ours, base):
                continue
            if ours == base or policy == "source_wins":
                merged[name] = theirs[name]
            elif policy == "manual":
                disputed.add(name)
        return merged, disputed

    def resolve(self, takes_theirs, policies):
        """What a person's decision makes of what was shown."""
        merged, disputed = self.merged(self.shown, policies)
        if takes_theirs:
            merged |= {name: self.shown[name] for name in disputed}
        self.ours, self.disputed = merged, set()
        self.base, self.seen = dict(self.shown), dict(self.shown)

    def skip(self):
        """Both sides stay as they are until the store says something else."""
        self.disputed, self.seen = set(), dict(self.shown)

    def answer(self, takes_former):
        """What a person's decision about an undo makes of it: an edit here, or none."""
        if takes_former:
            self.ours |= self.former
        self.disputed, self.is_by_undo = set(), False

    def undo(self):
        """What taking the last sync back makes of it."""
        before, after, base = self.did
        self.did = None
        if before is None:
            moved = {name for name in FIELDS if self.ours[name] != after[name]}
            if not moved:
                self.ours = None
        else:
            changed = {name for name in FIELDS if before[name] != after[name]}
            moved = {name for name in changed if self.ours[name] not in (before[name], after[name])}
            for name in changed - moved:
                self.ours[name] = before[name]
                self.base[name] = base[name]
        if moved:
            self.disputed, self.is_by_undo, self.is_of_whole = moved, True, before is None
            self.former = {name: before[name] for name in moved if before is not None}


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

    @rule(batches=st.sampled_from([None, None, 1, 2]), is_previewed=st.booleans())
    def sync(self, batches, is_previewed):
        """To the end, or with a crash after some batches and another start."""
        records = [self.record(n) for n in CUSTOMER_IDS]
        preview = None
        if is_previewed:
            preview = preview_records(self.database, self.shop, records, batch_size=1)
        self.last = fill_queue(self.database, self.shop, records, batch_size=1)
        self.work(self.last, batches)
        for sides in self.sides.values():
            sides.sync(self.policies)
        failed = sum(bool(one.disputed and not one.is_by_undo) for one in self.sides.values())
        assert status(self.database, self.last)["failed_count"] == failed
        if preview is not None:
            shown = told(self.database, preview, "preview")
            assert shown == told(self.database, self.last, "record")

    @rule(
        n=st.sampled_from(CUSTOMER_IDS),
        verb=st.sampled_from(["source", "target", "skip"]),
        batches=st.sampled_from([None, 1]),
    )
    def somebody_decides(self, n, verb, batches):
        sides = self.sides[n]
        if not sides.disputed or (sides.is_by_undo and sides.is_of_whole):
            return
        chosen = Chosen(connection=self.shop.name, entity="customers", external_id=str(n))
        made = resolve(self.database, chosen, Decision(verb), by="Mia", settings=queue_settings())
        for queue_id in made.queue_ids:
            self.work(find_queue(self.database, str(queue_id)), batches)
        if sides.is_by_undo:
            sides.answer(verb == "source")
        elif verb == "skip":
            sides.skip()
        else:
            sides.resolve(verb == "source", self.policies)

    @rule(batches=st.sampled_from([None, 1, 2]))
    def somebody_takes_the_last_sync_back(self, batches):
        undone = [one for one in self.sides.values() if one.did is not None]
        if not undone:
            return
        made = revert(self.database, self.last, by="Mia", settings=queue_settings(batch_size=1))
        self.work(made.queue, batches)
        for sides in undone:
            sides.undo()

    def work(self, queue, batches):
        if batches is not None:
            self.crash_after(queue, batches)
        upsert(self.database, queue, CUSTOMERS, queue_settings())

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
            " JOIN customer AS c ON c.id = r.local_id"
            " WHERE r.connection_id = %s AND r.tombstoned_at IS NULL",
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


def test_any_order_of_edits_syncs_decisions_and_undos_loses_no_edit_silently(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=120 if IS_FULL else 7,
            stateful_step_count=30 if IS_FULL else 12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
