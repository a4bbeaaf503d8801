"""The state of one store, and what people do to it between two syncs.

Belongs here: the collections, and changes with their consequences in other collections. Does not:
answering requests (routes.py), records that are made when read (made.py).
"""

import threading
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sync_pipeline.demo.catalog import Catalog
from sync_pipeline.demo.conditions import OneOf, Record
from sync_pipeline.demo.records import Collection, Records, changed_copy, copy_of

RECORDED_URL = "https://127.0.0.1:8443"
RECORDED_TIMEZONE = "America/New_York"


class DemoStore:
    """Customers, orders and the rest by id. Changes are safe while requests are served.

    A change that bumps a date sets it to now, or to a second after the newest such bump or record
    if that is later: a watermark taken before always lies below it, whatever the machine's clock.

    Attributes:
        catalog: what may be done to products, variations and their stock.
        small: records of collections that are only listed, by path ("coupons").
        fixed: bodies served as they are, by path under /wp-json.
        lock: held by whoever reads or changes more than one record.
    """

    def __init__(
        self,
        *,
        customers: Collection,
        orders: Collection,
        products: Collection | None = None,
        refunds: Collection | None = None,
        variations: Mapping[int, Collection] | None = None,
        small: Mapping[str, list[Record]] | None = None,
        fixed: Mapping[str, Any] | None = None,
        newest_change_gmt: str = "2026-11-22T00:30:00",
    ) -> None:
        self.customers = customers
        self.orders = orders
        self.products: Collection = Records() if products is None else products
        self.variations = dict(variations or {})
        self.refunds: Collection = Records() if refunds is None else refunds
        self.small = {path: Records(rows) for path, rows in (small or {}).items()}
        self.fixed = dict(fixed or {})
        self.lock = threading.RLock()
        self.catalog = Catalog(self.products, self.variations, self.lock, self._bumped)
        self._newest_change_utc = datetime.fromisoformat(newest_change_gmt).replace(tzinfo=UTC)

    def customer(self, customer_id: int) -> Record:
        """A copy of one customer.

        Raises:
            InputError: the store has no such customer.
        """
        return copy_of(self.customers, customer_id, "customer")

    def order(self, order_id: int) -> Record:
        """A copy of one order.

        Raises:
            InputError: the store has no such order.
        """
        return copy_of(self.orders, order_id, "order")

    def delete_customer(self, customer_id: int) -> None:
        """Delete for good: the customer's orders become guest orders and are bumped (recorded).

        Raises:
            InputError: the store has no such customer.
        """
        with self.lock:
            self.customer(customer_id)
            self.customers.remove(customer_id)
            for order_id in list(self.orders.matching([OneOf("customer_id", (customer_id,))])):
                order = self.order(order_id)
                order["_links"] = {k: v for k, v in order["_links"].items() if k != "customer"}
                self.orders.put(self._bumped(order | {"customer_id": 0}))

    def put_customer(self, record: Record) -> None:
        """Add or replace a whole customer, as it is."""
        with self.lock:
            self.customers.put(deepcopy(record))

    def edit_customer(self, customer_id: int, *, bump: bool = True, **changes: object) -> None:
        """Change fields of a customer; a dict (billing=…) is merged into the one there.

        Args:
            bump: whether date_modified moves. WooCommerce misses some changes; False is those.

        Raises:
            InputError: the store has no such customer.
        """
        with self.lock:
            changed = changed_copy(self.customer(customer_id), changes)
            self.customers.put(self._bumped(changed) if bump else changed)

    def put_order(self, record: Record) -> None:
        """Add or replace a whole order, as it is."""
        with self.lock:
            self.orders.put(deepcopy(record))

    def edit_order(self, order_id: int, **changes: object) -> None:
        """Change fields of an order and bump its date_modified.

        Raises:
            InputError: the store has no such order.
        """
        with self.lock:
            self.orders.put(self._bumped(changed_copy(self.order(order_id), changes)))

    def refund_order(self, order_id: int, refund_id: int, amount: str, reason: str = "") -> None:
        """Give back some of an order: it is listed in both places and bumps the order.

        Raises:
            InputError: the store has no such order.
        """
        with self.lock:
            order = self.order(order_id)
            said = {"id": refund_id, "reason": reason, "total": f"-{amount}"}
            order = self._bumped(order | {"refunds": [*order["refunds"], said]})
            self.orders.put(order)
            dates = {
                "date_created": order["date_modified"],
                "date_created_gmt": order["date_modified_gmt"],
            }
            refund = {"id": refund_id, "parent_id": order_id, "amount": amount, "reason": reason}
            self.refunds.put(refund | dates)

    def trash_order(self, order_id: int) -> None:
        """Put an order into the trash: no listing shows it, reading it alone does."""
        self.edit_order(order_id, status="trash")

    def delete_order(self, order_id: int) -> None:
        """Delete an order for good.

        Raises:
            InputError: the store has no such order.
        """
        with self.lock:
            self.order(order_id)
            self.orders.remove(order_id)

    def _bumped(self, record: Record) -> Record:
        now_utc = datetime.now(UTC).replace(microsecond=0)
        self._newest_change_utc = max(now_utc, self._newest_change_utc + timedelta(seconds=1))
        return record | {
            "date_modified": local_time(self._newest_change_utc, ZoneInfo(RECORDED_TIMEZONE)),
            "date_modified_gmt": self._newest_change_utc.strftime("%Y-%m-%dT%H:%M:%S"),
        }


def local_time(moment_utc: datetime, zone: ZoneInfo) -> str:
    """A moment as the store's own time, naive, in seconds."""
    return moment_utc.astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S")
