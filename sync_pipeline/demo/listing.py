"""Which records a listing shows, in which order, and what its headers say.

Belongs here: filters, order, paging, time zones. Does not: checking parameters (parameters.py),
writing records (rendering.py).

A time with a zone is first turned into the store's own time; then dates_are_gmt=true takes what
stands there for GMT. So only a naive GMT time with dates_are_gmt=true is right (timezones/).
Without it orders are compared in GMT, but products with the local time they were stored under,
whatever the zone is today.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ceil
from zoneinfo import ZoneInfo

from sync_pipeline.demo.conditions import Between, Condition, Contains, NoneOf, OneOf, meets
from sync_pipeline.demo.parameters import Schema, Value
from sync_pipeline.demo.records import Collection
from sync_pipeline.demo.schemas import (
    CUSTOMERS,
    HIDDEN_ORDER_STATUSES,
    HIDDEN_PRODUCT_STATUSES,
    ORDERS,
)

_SELECTIONS_KEPT = 32


@dataclass(frozen=True)
class Shown:
    """One page of a listing.

    Attributes:
        ids: in the order shown.
        total, pages: as X-WP-Total and X-WP-TotalPages tell them.
        page: the page shown, counted from 1; an offset is rounded up to one.
    """

    ids: Sequence[int]
    total: int
    pages: int
    page: int


class Selections:
    """Filtered and ordered ids, remembered until their collection changes."""

    def __init__(self) -> None:
        self._kept: dict[object, tuple[int, Sequence[int]]] = {}

    def ids(
        self,
        collection: Collection,
        parameters: Mapping[str, Value],
        schema: Schema,
        zone: ZoneInfo,
    ) -> Sequence[int]:
        """All ids that validated parameters ask for, in their order."""
        # Paging and _fields choose nothing: the pages of one listing share a selection.
        asked = tuple(
            (name, tuple(value) if isinstance(value, list) else value)
            for name, value in sorted(parameters.items())
            if name in _SELECTING or name in schema.equal or name in schema.dates
        )
        key = (id(collection), id(schema), asked)
        version, ids = self._kept.get(key, (-1, ()))
        if version != collection.version:
            version = collection.version
            ids = _selected(collection, parameters, schema, zone)
            if len(self._kept) >= _SELECTIONS_KEPT:
                self._kept.clear()
            self._kept[key] = (version, ids)
        return ids


_SELECTING = ("orderby", "order", "include", "exclude", "search", "dates_are_gmt")


def shown(ids: Sequence[int], parameters: Mapping[str, Value], schema: Schema) -> Shown:
    """The page of a selection that the parameters ask for."""
    per_page = int(_text(parameters, "per_page", "10"))
    page = int(_text(parameters, "page", "1"))
    start = (page - 1) * per_page
    if "offset" in parameters:
        start = max(0, int(_text(parameters, "offset", "0")))
        page = ceil(start / per_page) + 1
    on_page = ids[start : start + per_page]
    total = 0 if schema.forgets_total and not on_page else len(ids)
    return Shown(on_page, total, ceil(total / per_page), page)


def naive_bound(value: str, zone: ZoneInfo) -> datetime:
    """A date parameter as the store first reads it: naive, a zone turned into the store's own."""
    given = datetime.fromisoformat(value.upper().replace(" ", "T"))
    return given if given.tzinfo is None else given.astimezone(zone).replace(tzinfo=None)


def is_true(value: Value | None) -> bool:
    """A boolean parameter as WordPress reads it."""
    return isinstance(value, str) and value.lower() in ("1", "true")


def _selected(
    collection: Collection, parameters: Mapping[str, Value], schema: Schema, zone: ZoneInfo
) -> Sequence[int]:
    conditions = _conditions(parameters, schema, zone)
    included = _ids(parameters, "include")
    orderby = _text(parameters, "orderby", schema.default_orderby)
    if included:
        # Sought one by one: a made store has a million others.
        ids = _included(collection, included, conditions)
    else:
        ids = collection.matching(conditions)
    excluded = set(_ids(parameters, "exclude"))
    if excluded:
        ids = [i for i in ids if i not in excluded]
    if orderby == "include" and included:
        return sorted(ids, key=included.index)
    ordered = collection.ordered(ids, schema.orderby[orderby])
    descending = _text(parameters, "order", "desc" if schema.descending else "asc") == "desc"
    return ordered[::-1] if descending else ordered


def _included(
    collection: Collection, included: Sequence[int], conditions: Sequence[Condition]
) -> Sequence[int]:
    found = ((i, collection.get(i)) for i in sorted(set(included)))
    return [i for i, record in found if record is not None and meets(record, conditions)]


def _conditions(
    parameters: Mapping[str, Value], schema: Schema, zone: ZoneInfo
) -> Sequence[Condition]:
    found: list[Condition] = []
    for name, field in schema.equal.items():
        condition = _equal(name, field, parameters.get(name), schema)
        if condition is not None:
            found.append(condition)
    gmt = is_true(parameters.get("dates_are_gmt"))
    for name, (field, side) in schema.dates.items():
        if name not in parameters:
            continue
        bound = naive_bound(_text(parameters, name, ""), zone)
        if schema.stores_local_dates and not gmt:
            field = field.removesuffix("_gmt")  # noqa: PLW2901 - the column beside it
        elif not gmt:
            bound = bound.replace(tzinfo=zone).astimezone(UTC)
        text = bound.strftime("%Y-%m-%dT%H:%M:%S")
        found.append(Between(field, after=text) if side == "after" else Between(field, before=text))
    search = _text(parameters, "search", "")
    if search:
        found.append(Contains(schema.searched, search.lower()))
    return found


def _equal(name: str, field: str, value: Value | None, schema: Schema) -> Condition | None:
    if name == "role" and schema is CUSTOMERS:
        role = value if isinstance(value, str) else "customer"
        return None if role == "all" else OneOf(field, (role,))
    values = value if isinstance(value, list) else [value] if value is not None else []
    if name == "status" and (not values or "any" in values):
        hidden = HIDDEN_ORDER_STATUSES if schema is ORDERS else HIDDEN_PRODUCT_STATUSES
        return NoneOf(field, hidden)
    if not values:
        return None
    if name == "customer":
        return OneOf(field, tuple(int(v) for v in values))
    return OneOf(field, tuple(v.lower() for v in values))


def _ids(parameters: Mapping[str, Value], name: str) -> list[int]:
    value = parameters.get(name, [])
    return [int(part) for part in value] if isinstance(value, list) else []


def _text(parameters: Mapping[str, Value], name: str, default: str) -> str:
    value = parameters.get(name, default)
    return value if isinstance(value, str) else default
