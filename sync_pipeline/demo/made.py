"""Made stores of any size: every record is computed from its id when it is read.

Belongs here: finding made records by computing, changes over them. Does not: what made customers
and orders look like (made_customers.py, made_orders.py), consequences of a change (store.py).

Nothing is kept but the records that were changed, so 1,000,000 customers cost no memory. A listing
by place, id, role, e-mail, customer or date is computed; one by order status or by search reads
every record, and so does one ordered by date after a change.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from sync_pipeline.demo.conditions import Between, Condition, NoneOf, OneOf, Record, meets
from sync_pipeline.demo.made_customers import MadeCustomers
from sync_pipeline.demo.made_ids import common, spliced
from sync_pipeline.demo.made_orders import MadeOrders
from sync_pipeline.demo.made_products import made_products
from sync_pipeline.demo.made_values import Maker
from sync_pipeline.demo.recorded import FIXED_FILE, read_compressed
from sync_pipeline.demo.records import Records, wordpress_json
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.errors import InputError


def made_store(customers: int, orders: int = 0, products: int = 0) -> DemoStore:
    """A store of that many customers (ids from 2), orders (from 100) and products (from 10).

    Every tenth product has four variations. Lines of orders name the first 200 products, whether
    they are made or not. There are no refunds.

    Raises:
        InputError: a negative number.
    """
    if customers < 0 or orders < 0 or products < 0:
        raise InputError("A made store cannot have fewer than 0 customers, orders or products.")
    fixed = read_compressed(FIXED_FILE)
    makers = MadeCustomers(customers), MadeOrders(orders, customers)
    catalog, variations = made_products(products)
    return DemoStore(
        customers=MadeRecords(makers[0]),
        orders=MadeRecords(makers[1]),
        products=Records(catalog),
        variations={parent: Records(rows) for parent, rows in variations.items()},
        small=fixed["small"],
        fixed=fixed["fixed"],
        newest_change_gmt=max(maker.newest_gmt() for maker in makers),
    )


class MadeRecords:
    """A collection computed by a maker, under the records that were put or removed since."""

    def __init__(self, maker: Maker) -> None:
        self.version = 0
        self._maker = maker
        self._changed: dict[int, Record | None] = {}

    def get(self, record_id: int) -> Record | None:
        """The record, or None."""
        if record_id in self._changed:
            return self._changed[record_id]
        return self._maker.record(record_id) if record_id in self._maker.ids else None

    def text(self, record_id: int) -> str:
        """The record as JSON, as WordPress writes it; KeyError when it is not there."""
        record = self.get(record_id)
        if record is None:
            raise KeyError(record_id)
        return wordpress_json(record)

    def matching(self, conditions: Sequence[Condition]) -> Sequence[int]:
        """Ids, ascending, of the records that meet all conditions."""
        changed = self._changed
        ids, unchecked = self._computed(conditions)
        here = sorted(i for i, record in changed.items() if _holds(record, conditions))
        if unchecked:
            ids = [i for i in ids if i not in changed and _holds(self.get(i), unchecked)]
        if isinstance(ids, range):
            return spliced(ids, changed, here)
        return sorted([*(i for i in ids if i not in changed), *here])

    def ordered(self, ids: Sequence[int], field: str) -> Sequence[int]:
        """The ids ascending by a field, then by id: made records rise with the id in every one."""
        if field == "id" or not self._changed:
            return ids
        return sorted(ids, key=lambda i: (str((self.get(i) or {}).get(field) or ""), i))

    def put(self, record: Record) -> None:
        """Add or replace a record by its id."""
        self._changed[int(record["id"])] = record
        self.version += 1

    def remove(self, record_id: int) -> None:
        """Take a record out; nothing happens when it is not there."""
        if self.get(record_id) is not None:
            self._changed[record_id] = None
            self.version += 1

    def _computed(self, conditions: Sequence[Condition]) -> tuple[Sequence[int], list[Condition]]:
        """The made ids that can be found by computing, and what is left to check on each."""
        ids: Sequence[int] = self._maker.ids
        unchecked: list[Condition] = []
        for condition in conditions:
            found = self._found(condition)
            if found is None:
                unchecked.append(condition)
            else:
                ids = common(ids, found)
        return ids, unchecked

    def _found(self, condition: Condition) -> Sequence[int] | None:
        if isinstance(condition, OneOf):
            return self._maker.with_value(condition.field, condition.values)
        if isinstance(condition, NoneOf) and condition.field == "status":
            return self._maker.ids  # nothing is made in the trash
        if isinstance(condition, Between):
            return self._between(condition)
        return None

    def _between(self, condition: Between) -> Sequence[int] | None:
        ids, date_of = self._maker.ids, self._maker.rising_date(condition.field)
        if date_of is None:
            return None
        start = bisect_right(ids, condition.after, key=date_of)
        stop = bisect_left(ids, condition.before, key=date_of) if condition.before else len(ids)
        return ids[start : max(start, stop)]


def _holds(record: Record | None, conditions: Sequence[Condition]) -> bool:
    return record is not None and meets(record, conditions)
