"""Taking a queue back: what comes back, what is not lost, and what cannot be taken back."""

import pytest

from sync_pipeline.entities import CUSTOMERS, ORDERS, PRODUCTS
from sync_pipeline.queue import actions
from sync_pipeline.queue.conflicts.choosing import Chosen
from sync_pipeline.queue.conflicts.deciding import Decision
from sync_pipeline.queue.conflicts.resolving import resolve
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.queue.revert_preview import preview_revert
from sync_pipeline.queue.reverting import RevertImpossibleError, revert
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    full_order,
    make_connection,
    make_queue,
    order,
    product,
    queue_settings,
    row,
    rows,
    status,
)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


def take_back(database, queue, entity=CUSTOMERS, **changes):
    """Take a queue back to the end; the queue that did."""
    settings = queue_settings(batch_size=2)
    reverting = revert(
        database, find_queue(database, str(queue.id)), by="Mia", settings=settings, **changes
    )
    upsert(database, reverting.queue, entity, settings)
    return find_queue(database, str(reverting.queue.id))


def table(database, name="customer", order="id"):
    """Every row but when it was touched last."""
    found = rows(
        database, f"SELECT to_jsonb(t) - 'updated_at' AS row FROM {name} AS t ORDER BY {order}"
    )
    return [one["row"] for one in found]


def edit(database, assignment, customer_id):
    with database.organization("acme") as conn:
        conn.execute(
            f"UPDATE customer SET {assignment}, updated_at = now() WHERE id = ("
            " SELECT local_id FROM sync_record WHERE entity = 'customers' AND external_id = %s)",
            [str(customer_id)],
        )


def record(database, customer_id=1, entity="customers"):
    return row(
        database, "SELECT * FROM sync_record WHERE entity = %s AND external_id = %s", entity,
        str(customer_id),
    )  # fmt: skip


def conflicts(database):
    return rows(database, "SELECT * FROM sync_conflict WHERE state = 'open' ORDER BY external_id")


def moved_by_two(database, shop):
    """A sync that creates, updates and merges, after one that both sides have edited since."""
    apply_records(database, shop, [customer(1), customer(2), customer(3)])
    edit(database, "phone = '+49 1'", 2)
    before = table(database)
    queue, outcome = apply_records(
        database,
        shop,
        [
            customer(1, last_name="Changed"),
            customer(2, last_name="Changed"),
            customer(3),
            customer(4),
            customer(5),
        ],
    )
    assert (outcome.created, outcome.updated) == (2, 2)
    return before, queue


