"""Lines follow their order, whoever writes it; references that come late are filled in."""

import psycopg
import pytest

from sync_pipeline.entities.references import Filled, fill_references
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.entities.woocommerce_products import PRODUCTS
from sync_pipeline.postgres.statements import statement
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    full_order,
    line_item,
    make_connection,
    product,
    row,
    rows,
)


@pytest.fixture
def connection(database, org_id):
    return make_connection(database, org_id)


def lines(database):
    found = rows(
        database,
        "SELECT o.external_id AS o, l.line_no, l.kind, l.external_id, l.total::text AS total"
        " FROM sales_order_line AS l JOIN sales_order AS o ON o.id = l.order_id"
        " ORDER BY o.external_id, l.line_no",
    )
    return [tuple(one.values()) for one in found]


class TestLines:
    def test_given_new_orders_then_their_lines(self, database, connection):
        apply_records(database, connection, [full_order(1), full_order(2)], entity=ORDERS)

        assert lines(database) == [
            ("1", 1, "line", "10", "10.00"),
            ("1", 2, "shipping", "11", "2.50"),
            ("2", 1, "line", "20", "10.00"),
            ("2", 2, "shipping", "21", "2.50"),
        ]

    def test_given_an_edited_order_then_its_lines_are_made_anew_and_no_others(
        self, database, connection
    ):
        apply_records(database, connection, [full_order(1), full_order(2)], entity=ORDERS)
        places = "SELECT l.ctid::text AS place FROM sales_order_line AS l JOIN sales_order AS o"
        of_the_other = f"{places} ON o.id = l.order_id WHERE o.external_id = '2' ORDER BY line_no"
        before = rows(database, of_the_other)

        apply_records(
            database,
            connection,
            [
                full_order(1, line_items=[line_item(10), line_item(12, total="4.00")]),
                full_order(2, status="completed"),
            ],
            entity=ORDERS,
        )

        assert lines(database)[:3] == [
            ("1", 1, "line", "10", "10.00"),
            ("1", 2, "line", "12", "4.00"),
            ("1", 3, "shipping", "11", "2.50"),
        ]
        assert rows(database, of_the_other) == before

    def test_given_an_order_that_lost_everything_then_it_has_no_lines(self, database, connection):
        apply_records(database, connection, [full_order(1)], entity=ORDERS)

        apply_records(
            database, connection, [full_order(1, line_items=[], shipping_lines=[])], entity=ORDERS
        )

        assert lines(database) == []

    def test_given_an_order_deleted_by_hand_then_its_lines_go_with_it(self, database, connection):
        apply_records(database, connection, [full_order(1), full_order(2)], entity=ORDERS)

        with database.owner() as conn:
            conn.execute("DELETE FROM sales_order WHERE external_id = '1'")

        assert {order for order, *_ in lines(database)} == {"2"}

    def test_given_the_same_item_twice_then_both_lines(self, database, connection):
        twice = [line_item(10), line_item(10)]

        apply_records(
            database,
            connection,
            [full_order(1, line_items=twice, shipping_lines=[])],
            entity=ORDERS,
        )

        assert [line[1:4] for line in lines(database)] == [(1, "line", "10"), (2, "line", "10")]

    @pytest.mark.parametrize(
        "attempt",
        [
            "INSERT INTO sales_order_line (order_id, line_no, org_id, kind)"
            " VALUES (gen_random_uuid(), 1, 'acme', 'line')",
            "UPDATE sales_order_line SET total = 0",
            "DELETE FROM sales_order_line",
        ],
    )
    def test_given_the_worker_itself_then_it_may_not_write_a_line(self, database, org_id, attempt):
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            database.organization(org_id) as conn,
        ):
            conn.execute(attempt)


class TestReferences:
    def test_given_products_that_were_there_then_lines_name_them_at_once(
        self, database, connection
    ):
        apply_records(database, connection, [product(5), product(6)], entity=PRODUCTS)

        apply_records(
            database,
            connection,
            [full_order(1, line_items=[line_item(1, product_id=5, variation_id=6)])],
            entity=ORDERS,
        )

        assert named(database) == [("5", "6")]

    def test_given_what_came_late_then_it_is_filled_in_once(self, database, connection):
        apply_records(
            database,
            connection,
            [
                full_order(1, customer_id=4, line_items=[line_item(1, variation_id=6)]),
                full_order(2, line_items=[line_item(2, product_id=99)]),
            ],
            entity=ORDERS,
        )
        assert named(database) == []
        apply_records(database, connection, [product(5)], entity=PRODUCTS)
        apply_records(database, connection, [customer(4)])

        apply_records(database, connection, [product(6)], entity=PRODUCTS)

        assert [
            one["details"]
            for one in rows(
                database,
                "SELECT details FROM sync_activity WHERE activity_type = 'references_filled'"
                # Connections take numbers by the hundred: only the time tells the order.
                " ORDER BY created_at",
            )
        ] == [
            {"customers": 0, "products": 1, "parents": 0},
            {"customers": 1, "products": 0, "parents": 0},
            {"customers": 0, "products": 1, "parents": 0},
        ]
        assert filled(database, connection) == Filled(customers=0, products=0, parents=0)
        assert named(database) == [("5", "6")]
        assert row(
            database,
            "SELECT o.external_id, c.email FROM sales_order AS o"
            " JOIN customer AS c ON c.id = o.customer_id",
        ) == {"external_id": "1", "email": "c4@example.test"}

    def test_given_another_store_with_the_same_ids_then_nothing_of_it_is_taken(
        self, database, org_id, connection
    ):
        other = make_connection(database, org_id, name="other")
        apply_records(database, other, [product(5)], entity=PRODUCTS)
        apply_records(database, other, [customer(4)])

        apply_records(database, connection, [full_order(1, customer_id=4)], entity=ORDERS)

        assert filled(database, connection) == Filled(customers=0, products=0, parents=0)
        assert filled(database, other) == Filled(customers=0, products=0, parents=0)

    def test_given_many_resolved_rows_then_only_the_open_ones_are_read(self, database, connection):
        orders = [full_order(n, customer_id=4) for n in range(1, 400)]
        apply_records(database, connection, [product(5)], entity=PRODUCTS)
        apply_records(database, connection, [customer(4)])
        apply_records(database, connection, orders, entity=ORDERS)
        with database.owner() as conn:
            conn.execute("ANALYZE sales_order, sales_order_line")

        plans = [plan(database, connection, name) for name in ("customers", "products")]

        assert "sales_order_unresolved_idx" in plans[0]
        assert "sales_order_line_unresolved_idx" in plans[1]


def filled(database, connection):
    with database.organization("acme") as conn:
        return fill_references(conn, connection.connection_id)


def named(database):
    found = rows(
        database,
        "SELECT p.external_id AS product, v.external_id AS variation FROM sales_order_line AS l"
        " JOIN product AS p ON p.id = l.product_id LEFT JOIN product AS v ON v.id = l.variation_id",
    )
    return [tuple(one.values()) for one in found]


def plan(database, connection, name):
    with database.organization("acme") as conn:
        found = conn.execute(
            "EXPLAIN " + statement(f"references/{name}"),
            {"connection_id": connection.connection_id},
        ).fetchall()
    return "\n".join(one["QUERY PLAN"] for one in found)
