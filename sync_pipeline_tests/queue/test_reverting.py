"""Taking a queue back: what comes back, what is not lost, and what cannot be taken back."""

import pytest

from sync_pipeline.entities import ORDERS, PRODUCTS
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.queue.revert_preview import preview_revert
from sync_pipeline.queue.reverting import RevertImpossibleError
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    full_order,
    make_connection,
    make_queue,
    order,
    product,
    row,
    rows,
    status,
)
from sync_pipeline_tests.undoing import conflicts, edit, record, table, take_back


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


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