class TestTakingBack:
    def test_given_a_sync_that_created_updated_and_merged_then_the_table_is_as_before(
        self, database, shop
    ):
        before, queue = moved_by_two(database, shop)

        undone = take_back(database, queue, reason="wrong prices")

        assert table(database) == before
        told = status(database, undone)
        assert (told["state"], told["deleted_count"], told["updated_count"]) == ("done", 2, 2)
        assert record(database, 4)["tombstone_reason"] == "reverted"
        archived = rows(database, "SELECT external_id, contents, restored_at FROM sync_archive")
        assert sorted(one["external_id"] for one in archived) == ["4", "5"]
        (said,) = rows(
            database,
            "SELECT message FROM sync_activity WHERE queue_no = %s AND activity_type = %s",
            queue.queue_no, "queue_reverted",
        )  # fmt: skip
        assert said["message"] == f"Mia takes it back, in queue {undone.id}: wrong prices"

    def test_given_an_undo_when_it_is_undone_then_all_is_as_it_was_synced(self, database, shop):
        _, queue = moved_by_two(database, shop)
        synced = table(database)
        bases = rows(database, "SELECT base FROM sync_record ORDER BY external_id")
        undone = take_back(database, queue)

        again = take_back(database, undone)

        assert table(database) == synced
        assert rows(database, "SELECT base FROM sync_record ORDER BY external_id") == bases
        assert record(database, 4)["tombstoned_at"] is None
        assert all(
            one["restored_at"] for one in rows(database, "SELECT restored_at FROM sync_archive")
        )
        third = take_back(database, again)
        assert status(database, third)["deleted_count"] == 2

    def test_given_an_undo_then_the_next_sync_leaves_it_until_the_record_changes(
        self, database, shop
    ):
        before, queue = moved_by_two(database, shop)
        take_back(database, queue)
        same = [
            customer(1, last_name="Changed"), customer(2, last_name="Changed"), customer(3),
            customer(4), customer(5),
        ]  # fmt: skip

        quiet, _ = apply_records(database, shop, same)

        assert status(database, quiet)["total_count"] == 0
        assert table(database) == before
        same[0] = customer(1, last_name="New")
        same[3] = customer(4, last_name="New")
        apply_records(database, shop, same)
        names = rows(database, "SELECT name FROM customer ORDER BY email")
        assert [one["name"] for one in names] == [
            "Ann New", "Ann Number 2", "Ann Number 3", "Ann New",
        ]  # fmt: skip

    def test_given_the_same_queue_twice_then_it_is_the_same_revert(self, database, shop):
        _, queue = moved_by_two(database, shop)
        first = take_back(database, queue)

        second = revert(
            database, find_queue(database, str(queue.id)), by="Ben", settings=queue_settings()
        )

        assert (second.is_new, second.queue.id) == (False, first.id)

    def test_given_a_queue_that_was_retried_since_then_what_it_did_then_is_taken_back_as_well(
        self, database, shop
    ):
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        kept = table(database)[0]["name"]
        queue, _ = apply_records(
            database, shop, [customer(1), customer(2, email="taken@x.test")], max_retries=0
        )
        first = take_back(database, queue)
        with database.owner() as conn:
            conn.execute("UPDATE customer SET email = 'free@x.test' WHERE email = 'taken@x.test'")
        actions.retry(database, str(queue.id), by="Mia", reason="the e-mail is free")
        upsert(database, find_queue(database, str(queue.id)), CUSTOMERS, queue_settings())
        assert len(table(database)) == 2

        second = take_back(database, queue)

        assert second.id != first.id
        assert status(database, second)["total_count"] == 1
        assert [one["name"] for one in table(database)] == [kept]
        assert take_back(database, queue).id == second.id

    def test_given_a_revert_that_is_not_finished_when_asked_again_then_it_is_that_one(
        self, database, shop
    ):
        """Worked again meanwhile, what is left of the queue has a revert of its own."""
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        queue, _ = apply_records(
            database, shop, [customer(1), customer(2, email="taken@x.test")], max_retries=0
        )
        whole = {"by": "Mia", "settings": queue_settings()}
        first = revert(database, find_queue(database, str(queue.id)), **whole)
        with database.owner() as conn:
            conn.execute("UPDATE customer SET email = 'free@x.test' WHERE email = 'taken@x.test'")
        actions.retry(database, str(queue.id), by="Mia", reason="the e-mail is free")
        upsert(database, find_queue(database, str(queue.id)), CUSTOMERS, queue_settings())

        again = revert(database, find_queue(database, str(queue.id)), **whole)

        assert (again.is_new, again.queue.id) == (False, first.queue.id)
        upsert(database, first.queue, CUSTOMERS, queue_settings())
        rest = take_back(database, queue)
        assert rest.id != first.queue.id
        assert len(table(database)) == 1

    def test_given_an_email_that_went_from_one_to_another_then_it_goes_back(self, database, shop):
        apply_records(database, shop, [customer(1), customer(2)])
        before = table(database)
        apply_records(database, shop, [customer(1, email="new@example.test"), customer(2)])
        _, queue = None, apply_records(
            database, shop,
            [customer(1, email="new@example.test"), customer(2, email="c1@example.test")],
        )[0]  # fmt: skip
        first = row(
            database, "SELECT min(queue_no) + 1 AS queue_no FROM sync_queue"
        )["queue_no"]  # fmt: skip
        moved = row(database, "SELECT id FROM sync_queue WHERE queue_no = %s", first)

        take_back(database, queue)
        take_back(database, find_queue(database, str(moved["id"])))

        assert table(database) == before

    def test_given_an_edit_that_the_sync_overwrote_when_undone_then_it_counts_as_an_edit_again(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        edit(database, "segment = 'by hand'", 1)
        first = record(database)["base"]["segment"]
        queue, _ = apply_records(database, shop, [customer(1)], [order(1, total="9000.00")])
        synced = row(database, "SELECT segment FROM customer")["segment"]
        assert synced not in {first, "by hand"}

        undone = take_back(database, queue)

        assert row(database, "SELECT segment FROM customer")["segment"] == "by hand"
        assert record(database)["base"]["segment"] == first
        take_back(database, take_back(database, undone))
        assert record(database)["base"]["segment"] == first


class TestWhatChangedSince:
    def test_given_fields_edited_since_then_they_stay_as_a_conflict_and_the_rest_goes_back(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(
            database, shop, [customer(1, last_name="Theirs", email="new@example.test")]
        )
        edit(database, "name = 'By Hand'", 1)

        undone = take_back(database, queue)

        ours = row(database, "SELECT name, email FROM customer")
        assert ours == {"name": "By Hand", "email": "c1@example.test"}
        assert status(database, undone)["state"] == "failed"
        (conflict,) = conflicts(database)
        assert conflict["conflict_type"] == "DataMismatch"
        assert conflict["details"]["fields"] == {
            "name": {"base": "Ann Theirs", "ours": "By Hand", "theirs": "Ann Number 1"}
        }

    def test_given_a_created_row_that_was_edited_since_then_it_stays(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(1), customer(2)])
        edit(database, "name = 'By Hand'", 1)

        undone = take_back(database, queue)

        assert [one["name"] for one in table(database)] == ["By Hand"]
        assert status(database, undone)["state"] == "partial"
        (conflict,) = conflicts(database)
        assert conflict["external_id"] == "1"
        assert record(database)["tombstoned_at"] is None

    def test_given_a_later_sync_that_changed_a_record_then_that_is_not_taken_back(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(database, shop, [customer(1, last_name="One")])
        apply_records(database, shop, [customer(1, last_name="Two")])

        take_back(database, queue)

        assert row(database, "SELECT name FROM customer")["name"] == "Ann Two"
        assert conflicts(database)[0]["message"].endswith("left as it is: name")

    def test_given_a_row_that_a_later_sync_made_again_then_it_stays(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(1)])
        with database.organization("acme") as conn:
            conn.execute("DELETE FROM customer")
            conn.execute("UPDATE sync_record SET content_hash = gen_random_uuid()")
        apply_records(database, shop, [customer(1)])
        made_again = table(database)

        undone = take_back(database, queue)

        assert table(database) == made_again
        assert status(database, undone)["unchanged_count"] == 1

    def test_given_a_record_that_came_back_since_when_its_removal_is_undone_then_it_has_one_row(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [customer(1)])
        undone = take_back(database, queue)
        apply_records(database, shop, [customer(1, email="new@example.test")])
        came, known = table(database), record(database)["local_id"]

        shown = preview_revert(database, find_queue(database, str(undone.id)), most=1)
        take_back(database, undone)

        assert shown.counts == {"left": 1}
        assert table(database) == came
        assert record(database)["local_id"] == known

    @pytest.mark.parametrize("last_name", ["Back", "Number 1"])
    def test_given_a_retired_record_that_the_sync_brought_back_then_it_is_retired_again(
        self, database, shop, last_name
    ):
        apply_records(database, shop, [customer(1)])
        with database.organization("acme") as conn:
            conn.execute(
                "UPDATE sync_record SET tombstoned_at = now(), tombstone_reason = 'trashed'"
            )
        before = table(database)
        back = customer(1, last_name=last_name)
        queue, _ = apply_records(database, shop, [back])
        assert record(database)["tombstoned_at"] is None

        undone = take_back(database, queue)

        assert table(database) == before
        assert record(database)["tombstone_reason"] == "reverted"
        quiet, _ = apply_records(database, shop, [back])
        assert status(database, quiet)["total_count"] == 0
        take_back(database, undone)
        assert record(database)["tombstoned_at"] is None
        assert row(database, "SELECT name FROM customer")["name"] == f"Ann {last_name}"

    def test_given_a_conflict_of_an_undo_when_a_later_sync_applies_the_record_then_it_stays_open(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(database, shop, [customer(1, last_name="Theirs")])
        edit(database, "name = 'By Hand'", 1)
        take_back(database, queue)

        apply_records(database, shop, [customer(1, last_name="Theirs", email="new@example.test")])

        ours = row(database, "SELECT name, email FROM customer")
        assert ours == {"name": "By Hand", "email": "new@example.test"}
        (conflict,) = conflicts(database)
        assert conflict["details"]["fields"]["name"]["theirs"] == "Ann Number 1"

    def test_given_an_undo_that_asks_when_it_is_taken_back_then_nobody_is_asked_any_more(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(
            database, shop, [customer(1, last_name="Theirs", email="new@example.test")]
        )
        edit(database, "name = 'By Hand'", 1)
        undone = take_back(database, queue)

        take_back(database, undone)

        ours = row(database, "SELECT name, email FROM customer")
        assert ours == {"name": "By Hand", "email": "new@example.test"}
        assert conflicts(database) == []

    def test_given_an_undo_that_asks_when_its_row_was_made_again_then_nobody_is_asked_any_more(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(database, shop, [customer(1, last_name="Theirs")])
        edit(database, "name = 'By Hand'", 1)
        take_back(database, queue)
        with database.organization("acme") as conn:
            conn.execute("DELETE FROM customer")

        apply_records(database, shop, [customer(1, last_name="New")])

        assert row(database, "SELECT name FROM customer")["name"] == "Ann New"
        assert conflicts(database) == []

    def test_given_an_undo_that_asks_when_edited_back_and_retried_then_nobody_is_asked_any_more(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(database, shop, [customer(1, last_name="Theirs")])
        edit(database, "name = 'By Hand'", 1)
        undone = take_back(database, queue)
        edit(database, "name = 'Ann Theirs'", 1)

        actions.retry(database, str(undone.id), by="Mia", reason="it is as it was")
        upsert(database, find_queue(database, str(undone.id)), CUSTOMERS, queue_settings())

        assert row(database, "SELECT name FROM customer")["name"] == "Ann Number 1"
        assert conflicts(database) == []

    @pytest.mark.parametrize(
        ("verb", "name"), [("source", "Ann Number 1"), ("target", "By Hand"), ("skip", "By Hand")]
    )
    def test_given_a_conflict_of_an_undo_when_decided_after_a_later_sync_then_only_its_field_moves(
        self, database, shop, verb, name
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(
            database, shop, [customer(1, last_name="Theirs", email="first@example.test")]
        )
        edit(database, "name = 'By Hand'", 1)
        take_back(database, queue)
        apply_records(
            database, shop, [customer(1, last_name="Theirs", email="second@example.test")]
        )
        base = record(database)["base"]

        made = resolve(
            database, Chosen(connection="shop"), Decision(verb), by="Mia",
            settings=queue_settings(),
        )  # fmt: skip
        for queue_id in made.queue_ids:
            upsert(database, find_queue(database, str(queue_id)), CUSTOMERS, queue_settings())

        ours = row(database, "SELECT name, email FROM customer")
        assert ours == {"name": name, "email": "second@example.test"}
        assert record(database)["base"] == base
        assert conflicts(database) == []
        apply_records(database, shop, [customer(1, last_name="Theirs", email="third@example.test")])
        ours = row(database, "SELECT name, email FROM customer")
        assert ours == {"name": name, "email": "third@example.test"}


class TestOrders:
    def test_given_orders_then_their_lines_follow(self, database, shop):
        apply_records(database, shop, [full_order(1)], entity=ORDERS)
        lines = table(database, "sales_order_line", "order_id, line_no")
        queue, _ = apply_records(
            database, shop, [full_order(1, line_items=[]), full_order(2)], entity=ORDERS
        )

        take_back(database, queue, ORDERS)

        assert len(table(database, "sales_order")) == 1
        assert table(database, "sales_order_line", "order_id, line_no") == lines

    def test_given_a_customer_that_came_after_its_order_then_that_is_no_edit(self, database, shop):
        queue, _ = apply_records(database, shop, [full_order(1, customer_id=1)], entity=ORDERS)
        apply_records(database, shop, [customer(1)])
        assert row(database, "SELECT customer_id FROM sales_order")["customer_id"]

        undone = take_back(database, queue, ORDERS)

        assert status(database, undone)["state"] == "done"
        assert table(database, "sales_order") == []


class TestReferences:
    def test_given_a_customer_taken_back_then_its_orders_name_none_until_it_is_there_again(
        self, database, shop
    ):
        apply_records(database, shop, [full_order(1, customer_id=1)], entity=ORDERS)
        before = table(database, "sales_order")
        queue, _ = apply_records(database, shop, [customer(1)])
        synced = table(database, "sales_order")
        assert synced[0]["customer_id"]

        undone = take_back(database, queue)

        assert table(database, "sales_order") == before
        apply_records(database, shop, [full_order(1, customer_id=1, number="7")], entity=ORDERS)
        assert table(database, "sales_order")[0]["customer_id"] is None
        take_back(database, undone)
        assert table(database, "sales_order")[0]["customer_id"] == synced[0]["customer_id"]

    def test_given_a_product_taken_back_then_lines_and_variations_let_go_of_it(
        self, database, shop
    ):
        apply_records(database, shop, [full_order(1)], entity=ORDERS)
        lines = "sales_order_line"
        before = table(database, lines, "order_id, line_no")
        queue, _ = apply_records(database, shop, [product(5)], entity=PRODUCTS)
        apply_records(database, shop, [product(51, parent_id=5, type="variation")], entity=PRODUCTS)
        synced = table(database, lines, "order_id, line_no")
        assert synced != before

        undone = take_back(database, queue, PRODUCTS)

        assert table(database, lines, "order_id, line_no") == before
        assert row(database, "SELECT parent_id FROM product")["parent_id"] is None
        take_back(database, undone, PRODUCTS)
        assert table(database, lines, "order_id, line_no") == synced


class TestPreview:
    def test_given_a_preview_then_it_says_what_the_revert_does_and_writes_nothing(
        self, database, shop
    ):
        _, queue = moved_by_two(database, shop)
        edit(database, "name = 'By Hand'", 1)
        synced = table(database)

        shown = preview_revert(database, find_queue(database, str(queue.id)), most=10)

        assert shown.counts == {"disputed": 1, "updated": 1, "removed": 2}
        assert shown.moved == {"name": 1}
        first = shown.records[0]
        assert (first.external_id, first.does, first.moved) == ("1", "disputed", ("name",))
        assert first.fields["name"].left == "Ann Changed"
        assert first.fields["name"].becomes == first.fields["name"].now == "By Hand"
        assert table(database) == synced
        told = status(database, take_back(database, queue))
        done = (told["failed_count"], told["updated_count"], told["deleted_count"])
        assert done == (1, 1, 2)


class TestWhatCannotBeTakenBack:
    def test_given_an_unfinished_queue_then_it_is_refused(self, database, shop):
        queue = fill_queue(database, shop, [customer(1)])

        with pytest.raises(RevertImpossibleError, match="not finished: it stands at apply"):
            take_back(database, queue)

    def test_given_a_queue_that_changed_nothing_then_it_is_refused(self, database, shop):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(database, shop, [customer(1)])

        with pytest.raises(RevertImpossibleError, match="changed nothing of ours"):
            take_back(database, queue)

    def test_given_a_preview_then_it_is_refused(self, database, shop):
        queue = make_queue(database, shop, Filters(preview=True))

        with pytest.raises(RevertImpossibleError, match="is a preview"):
            take_back(database, queue)

    def test_given_a_purged_audit_then_it_is_refused(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(1)])
        with database.owner() as conn:
            conn.execute("SELECT set_config('app.retention', 'on', true)")
            conn.execute("SET LOCAL session_replication_role = replica")
            conn.execute("DELETE FROM sync_activity WHERE queue_no = %s", [queue.queue_no])

        with pytest.raises(RevertImpossibleError, match="holds 0 of its 1 changes"):
            take_back(database, queue)
