"""Taking everything back in reverse order gives back the start, and every edit made since."""

from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.queue.reverting import revert
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.chaos.processes import IS_FULL
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    queue_settings,
    row,
    rows,
    status,
)

IDS = (1, 2, 3, 4)
FIRST_IDS = (1, 2)
FIELDS = ("name", "phone", "segment")
NUMBERS = count()

RECORD = st.fixed_dictionaries(
    {"last_name": st.sampled_from(["A", "B", "C"]), "phone": st.sampled_from(["", "1", "2"])}
)
SYNC = st.dictionaries(st.sampled_from(IDS), RECORD, max_size=4)
EDIT = st.none() | st.tuples(st.sampled_from(FIRST_IDS), st.sampled_from(FIELDS))
STEP = st.tuples(SYNC, EDIT)
POLICIES = st.dictionaries(
    st.sampled_from(("name", "phone")), st.sampled_from(["source_wins", "target_wins", "manual"])
)
SETTINGS = settings(
    max_examples=100 if IS_FULL else 3, deadline=None, suppress_health_check=list(HealthCheck)
)


class World:
    """One shop of the shared database, with its first two customers synced and at rest."""

    def __init__(self, database, policies):
        self.database, self.number = database, next(NUMBERS)
        name = f"shop{self.number}"
        options = {"policies": {"customers": policies}}
        # Of a field that stays ours nothing was changed, so nothing of it is taken back.
        self.kept = [name for name, policy in policies.items() if policy == "target_wins"]
        self.shop = make_connection(database, name=name, options=options)
        self.edits = {}
        self.sync({n: {"last_name": "A", "phone": ""} for n in FIRST_IDS})

    def sync(self, changes):
        records = [
            customer(
                n, email=self.email(n), last_name=one["last_name"],
                billing=customer(n)["billing"] | {"phone": one["phone"]},
            )
            for n, one in sorted(changes.items())
        ]  # fmt: skip
        queue, _ = apply_records(self.database, self.shop, records, batch_size=2)
        return queue

    def edit(self, customer_id, field):
        value = f"edit {next(NUMBERS)}"
        self.edits[customer_id, field] = value
        with self.database.organization("acme") as conn:
            conn.execute(
                f"UPDATE customer SET {field} = %s WHERE email = %s",
                [value, self.email(customer_id)],
            )

    def take_back(self, queue):
        told = status(self.database, queue)
        if not told["created_count"] + told["updated_count"] + told["deleted_count"]:
            return None
        again = find_queue(self.database, str(queue.id))
        undone = revert(self.database, again, by="Mia", settings=queue_settings(batch_size=2))
        upsert(self.database, undone.queue, CUSTOMERS, queue_settings())
        return undone.queue

    def email(self, customer_id):
        return f"w{self.number}c{customer_id}@example.test"

    def table(self):
        found = rows(
            self.database,
            "SELECT to_jsonb(c) - 'updated_at' AS row, r.base - %s::text[] AS base"
            " FROM customer AS c"
            " LEFT JOIN sync_record AS r ON r.local_id = c.id AND r.tombstoned_at IS NULL"
            " WHERE c.email LIKE %s ORDER BY c.id",
            self.kept, f"w{self.number}c%",
        )  # fmt: skip
        return [(one["row"], one["base"]) for one in found]


@SETTINGS
@given(syncs=st.lists(SYNC, min_size=1, max_size=4), policies=POLICIES)
def test_given_any_syncs_when_all_are_taken_back_then_rows_and_bases_are_as_at_the_start(
    database, org_id, syncs, policies
):
    world = World(database, policies)
    world.edit(1, "phone")
    start = world.table()
    queues = [world.sync(changes) for changes in syncs]
    synced = world.table()

    undone = [queue for queue in map(world.take_back, reversed(queues)) if queue is not None]

    assert world.table() == start
    for queue in reversed(undone):
        world.take_back(queue)
    assert world.table() == synced


@SETTINGS
@given(steps=st.lists(STEP, min_size=1, max_size=3), policies=POLICIES)
def test_given_edits_between_syncs_when_all_are_taken_back_then_each_field_is_edited_or_as_before(
    database, org_id, steps, policies
):
    world = World(database, policies)
    start = {row["email"]: row for row, _ in world.table()}
    queues = []
    for changes, edit in steps:
        queues.append(world.sync(changes))
        if edit is not None:
            world.edit(*edit)

    for queue in reversed(queues):
        world.take_back(queue)

    for customer_id in FIRST_IDS:
        held = row(
            database,
            "SELECT name, phone, segment FROM customer WHERE email = %s",
            world.email(customer_id),
        )
        first = start[world.email(customer_id)]
        wanted = {name: world.edits.get((customer_id, name), first[name]) for name in FIELDS}
        assert held == wanted
