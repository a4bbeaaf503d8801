"""What applying orders is compared with: one INSERT … SELECT of orders and their lines.

Belongs here: the twins of both tables and the statement on them. Does not: measuring (orders.py).
"""

import secrets
import time

from psycopg import sql

from benchmarks.baselines import own_sql
from benchmarks.landing import ORDERS_PER_CUSTOMER, ORGANIZATION, QUEUE_NO
from benchmarks.throwaway import Connection
from sync_pipeline.demo.made_customers import FIRST_CUSTOMER_ID
from sync_pipeline.demo.made_products import PRODUCTS_SOLD, made_products
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.postgres.ranges import range_of, table_of
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.completion import time_ordered_prefix

_TWINS = {"sales_order": "bench_order", "sales_order_line": "bench_order_line"}
_CONNECTION_ID = 1


def make_tables(connection: Connection) -> None:
    """Tables shaped and indexed like those of orders; without triggers and row-level security."""
    for original, twin in _TWINS.items():
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                sql.Identifier(twin), sql.Identifier(original)
            )
        )


def empty_tables(connection: Connection) -> None:
    """Empty the twins."""
    for twin in _TWINS.values():
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(twin)))


def fill_referenced(connection: Connection, orders: int) -> None:
    """The products and customers that so many made orders name, as if they had been synced."""
    products, variations = made_products(PRODUCTS_SOLD)
    sold = [*products, *(one for rows in variations.values() for one in rows)]
    connection.execute(
        own_sql("referenced").encode(),
        {
            "org_id": ORGANIZATION,
            "source": "bench",
            "connection_id": _CONNECTION_ID,
            "product_ids": [int(record["id"]) for record in sold],
            "first_customer": FIRST_CUSTOMER_ID,
            "last_customer": FIRST_CUSTOMER_ID + orders // ORDERS_PER_CUSTOMER - 1,
        },
    )
    connection.execute("ANALYZE product, sync_record")


def from_lines(connection: Connection) -> None:
    """Insert the orders of the queue's lines, and their lines, in one statement."""
    lines = sql.SQL(own_sql("lines_of_queue")).format(table_of("sync_line", range_of(QUEUE_NO)))
    _insert(connection, lines)


def from_pages(connection: Connection) -> None:
    """Insert the orders of the landed pages, and their lines, in one statement."""
    _insert(connection, sql.SQL(own_sql("lines_of_pages")))


def rows_of(connection: Connection, *tables: str) -> tuple[int, ...]:
    """How many rows each table has."""
    return tuple(
        int(str(row[0]))
        for table in tables
        for row in connection.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        ).fetchall()
    )


def _insert(connection: Connection, lines: sql.Composable) -> None:
    composed = sql.SQL(own_sql("orders_at_once")).format(
        lines=lines,
        columns=sql.SQL(", ").join(map(sql.Identifier, ORDERS.columns)),
        projection=sql.SQL(statement(ORDERS.projection)),
    )
    values = {
        "queue_no": QUEUE_NO,
        "listing": ORDERS.listing.name,
        "org_id": ORGANIZATION,
        "connection_id": _CONNECTION_ID,
        "id_prefix": time_ordered_prefix(time.time_ns() // 1_000_000, secrets.randbits(44)),
    }
    with connection.transaction():
        # Its best plan: left alone it keeps every order in a cache that never hits (a sixth more).
        connection.execute("SET LOCAL enable_memoize = off")
        connection.execute(composed, values)
