"""Taking a sync back where others have a say in its rows: another store, a person, the company."""

import pytest

from sync_pipeline.entities import CUSTOMERS, ORDERS
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.verification import verify
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    full_order,
    make_connection,
    row,
    rows,
    status,
)
from sync_pipeline_tests.queue.conflicts.conftest import conflicts
from sync_pipeline_tests.undoing import take_back


class TestTwoStores:
    @pytest.mark.parametrize("its_id", [5, 7])
    def test_given_a_row_that_another_store_has_too_then_it_stays_and_the_record_is_retired(
        self, database, org_id, its_id
    ):
        one, other = (make_connection(database, org_id, name) for name in ("one", "other"))
        created, _ = apply_records(database, one, [customer(5)])
        apply_records(
            database, other, [customer(its_id, email="c5@example.test", first_name="Bob")]
        )

        take_back(database, created)

        assert row(database, "SELECT count(*) AS n FROM customer")["n"] == 1
        assert rows(
            database, "SELECT tombstone_reason FROM sync_record ORDER BY connection_id"
        ) == [{"tombstone_reason": "reverted"}, {"tombstone_reason": None}]
        assert conflicts(database) == []


class TestReferences:
    def test_given_a_customer_that_a_person_chose_then_it_stays_and_is_a_question(
        self, database, org_id
    ):
        shop = make_connection(database, org_id)
        apply_records(database, shop, [customer(n) for n in (1, 2, 3)])
        apply_records(database, shop, [full_order(1, customer_id=1)], entity=ORDERS)
        moved = full_order(1, customer_id=2, date_modified_gmt="2026-02-04T00:00:00")
        queue, _ = apply_records(database, shop, [moved], entity=ORDERS)
        with database.organization(org_id) as conn:
            conn.execute(
                "UPDATE sales_order SET customer_id = (SELECT local_id FROM sync_record"
                " WHERE entity = 'customers' AND external_id = '3')"
            )

        take_back(database, queue, ORDERS)

        assert rows(
            database,
            "SELECT r.external_id FROM sales_order AS o"
            " JOIN sync_record AS r ON r.local_id = o.customer_id",
        ) == [{"external_id": "3"}]
        (asked,) = conflicts(database)
        assert list(asked["details"]["fields"]) == ["customer_id"]

    def test_given_a_customer_that_was_taken_back_before_then_the_order_is_no_question(
        self, database, org_id
    ):
        shop = make_connection(database, org_id)
        apply_records(database, shop, [customer(1)])
        second, _ = apply_records(database, shop, [customer(2)])
        apply_records(database, shop, [full_order(1, customer_id=1)], entity=ORDERS)
        moved = full_order(1, customer_id=2, date_modified_gmt="2026-02-04T00:00:00")
        queue, _ = apply_records(database, shop, [moved], entity=ORDERS)
        take_back(database, second)

        take_back(database, queue, ORDERS)

        assert conflicts(database) == []
        assert rows(
            database,
            "SELECT r.external_id FROM sales_order AS o"
            " JOIN sync_record AS r ON r.local_id = o.customer_id",
        ) == [{"external_id": "1"}]

    def test_given_orders_whose_customer_was_taken_back_then_nobody_is_said_to_have_edited_them(
        self, database, org_id
    ):
        shop = make_connection(database, org_id)
        customers, _ = apply_records(database, shop, [customer(1)])
        apply_records(database, shop, [full_order(1, customer_id=1)], entity=ORDERS)

        take_back(database, customers)

        assert row(database, "SELECT customer_id FROM sales_order")["customer_id"] is None
        proof = verify(database, shop, ORDERS)
        assert (proof.agree, proof.counts) == (True, {})


class TestProof:
    @pytest.fixture
    def shop(self, database, org_id):
        return make_connection(database, org_id)

    def sync(self, database, shop, **changes):
        queue, _ = apply_records(database, shop, [customer(1, **changes), customer(2)])
        reconcile(database, queue, CUSTOMERS)
        return queue

    def test_given_an_update_that_was_taken_back_then_its_record_is_not_called_equal(
        self, database, shop
    ):
        self.sync(database, shop)
        changed = self.sync(database, shop, first_name="Changed")

        take_back(database, changed)
        unchanged = self.sync(database, shop, first_name="Changed")

        assert verify(database, shop, CUSTOMERS).set_aside == {"reverted": 1}
        certificate = status(database, unchanged)["certificate"]
        assert (certificate["set_aside"], certificate["ours_count"]) == ({"reverted": 1}, 1)

    def test_given_that_the_undo_is_taken_back_or_the_record_changes_then_it_is_compared_again(
        self, database, shop
    ):
        self.sync(database, shop)
        undone = take_back(database, self.sync(database, shop, first_name="Changed"))
        take_back(database, undone)
        assert verify(database, shop, CUSTOMERS).set_aside == {}

        take_back(database, self.sync(database, shop, first_name="Again"))
        assert verify(database, shop, CUSTOMERS).set_aside == {"reverted": 1}
        self.sync(database, shop, first_name="Once more")
        assert verify(database, shop, CUSTOMERS).set_aside == {}
