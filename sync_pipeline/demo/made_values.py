"""What made customers and made orders share: invented people, dates, money, links.

Belongs here: values computed from a number, and the interface of a maker. Does not: whole records
(made_customers.py, made_orders.py).

Same number, same value, on every machine. Names are unicode now and then; money is text with cents.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from sync_pipeline.demo.conditions import Record
from sync_pipeline.demo.store import RECORDED_TIMEZONE, RECORDED_URL, local_time

_FIRST_NAMES = ("Ann", "Bob", "Zoë", "José", "Ay&e", "Jean-Luc", "Siân", "O'Brien", "Müller", "王")
_LAST_NAMES = ("Smith", "Doe", "Łukasz", "Nuñez", "Иванов", "Smith & Sons", "Al-Sayed", "D'Arcy")
_CITIES = ("New York", "São Paulo", "Berlin", "Queens", "Dublin")
_PLACES = (("US", "CA", "94107"), ("BR", "SP", "01310"), ("DE", "", "10115"), ("US", "NY", "11375"))
_SPREAD = 2_654_435_761  # Knuth's multiplicative hash: neighbours look unrelated
_ADDRESS_FIELDS = (
    "first_name last_name company address_1 address_2 city postcode country state phone"
)
NO_ADDRESS = dict.fromkeys(_ADDRESS_FIELDS.split(), "")
ZONE = ZoneInfo(RECORDED_TIMEZONE)
START_UTC = datetime(2024, 1, 1, tzinfo=UTC)


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


def scattered(number: int) -> int:
    """A number that looks unrelated to its neighbours'; 32 bits."""
    return number * _SPREAD & 0xFFFFFFFF


def billing_address(number: int) -> dict[str, str]:
    """An invented person; the e-mail carries the number, so that it can be found."""
    chance = scattered(number)
    country, state, postcode = _PLACES[chance // 5 % len(_PLACES)]
    return {
        "first_name": _FIRST_NAMES[chance // 11 % len(_FIRST_NAMES)],
        "last_name": _LAST_NAMES[chance // 13 % len(_LAST_NAMES)],
        "company": "Straße & Co" if chance % 9 == 0 else "",
        "address_1": f"{number} Main St",
        "address_2": "",
        "city": _CITIES[chance // 17 % len(_CITIES)],
        "postcode": postcode,
        "country": country,
        "state": state,
        "email": f"{'Made' if chance % 50 == 0 else 'made'}{number}@example.test",
        "phone": f"+1 (212) 555-{number % 10_000:04}",
    }


def local_and_gmt(name: str, moment_utc: datetime | None) -> dict[str, str | None]:
    """date_<name> and date_<name>_gmt; both null without a moment."""
    if moment_utc is None:
        return {f"date_{name}": None, f"date_{name}_gmt": None}
    return {f"date_{name}": local_time(moment_utc, ZONE), f"date_{name}_gmt": gmt(moment_utc)}


def gmt(moment_utc: datetime) -> str:
    """A moment as a naive ISO time."""
    return moment_utc.isoformat()[:19]


def money(cents: int) -> str:
    """Cents as WooCommerce writes money."""
    return f"{cents // 100}.{cents % 100:02}"


def links(path: str, record_id: int) -> Record:
    """The `_links` of a record that may be deleted."""
    base = f"{RECORDED_URL}/wp-json/wc/v3/{path}"
    allow = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    self_link = {"href": f"{base}/{record_id}", "targetHints": {"allow": allow}}
    return {"self": [self_link], "collection": [{"href": base}]}
