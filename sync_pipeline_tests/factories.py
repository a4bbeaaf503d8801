"""Makers of what tests are about: records, stores, connections, queues, whole syncs.

Belongs here: making things, each returned to who asked. Does not: assertions, fixtures (what must
be torn down is in conftest.py).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from sync_pipeline.demo.auth import DEMO_KEY, DEMO_SECRET
from sync_pipeline.demo.records import Records
from sync_pipeline.demo.server import DemoServer
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.entities.declaration import Entity
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.completion import Outcome
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import Queue, begin, find_queue
from sync_pipeline.settings import QueueSettings, SourceSettings
from sync_pipeline.sources.connections import Connection, connect
from sync_pipeline.sources.protocol import Page, PageRequest, Source
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.source import WooCommerceSource
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.enqueued import Enqueued
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.landing import land
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert
from sync_pipeline.stages.verdict import Verdict

Record = dict[str, Any]


def customer(customer_id: int = 1, **changes: Any) -> Record:
    """A customer as the store lists it, with the fields that are asked for."""
    billing = {
        "company": "",
        "phone": "",
        "address_1": "1 Main St",
        "address_2": "",
        "city": "Berlin",
        "state": "",
        "postcode": "10115",
        "country": "DE",
    }
    return {
        "id": customer_id,
        "email": f"c{customer_id}@example.test",
        "first_name": "Ann",
        "last_name": f"Number {customer_id}",
        "username": f"c{customer_id}",
        "role": "customer",
        "date_created_gmt": "2026-01-02T03:04:05",
        "billing": billing,
    } | changes


def order(order_id: int = 1, customer_id: int = 1, total: str = "10.00", **changes: Any) -> Record:
    """An order as the store lists it."""
    return {
        "id": order_id,
        "status": "completed",
        "currency": "EUR",
        "total": total,
        "customer_id": customer_id,
        "date_created": "2026-02-03T04:05:06",
        "date_created_gmt": "2026-02-03T04:05:06",
        "date_modified": "2026-02-03T04:05:06",
        "date_modified_gmt": "2026-02-03T04:05:06",
        "refunds": [],
    } | changes


def full_order(order_id: int = 1, **changes: Any) -> Record:
    """An order with everything that is asked for: one piece at 10.00 and shipping at 2.50."""
    no_one = dict.fromkeys(("first_name", "last_name", "company", "address_1", "city"), "")
    return {
        "id": order_id,
        "number": str(order_id),
        "status": "processing",
        "currency": "EUR",
        "total": "12.50",
        "discount_total": "0.00",
        "shipping_total": "2.50",
        "total_tax": "0.00",
        "customer_id": 0,
        "billing": no_one | {"email": f"guest{order_id}@example.test"},
        "shipping": no_one,
        "payment_method": "bacs",
        "payment_method_title": "Direct bank transfer",
        "transaction_id": "",
        "date_created_gmt": "2026-02-03T04:05:06",
        "date_modified_gmt": "2026-02-03T04:06:00",
        "date_paid_gmt": None,
        "date_completed_gmt": None,
        "line_items": [line_item(order_id * 10)],
        "shipping_lines": [
            {
                "id": order_id * 10 + 1,
                "method_title": "Flat rate",
                "total": "2.50",
                "total_tax": "0.00",
            }
        ],
        "fee_lines": [],
        "tax_lines": [],
        "coupon_lines": [],
        "refunds": [],
    } | changes


def line_item(item_id: int = 1, **changes: Any) -> Record:
    """A line of an order: one piece of product 5."""
    return {
        "id": item_id,
        "name": "Mug",
        "product_id": 5,
        "variation_id": 0,
        "quantity": 1,
        "subtotal": "10.00",
        "total": "10.00",
        "total_tax": "0.00",
        "sku": "MUG",
        "price": 10,
        "meta_data": [],
    } | changes


def product(product_id: int = 5, **changes: Any) -> Record:
    """A simple product as the store lists it, with the fields that are asked for."""
    return {
        "id": product_id,
        "parent_id": 0,
        "type": "simple",
        "status": "publish",
        "name": f"Product {product_id}",
        "sku": f"SKU-{product_id}",
        "price": "10.00",
        "regular_price": "10.00",
        "sale_price": "",
        "categories": [],
        "attributes": [],
        "manage_stock": True,
        "stock_quantity": 7,
        "stock_status": "instock",
        "backorders": "no",
        "permalink": f"https://shop.example.test/product/{product_id}/",
        "variations": [],
        "date_created_gmt": "2026-01-02T03:04:05",
        "date_modified_gmt": "2026-01-02T03:04:05",
    } | changes


def store(customers: Sequence[Record], orders: Sequence[Record] = ()) -> DemoStore:
    """A store of these records."""
    return DemoStore(
        customers=Records(one | {"_links": {}} for one in customers),
        orders=Records(one | {"_links": {}} for one in orders),
        newest_change_gmt="2026-02-03T04:05:06",
    )


def quick_source_settings(**changes: Any) -> SourceSettings:
    """Waits that nobody notices."""
    quick = {
        "connect_timeout_seconds": 2,
        "read_timeout_seconds": 5,
        "backoff_base_seconds": 0.001,
        "backoff_cap_seconds": 0.002,
    }
    return SourceSettings(**quick | changes)


def queue_settings(**changes: Any) -> QueueSettings:
    """Settings whose retries come at once."""
    return QueueSettings(**{"initial_backoff_ms": 0} | changes)


def make_connection(
    database: Database, org_id: str = "acme", name: str = "shop", **changes: Any
) -> Connection:
    """A registered store; nobody serves it unless base_url says so."""
    values: Record = {"system": "woocommerce", "base_url": "http://127.0.0.1:9"} | changes
    return connect(
        database, org_id=org_id, name=name, key_env="SHOP_KEY", secret_env="SHOP_SECRET", **values
    )


def make_queue(
    database: Database,
    connection: Connection,
    filters: Filters | None = None,
    *,
    entity: Entity = CUSTOMERS,
    **settings: Any,
) -> Queue:
    """An open queue that somebody began to work on."""
    queue, _ = open_queue(
        database, connection, entity.name, settings=queue_settings(**settings), filters=filters
    )
    begin(database, queue, run_id=None)
    return queue


def land_records(
    database: Database, queue: Queue, listing: str, records: Sequence[Record], offset: int = 0
) -> None:
    """Land records as one page of a listing that holds nothing else."""
    place = PageRequest(offset, max(len(records), 1))
    land(database, queue, listing, Page(place, list(records), offset + len(records), 0.0))


def end_extract(
    database: Database, queue: Queue, *, scanned: int, is_complete: bool | None = True
) -> None:
    """As if an extract had landed everything."""
    coverage = Coverage(scanned=scanned, total=scanned, is_complete=is_complete)
    with database.organization(queue.org_id) as conn:
        conn.execute(
            statement("extract/finish"),
            {
                "queue_no": queue.queue_no,
                "is_complete": is_complete,
                "source_total": scanned,
                "note": Jsonb({"records": vars(coverage)}),
            },
        )


def fill_queue(
    database: Database,
    connection: Connection,
    records: Sequence[Record],
    orders: Sequence[Record] = (),
    *,
    entity: Entity = CUSTOMERS,
    **settings: Any,
) -> Queue:
    """A queue whose lines stand for these records, ready to be applied."""
    queue = make_queue(database, connection, entity=entity, **settings)
    land_records(database, queue, entity.listing.name, records)
    if entity.figures_listing is not None:
        land_records(database, queue, entity.figures_listing.name, orders)
    end_extract(database, queue, scanned=len(records))
    enqueue(database, queue, entity)
    return queue


def apply_records(
    database: Database,
    connection: Connection,
    records: Sequence[Record],
    orders: Sequence[Record] = (),
    *,
    entity: Entity = CUSTOMERS,
    **settings: Any,
) -> tuple[Queue, Outcome]:
    """Enqueue these records and apply them to the end."""
    queue = fill_queue(database, connection, records, orders, entity=entity, **settings)
    return queue, upsert(database, queue, entity, queue_settings(**settings))


@contextmanager
def open_store(server: DemoServer, **settings: Any) -> Iterator[Source]:
    """A source that reads the served store without noticeable waits."""
    client = WooCommerceClient(server.url, DEMO_KEY, DEMO_SECRET, quick_source_settings(**settings))
    source = WooCommerceSource(client)
    try:
        yield source
    finally:
        source.close()


@dataclass(frozen=True)
class Sync:
    """What the four stages of one sync said."""

    queue: Queue
    coverage: Coverage
    enqueued: Enqueued
    outcome: Outcome
    verdict: Verdict


def run_sync(
    database: Database,
    connection: Connection,
    server: DemoServer,
    *,
    filters: Filters | None = None,
    entity: Entity = CUSTOMERS,
    source_settings: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Sync:
    """A whole sync of a served store, or the rest of one that was stopped."""
    queue = make_queue(database, connection, filters, entity=entity, **settings)
    source_changes = dict(source_settings or {})
    with open_store(server, **source_changes) as source:
        coverage = extract(
            database,
            queue,
            connection,
            entity,
            source,
            quick_source_settings(**source_changes),
        )
    enqueued = enqueue(database, queue, entity)
    outcome = upsert(database, queue, entity, queue_settings(**settings))
    verdict = reconcile(database, queue, entity)
    return Sync(find_queue(database, str(queue.id)), coverage, enqueued, outcome, verdict)


def rows(database: Database, sql: str, *params: Any, org_id: str = "acme") -> list[Record]:
    """Rows as the worker of an organization sees them."""
    with database.organization(org_id) as conn:
        return [dict(row) for row in conn.execute(sql, params or None).fetchall()]  # type: ignore[call-overload]


def row(database: Database, sql: str, *params: Any, org_id: str = "acme") -> Record:
    """The one row that there is."""
    (only,) = rows(database, sql, *params, org_id=org_id)
    return only


def status(database: Database, queue: Queue) -> Record:
    """Every number of one queue."""
    return row(
        database,
        "SELECT * FROM sync_queue_status WHERE queue_no = %s",
        queue.queue_no,
        org_id=queue.org_id,
    )


def environment(database: Database) -> dict[str, str]:
    """For a process of its own that works on the same database."""
    return os.environ | {"DATABASE_URL": database.url}


def wait_until_somebody_waits(database: Database) -> None:
    """Return when a transaction of this database waits for the lock of another."""
    for _ in range(500):
        with database.owner() as conn:
            waiting = conn.execute(
                "SELECT pg_sleep(0.01), (SELECT count(*) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND datname = current_database()) AS n"
            ).fetchone()
        if waiting and waiting["n"]:
            return
    raise TimeoutError
