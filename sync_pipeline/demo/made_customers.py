"""Made customers, each computed from its id alone.

Belongs here: their records, and which ids carry a role or an e-mail. Does not: changes, listings
(made.py).
"""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from html import escape

from sync_pipeline.demo.conditions import Record
from sync_pipeline.demo.made_values import (
    NO_ADDRESS,
    START_UTC,
    billing_address,
    gmt,
    links,
    local_and_gmt,
    scattered,
)

FIRST_CUSTOMER_ID = 2
_CUSTOMER_STEP = timedelta(seconds=60)
_EMAIL = re.compile(r"made(\d+)@example\.test")


class MadeCustomers:
    """Customers with ids from FIRST_CUSTOMER_ID; all have the role customer."""

    def __init__(self, count: int) -> None:
        self.ids = range(FIRST_CUSTOMER_ID, FIRST_CUSTOMER_ID + count)

    def record(self, record_id: int) -> Record:
        """One customer, in the recorded shape; date_modified is null for one in ten."""
        number = record_id - FIRST_CUSTOMER_ID + 1
        chance, person = scattered(number), billing_address(number)
        created_utc = START_UTC + number * _CUSTOMER_STEP
        modified_utc = None if number % 10 == 0 else created_utc + timedelta(days=1)
        return {
            "id": record_id,
            **local_and_gmt("created", created_utc),
            **local_and_gmt("modified", modified_utc),
            "email": person["email"],
            "first_name": escape(person["first_name"], quote=False),
            "last_name": escape(person["last_name"], quote=False),
            "role": "customer",
            "username": f"made{number:08}",
            "billing": person,
            "shipping": NO_ADDRESS,
            "is_paying_customer": chance % 3 != 0,
            "avatar_url": f"https://secure.gravatar.com/avatar/{chance:08x}?s=96&d=mm&r=g",
            "meta_data": [],
            "_links": links("customers", record_id),
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
        return gmt(START_UTC + len(self.ids) * _CUSTOMER_STEP + timedelta(days=1))
