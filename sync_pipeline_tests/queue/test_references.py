"""Rows that name others: filled in late, let go when the store names another, made again."""

import pytest

from sync_pipeline.entities import ORDERS, PRODUCTS
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    full_order,
    make_connection,
    product,
    row,
    rows,
)

CUSTOMER_OF_ORDER = """
    SELECT o.customer_external_id, r.external_id AS points_at FROM sales_order AS o
    LEFT JOIN sync_record AS r ON r.local_id = o.customer_id AND r.entity = 'customers'
"""


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


def order_of(customer_id, day):
    return full_order(1, customer_id=customer_id, date_modified_gmt=f"2026-02-{day:02d}T00:00:00")


class TestFilledInLate:
    def test_given_the_store_names_another_who_is_not_here_then_the_former_is_let_go(
        self, database, shop
    ):
        apply_records(database, shop, [order_of(3, 1)], entity=ORDERS)
        apply_records(database, shop, [customer(3)])
        assert row(database, CUSTOMER_OF_ORDER)["points_at"] == "3"

        apply_records(database, shop, [order_of(9, 2)], entity=ORDERS)
        assert row(database, CUSTOMER_OF_ORDER) == {"customer_external_id": "9", "points_at": None}
        apply_records(database, shop, [customer(3), customer(9)])

        assert row(database, CUSTOMER_OF_ORDER)["points_at"] == "9"

    def test_given_it_is_filled_in_then_nobody_is_said_to_have_touched_the_row(
        self, database, shop
    ):
        apply_records(database, shop, [order_of(3, 1)], entity=ORDERS)
        touched = row(database, "SELECT updated_at FROM sales_order")

        apply_records(database, shop, [customer(3)])

        assert row(database, CUSTOMER_OF_ORDER)["points_at"] == "3"
        assert row(database, "SELECT updated_at FROM sales_order") == touched

    def test_given_an_order_becomes_a_guests_then_it_names_nobody(self, database, shop):
        apply_records(database, shop, [order_of(3, 1)], entity=ORDERS)
        apply_records(database, shop, [customer(3)])

        apply_records(database, shop, [order_of(0, 2)], entity=ORDERS)

        assert row(database, CUSTOMER_OF_ORDER) == {"customer_external_id": None, "points_at": None}

    def test_given_a_customer_that_a_person_chose_when_the_order_changes_then_it_stays(
        self, database, shop
    ):
        apply_records(database, shop, [customer(3)])
        apply_records(database, shop, [order_of(0, 1)], entity=ORDERS)
        with database.organization("acme") as conn:
            conn.execute("UPDATE sales_order SET customer_id = (SELECT id FROM customer)")

        apply_records(database, shop, [order_of(0, 2)], entity=ORDERS)

        assert row(database, CUSTOMER_OF_ORDER)["points_at"] == "3"


class TestMadeAgain:
    def test_given_rows_deleted_by_hand_when_made_again_then_they_have_their_keys(
        self, database, shop
    ):
        def keys():
            return [rows(database, f"SELECT id FROM {name}") for name in ("customer", "product")]

        apply_records(database, shop, [customer(3)])
        apply_records(database, shop, [product(7)], entity=PRODUCTS)
        before = keys()
        with database.organization("acme") as conn:
            conn.execute("DELETE FROM customer")
            conn.execute("DELETE FROM product")

        apply_records(database, shop, [customer(3, first_name="Again")], max_retries=1)
        apply_records(database, shop, [product(7, name="Again")], entity=PRODUCTS, max_retries=1)

        assert keys() == before
