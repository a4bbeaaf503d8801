"""Made orders, each computed from its id and the number of customers.

Belongs here: their records, whose they are, and which ids carry a customer or a date. Does not:
changes, listings (made.py).
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from sync_pipeline.demo.conditions import Record
from sync_pipeline.demo.made_customers import FIRST_CUSTOMER_ID
from sync_pipeline.demo.made_products import sold
from sync_pipeline.demo.made_values import (
    NO_ADDRESS,
    START_UTC,
    ZONE,
    billing_address,
    gmt,
    links,
    local_and_gmt,
    money,
    scattered,
)
from sync_pipeline.demo.store import local_time

FIRST_ORDER_ID = 100
# The recorded shares, of 16.
_STATUSES = (
    *("completed",) * 9,
    *("processing",) * 3,
    "refunded",
    "cancelled",
    "on-hold",
    "failed",
)
_ORDER_STEP = timedelta(seconds=37)
_PAID_AFTER = timedelta(minutes=5)
_DONE_AFTER = timedelta(minutes=30)
_STRIDES = (1_000_003, 999_983)  # primes: one of them shares no factor with the customers
_GUEST_EVERY = 8  # recorded: 382 of 3,009


class MadeOrders:
    """Orders with ids from FIRST_ORDER_ID; every eighth is a guest's."""

    def __init__(self, count: int, customers: int) -> None:
        self.ids = range(FIRST_ORDER_ID, FIRST_ORDER_ID + count)
        self._customers = customers
        self._stride = next(p for p in _STRIDES if customers == 0 or customers % p)

    def record(self, record_id: int) -> Record:
        """One order, in the recorded shape, with one to three lines and no refunds."""
        number = record_id - FIRST_ORDER_ID
        chance = scattered(number + 7)
        lines = [_line(number, line, chance) for line in range(1 + chance % 3)]
        shipping_cents = 750 if chance % 4 == 0 else 0
        total_cents = shipping_cents + sum(cents for _, cents in lines)
        created_utc = START_UTC + timedelta(days=1) + number * _ORDER_STEP
        customer_id = self.customer_of(record_id)
        buyer = customer_id - FIRST_CUSTOMER_ID + 1 if customer_id else number
        person = billing_address(buyer)
        if not customer_id:
            person["email"] = f"guest{number}@example.test"
        status = _STATUSES[chance // 7 % len(_STATUSES)]
        is_completed = status in ("completed", "refunded")
        is_paid = is_completed or status == "processing"
        return {
            "id": record_id,
            "parent_id": 0,
            "status": status,
            "currency": "USD",
            "version": "10.0.2",
            "prices_include_tax": False,
            "date_created": local_time(created_utc, ZONE),
            "date_modified": local_time(created_utc + timedelta(hours=1), ZONE),
            "discount_total": "0.00",
            "shipping_total": money(shipping_cents),
            "total": money(total_cents),
            "total_tax": "0.00",
            "customer_id": customer_id,
            "order_key": f"wc_order_{chance:08x}",
            "billing": person,
            "shipping": NO_ADDRESS,
            "payment_method": "bacs",
            "payment_method_title": "Direct bank transfer",
            "transaction_id": "",
            **local_and_gmt("paid", created_utc + _PAID_AFTER if is_paid else None),
            **local_and_gmt("completed", created_utc + _DONE_AFTER if is_completed else None),
            "number": str(record_id),
            "meta_data": [],
            "line_items": [line for line, _ in lines],
            "tax_lines": [],
            "shipping_lines": _shipping(number, shipping_cents),
            "fee_lines": [],
            "coupon_lines": [],
            "refunds": [],
            "date_created_gmt": gmt(created_utc),
            "date_modified_gmt": gmt(created_utc + timedelta(hours=1)),
            "currency_symbol": "$",
            "_links": links("orders", record_id),
        }

    def customer_of(self, record_id: int) -> int:
        """The id of the customer who ordered; 0 for a guest."""
        number = record_id - FIRST_ORDER_ID
        if not self._customers or number % _GUEST_EVERY == _GUEST_EVERY - 1:
            return 0
        known = number - number // _GUEST_EVERY
        return FIRST_CUSTOMER_ID + known * self._stride % self._customers

    def with_value(self, field: str, values: Sequence[str | int]) -> Sequence[int] | None:
        """By customer; other fields must be read."""
        if field != "customer_id" or 0 in values or not self._customers:
            return None
        ids: list[int] = []
        for customer_id in values:
            ids += self._orders_of(int(customer_id) - FIRST_CUSTOMER_ID)
        return sorted(ids)

    def rising_date(self, field: str) -> Callable[[int], str] | None:
        """Creation and modification follow the id."""
        hours = {"date_created_gmt": 0, "date_modified_gmt": 1}.get(field)
        if hours is None:
            return None
        start_utc = START_UTC + timedelta(days=1, hours=hours)
        return lambda record_id: gmt(start_utc + (record_id - FIRST_ORDER_ID) * _ORDER_STEP)

    def newest_gmt(self) -> str:
        """The last order's modification."""
        return gmt(START_UTC + timedelta(days=1, hours=1) + len(self.ids) * _ORDER_STEP)

    def _orders_of(self, customer: int) -> list[int]:
        """customer_of, solved for the order."""
        if not 0 <= customer < self._customers:
            return []
        first = customer * pow(self._stride, -1, self._customers) % self._customers
        known = range(first, len(self.ids), self._customers)
        ids = (FIRST_ORDER_ID + k + k // (_GUEST_EVERY - 1) for k in known)
        return [record_id for record_id in ids if record_id in self.ids]


def _line(number: int, line: int, chance: int) -> tuple[Record, int]:
    quantity = 1 + (chance + line) % 3
    price_cents = 199 + (chance // (line + 3)) % 30_000
    cents = quantity * price_cents
    product_id, variation_id = sold(price_cents)
    return {
        "id": number * 4 + line + 1,
        "name": f"Café Crème Mug #{price_cents % 200}",
        "product_id": product_id,
        "variation_id": variation_id,
        "quantity": quantity,
        "subtotal": money(cents),
        "total": money(cents),
        "total_tax": "0.00",
        "sku": f"SKU-{price_cents % 200:04}",
        "price": price_cents / 100,
    }, cents


def _shipping(number: int, cents: int) -> list[Record]:
    if not cents:
        return []
    line = {"id": number * 4 + 4, "method_title": "Flat rate", "method_id": "flat_rate"}
    return [line | {"total": money(cents), "total_tax": "0.00"}]
