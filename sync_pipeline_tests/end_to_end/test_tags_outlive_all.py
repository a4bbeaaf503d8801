"""Any order of a customer's leaving and returning, undos, and tags that a person gives and takes.

A tag of ours stands in our row until a person takes it away, and none comes back by itself.
"""

from contextlib import suppress

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

from sync_pipeline.demo import DemoServer
from sync_pipeline.queue.reverting import RevertImpossibleError
from sync_pipeline_tests.chaos.processes import IS_FULL
from sync_pipeline_tests.factories import customer, make_connection, rows, run_sync, store
from sync_pipeline_tests.undoing import take_back

OURS = st.sampled_from(["vip", "b2b"])
MARK = "deleted-in-woocommerce"
EMAIL = "r{}@example.test"


class TagMachine(RuleBasedStateMachine):
    """One customer that comes and goes, beside one that stays."""

    database = None
    org_id = None
    run_no = 0

    @initialize()
    def begin(self):
        type(self).run_no += 1
        self.email = EMAIL.format(self.run_no)
        self.server = DemoServer(
            store([customer(1, email=self.email), customer(2, email=f"b{self.email}")])
        ).__enter__()
        self.shop = make_connection(
            self.database, self.org_id, f"shop{self.run_no}", base_url=self.server.url
        )
        self.ours, self.away, self.undone = set(), None, True
        self.sync()

    def teardown(self):
        self.server.__exit__(None, None, None)

    @rule()
    def sync(self):
        self.last = run_sync(self.database, self.shop, self.server).queue
        self.undone = False

    @rule(tag=OURS)
    def somebody_gives_a_tag(self, tag):
        self.change("array_append(array_remove(tags, %(tag)s), %(tag)s)", tag)
        if self.tags() is not None:
            self.ours.add(tag)

    @rule(tag=OURS)
    def somebody_takes_a_tag(self, tag):
        self.ours.discard(tag)
        self.change("array_remove(tags, %(tag)s)", tag)

    def change(self, tags, tag):
        with self.database.organization(self.org_id) as conn:
            conn.execute(
                f"UPDATE customer SET tags = {tags}, updated_at = now() WHERE email = %(email)s",
                {"tag": tag, "email": self.email},
            )

    def tags(self):
        """Of the row; None: there is none."""
        found = rows(self.database, "SELECT tags FROM customer WHERE email = %s", self.email)
        return set(found[0]["tags"]) if found else None

    @precondition(lambda self: self.away is None)
    @rule(looks=st.sampled_from([0, 1, 2, 2]))
    def the_customer_leaves(self, looks):
        self.away = dict(self.server.store.customer(1))
        self.server.store.delete_customer(1)
        for _ in range(looks):
            self.sync()

    @precondition(lambda self: self.away is not None)
    @rule(first_name=st.sampled_from(["Ann", "Bea"]))
    def the_customer_returns(self, first_name):
        self.server.store.put_customer(self.away | {"first_name": first_name})
        self.away = None
        self.sync()
        assert MARK not in (self.tags() or set())

    @precondition(lambda self: not self.undone)
    @rule()
    def the_last_sync_is_taken_back(self):
        self.undone = True
        # Of one that changed nothing there is nothing to take back.
        with suppress(RevertImpossibleError):
            self.last = take_back(self.database, self.last)
            self.undone = False

    @invariant()
    def tags_of_ours_are_there_and_no_others(self):
        assert (self.tags() or set()) - {"woocommerce", MARK} == self.ours


@pytest.mark.timeout(3600 if IS_FULL else 300)
def test_any_order_of_leaving_returning_and_undoing_keeps_the_tags_that_people_gave(
    database, org_id
):
    TagMachine.database, TagMachine.org_id = database, org_id
    run_state_machine_as_test(
        TagMachine,
        settings=settings(
            max_examples=60 if IS_FULL else 4,
            stateful_step_count=20 if IS_FULL else 12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
