"""What made customers and orders look like, each computed from its id alone.

Belongs here: the shape and the invented content, and which ids carry a value. Does not: changes,
listings (made.py).

Same id, same numbers of customers and orders: same record, on every machine. Names are unicode now
and then and HTML-encoded in first_name as recorded; money is text with cents. Dates rise with id.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Protocol
from zoneinfo import ZoneInfo

from sync_pipeline.demo.conditions import Record
from sync_pipeline.demo.store import RECORDED_TIMEZONE, RECORDED_URL, local_time

FIRST_CUSTOMER_ID = 2
FIRST_ORDER_ID = 100

_FIRST_NAMES = ("Ann", "Bob", "Zoë", "José", "Ay&e", "Jean-Luc", "Siân", "O'Brien", "Müller", "王")
_LAST_NAMES = ("Smith", "Doe", "Łukasz", "Nuñez", "Иванов", "Smith & Sons", "Al-Sayed", "D'Arcy")
_CITIES = ("New York", "São Paulo", "Berlin", "Queens", "Dublin")
_PLACES = (("US", "CA", "94107"), ("BR", "SP", "01310"), ("DE", "", "10115"), ("US", "NY", "11375"))
# The recorded shares, of 16.
_STATUSES = (
    *("completed",) * 9,
    *("processing",) * 3,
    "refunded",
    "cancelled",
    "on-hold",
    "failed",
)
_ZONE = ZoneInfo(RECORDED_TIMEZONE)
_START_UTC = datetime(2024, 1, 1, tzinfo=UTC)
_CUSTOMER_STEP = timedelta(seconds=60)
_ORDER_STEP = timedelta(seconds=37)
_EMAIL = re.compile(r"made(\d+)@example\.test")
_SPREAD = 2_654_435_761  # Knuth's multiplicative hash: neighbours look unrelated
_STRIDES = (1_000_003, 999_983)  # primes: one of them shares no factor with the customers
_GUEST_EVERY = 8  # recorded: 382 of 3,009
_ADDRESS_FIELDS = (
    "first_name last_name company address_1 address_2 city postcode country state phone"
)
_NO_ADDRESS = dict.fromkeys(_ADDRESS_FIELDS.split(), "")


class Maker(Protocol):
    """Makes the records of one collection."""

    ids: range

    def record(self, record_id: int) -> Record:
        """The record of an id in `ids`."""
        ...

    def with_value(self, field: str, values: Sequence[str | int]) -> Sequence[int] | None:
        """The ids, ascending, whose field has one of the values; None: it must be read."""
        ...

    def rising_date(self, field: str) -> Callable[[int], str] | None:
        """How the field's GMT date follows from the id, if it rises with it."""
        ...

    def newest_gmt(self) -> str:
        """The latest date of any record; "" without records."""
        ...


class MadeCustomers:
    """Customers with ids from FIRST_CUSTOMER_ID; all have the role customer."""

    def __init__(self, count: int) -> None:
        self.ids = range(FIRST_CUSTOMER_ID, FIRST_CUSTOMER_ID + count)

    def record(self, record_id: int) -> Record:
        """One customer, in the recorded shape; date_modified is null for one in ten."""
        number = record_id - FIRST_CUSTOMER_ID + 1
        mixed = _mixed(number)
        person = _person(number, mixed)
        created_utc = _START_UTC + number * _CUSTOMER_STEP
        modified_utc = None if number % 10 == 0 else created_utc + timedelta(days=1)
        return {
            "id": record_id,
            **_dates("created", created_utc),
            **_dates("modified", modified_utc),
            "email": person["email"],
            "first_name": escape(person["first_name"], quote=False),
            "last_name": escape(person["last_name"], quote=False),
            "role": "customer",
            "username": f"made{number:08}",
            "billing": person,
            "shipping": _NO_ADDRESS,
            "is_paying_customer": mixed % 3 != 0,
            "avatar_url": f"https://secure.gravatar.com/avatar/{mixed:08x}?s=96&d=mm&r=g",
            "meta_data": [],
            "_links": _links("customers", record_id),
        }

    def with_value(self, field: str, values: Sequence[str | int]) -> Sequence[int] | None:
        """By role and e-mail; other fields must be read."""
        if field == "role":
            return self.ids if "customer" in values else self.ids[:0]
        if field == "email":
            found = (_EMAIL.fullmatch(str(value)) for value in values)
            ids = sorted({int(m[1]) - 1 + FIRST_CUSTOMER_ID for m in found if m})
            return [i for i in ids if i in self.ids]
        return None

    def rising_date(self, field: str) -> Callable[[int], str] | None:  # noqa: ARG002 - Maker
        """None: customers have no date filter."""
        return None

    def newest_gmt(self) -> str:
        """The day after the last customer came."""
        return _gmt(_START_UTC + len(self.ids) * _CUSTOMER_STEP + timedelta(days=1))


