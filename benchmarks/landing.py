"""Made customers or orders, landed as an extract would have landed them, and queues over them.

Belongs here: the rows that benchmarks work on. Does not: measuring.

Pages are landed once, for queue number 1. `fresh_queue` empties everything that a sync writes and
opens queue number 1 anew, so that every round begins with the same pages and nothing else.
"""

import json
from collections.abc import Callable, Iterator, Mapping

from psycopg import sql
from psycopg.types.json import Jsonb

from benchmarks.throwaway import Bench, Connection
from sync_pipeline.demo.conditions import Record
from sync_pipeline.demo.made_customers import FIRST_CUSTOMER_ID, MadeCustomers
from sync_pipeline.demo.made_orders import FIRST_ORDER_ID, MadeOrders
from sync_pipeline.entities import Entity
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import Queue, begin
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import connect, find_connection

ORGANIZATION = "bench"
QUEUE_NO = 1
PAGE_RECORDS = 100
ORDERS_PER_CUSTOMER = 3
# So that an order has three items and a quarter: made orders have no tax.
_TAX_LINES = [{"id": 1, "label": "Tax", "tax_total": "1.99", "shipping_tax_total": "0.00"}]
_COPY_PAGES = """
    COPY sync_page (queue_no, listing, first_offset, record_limit, org_id, n_records, total, body,
        elapsed_ms) FROM STDIN
"""


def land_pages(bench: Bench, lines: int, entity: Entity = CUSTOMERS) -> None:
    """Land that many made records, in pages of 100 with the fields that are asked for."""
    bench.connection.execute("TRUNCATE sync_page")
    with bench.connection.cursor().copy(_COPY_PAGES) as copy:
        for offset, body in _pages(lines, entity):
            copy.write_row(
                (
                    QUEUE_NO,
                    entity.listing.name,
                    offset,
                    PAGE_RECORDS,
                    ORGANIZATION,
                    min(PAGE_RECORDS, lines - offset),
                    lines,
                    body,
                    0,
                )
            )
    bench.connection.execute("VACUUM ANALYZE sync_page")


def fresh_queue(
    bench: Bench, lines: int, settings: QueueSettings, entity: Entity = CUSTOMERS
) -> Queue:
    """Queue number 1 over the landed pages, ready to be enqueued; all else is empty."""
    empty_tables_of_a_sync(bench.connection)
    connection = connect(
        bench.database,
        org_id=ORGANIZATION,
        name="bench",
        system="woocommerce",
        base_url="http://127.0.0.1:9",
        key_env="BENCH_KEY",
        secret_env="BENCH_SECRET",
    )
    queue, _ = open_queue(bench.database, connection, entity.name, settings=settings)
    begin(bench.database, queue, run_id=None)
    end_extract(bench, queue, lines)
    return queue


def land_again(
    bench: Bench, lines: int, body: str, *, of: int, filters: Filters | None = None
) -> Queue:
    """A further queue whose extract landed the pages of an earlier one, with other contents.

    Args:
        body: SQL over a page of it: what its page holds instead.
        of: number of the earlier queue.
    """
    connection = find_connection(bench.database, "bench")
    queue, _ = open_queue(
        bench.database,
        connection,
        CUSTOMERS.name,
        settings=QueueSettings(),
        filters=filters or Filters(),
    )
    begin(bench.database, queue, run_id=None)
    bench.connection.execute(
        f"""
        INSERT INTO sync_page (queue_no, listing, first_offset, record_limit, org_id, n_records,
            total, body, elapsed_ms)
        SELECT %s, listing, first_offset, record_limit, org_id, n_records, total, {body},
            elapsed_ms
        FROM sync_page WHERE queue_no = %s
        """.encode(),
        [queue.queue_no, of],
    )
    end_extract(bench, queue, lines)
    return queue


def end_extract(bench: Bench, queue: Queue, lines: int) -> None:
    """As if an extract had landed everything."""
    coverage = {"scanned": lines, "total": lines, "is_complete": True, "is_swept": False}
    with bench.database.organization(queue.org_id) as conn:
        conn.execute(
            statement("extract/finish"),
            {
                "queue_no": queue.queue_no,
                "is_complete": True,
                "source_total": lines,
                "note": Jsonb({"records": coverage}),
            },
        )


def empty_tables_of_a_sync(connection: Connection) -> None:
    """Empty every table of a sync but sync_page, and those of the company that it writes."""
    names = connection.execute(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND (relname IN"
        " ('customer', 'product', 'sales_order', 'sales_order_line') OR relname LIKE 'sync\\_%'"
        "      AND relname NOT LIKE 'sync\\_migration%'"
        # The audit of orchestrations refuses it; no benchmark writes there.
        "      AND relname NOT IN ('sync_page', 'sync_activity_log'))"
    ).fetchall()
    connection.execute(
        sql.SQL("TRUNCATE {} RESTART IDENTITY CASCADE").format(
            sql.SQL(", ").join(sql.Identifier(str(name)) for (name,) in names)
        )
    )


def _pages(lines: int, entity: Entity) -> Iterator[tuple[int, str]]:
    record = _RECORDS[entity.name](lines)
    fields = entity.listing.fields
    for offset in range(0, lines, PAGE_RECORDS):
        records = [record(number) for number in range(offset, min(offset + PAGE_RECORDS, lines))]
        yield offset, json.dumps([{name: record[name] for name in fields} for record in records])


def _customers(count: int) -> Callable[[int], Record]:
    made = MadeCustomers(count)
    return lambda number: made.record(FIRST_CUSTOMER_ID + number)


def _orders(count: int) -> Callable[[int], Record]:
    made = MadeOrders(count, count // ORDERS_PER_CUSTOMER)
    return lambda number: made.record(FIRST_ORDER_ID + number) | {"tax_lines": _TAX_LINES}


_RECORDS: Mapping[str, Callable[[int], Callable[[int], Record]]] = {
    CUSTOMERS.name: _customers,
    ORDERS.name: _orders,
}