class MadeOrders:
    """Orders with ids from FIRST_ORDER_ID; every eighth is a guest's."""

    def __init__(self, count: int, customers: int) -> None:
        self.ids = range(FIRST_ORDER_ID, FIRST_ORDER_ID + count)
        self._customers = customers
        self._stride = next(p for p in _STRIDES if customers == 0 or customers % p)

    def record(self, record_id: int) -> Record:
        """One order, in the recorded shape, with one to three lines and no refunds."""
        number = record_id - FIRST_ORDER_ID
        mixed = _mixed(number + 7)
        lines = [_line(number, line, mixed) for line in range(1 + mixed % 3)]
        shipping_cents = 750 if mixed % 4 == 0 else 0
        total_cents = shipping_cents + sum(cents for _, cents in lines)
        created_utc = _START_UTC + timedelta(days=1) + number * _ORDER_STEP
        customer_id = self.customer_of(record_id)
        buyer = customer_id - FIRST_CUSTOMER_ID + 1 if customer_id else number
        person = _person(buyer, _mixed(buyer))
        if not customer_id:
            person["email"] = f"guest{number}@example.test"
        return {
            "id": record_id,
            "parent_id": 0,
            "status": _STATUSES[mixed // 7 % len(_STATUSES)],
            "currency": "USD",
            "version": "10.0.2",
            "prices_include_tax": False,
            "date_created": local_time(created_utc, _ZONE),
            "date_modified": local_time(created_utc + timedelta(hours=1), _ZONE),
            "discount_total": "0.00",
            "shipping_total": _money(shipping_cents),
            "total": _money(total_cents),
            "total_tax": "0.00",
            "customer_id": customer_id,
            "order_key": f"wc_order_{mixed:08x}",
            "billing": person,
            "shipping": _NO_ADDRESS,
            "payment_method": "bacs",
            "payment_method_title": "Direct bank transfer",
            "transaction_id": "",
            "number": str(record_id),
            "meta_data": [],
            "line_items": [line for line, _ in lines],
            "refunds": [],
            "date_created_gmt": _gmt(created_utc),
            "date_modified_gmt": _gmt(created_utc + timedelta(hours=1)),
            "currency_symbol": "$",
            "_links": _links("orders", record_id),
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
        start_utc = _START_UTC + timedelta(days=1, hours=hours)
        return lambda record_id: _gmt(start_utc + (record_id - FIRST_ORDER_ID) * _ORDER_STEP)

    def newest_gmt(self) -> str:
        """The last order's modification."""
        return _gmt(_START_UTC + timedelta(days=1, hours=1) + len(self.ids) * _ORDER_STEP)

    def _orders_of(self, customer: int) -> list[int]:
        """customer_of, solved for the order."""
        if not 0 <= customer < self._customers:
            return []
        first = customer * pow(self._stride, -1, self._customers) % self._customers
        known = range(first, len(self.ids), self._customers)
        ids = (FIRST_ORDER_ID + k + k // (_GUEST_EVERY - 1) for k in known)
        return [record_id for record_id in ids if record_id in self.ids]


def _mixed(number: int) -> int:
    return number * _SPREAD & 0xFFFFFFFF


def _person(number: int, mixed: int) -> dict[str, str]:
    country, state, postcode = _PLACES[mixed // 5 % len(_PLACES)]
    return {
        "first_name": _FIRST_NAMES[mixed // 11 % len(_FIRST_NAMES)],
        "last_name": _LAST_NAMES[mixed // 13 % len(_LAST_NAMES)],
        "company": "Straße & Co" if mixed % 9 == 0 else "",
        "address_1": f"{number} Main St",
        "address_2": "",
        "city": _CITIES[mixed // 17 % len(_CITIES)],
        "postcode": postcode,
        "country": country,
        "state": state,
        "email": f"{'Made' if mixed % 50 == 0 else 'made'}{number}@example.test",
        "phone": f"+1 (212) 555-{number % 10_000:04}",
    }


def _line(number: int, line: int, mixed: int) -> tuple[Record, int]:
    quantity = 1 + (mixed + line) % 3
    price_cents = 199 + (mixed // (line + 3)) % 30_000
    cents = quantity * price_cents
    return {
        "id": number * 3 + line + 1,
        "name": f"Café Crème Mug #{price_cents % 200}",
        "product_id": 10 + price_cents % 200,
        "variation_id": 0,
        "quantity": quantity,
        "subtotal": _money(cents),
        "total": _money(cents),
        "total_tax": "0.00",
        "sku": f"SKU-{price_cents % 200:04}",
        "price": price_cents / 100,
    }, cents


def _dates(name: str, moment_utc: datetime | None) -> dict[str, str | None]:
    local, gmt = (
        (None, None) if moment_utc is None else (local_time(moment_utc, _ZONE), _gmt(moment_utc))
    )
    return {f"date_{name}": local, f"date_{name}_gmt": gmt}


def _gmt(moment_utc: datetime) -> str:
    return moment_utc.isoformat()[:19]


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _links(path: str, record_id: int) -> Record:
    base = f"{RECORDED_URL}/wp-json/wc/v3/{path}"
    allow = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    self_link = {"href": f"{base}/{record_id}", "targetHints": {"allow": allow}}
    return {"self": [self_link], "collection": [{"href": base}]}
