"""Records as JSON: `_fields`, decimal places, the store's time zone.

Belongs here: what a client sees of a record. Does not: which records (listing.py).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sync_pipeline.demo.conditions import Record
from sync_pipeline.demo.records import Collection, wordpress_json
from sync_pipeline.demo.store import RECORDED_TIMEZONE, local_time

Fields = Mapping[str, "Fields"]
_RECORDED_PLACES = 2
_RECORDED_ZONE = ZoneInfo(RECORDED_TIMEZONE)
_MONEY = re.compile(r"-?\d+\.\d{2}")
_NOT_MONEY = frozenset({"version", "number", "rate_percent", "amount"})


@dataclass(frozen=True)
class View:
    """How records are shown.

    Attributes:
        fields: `_fields` as a tree; None shows everything.
        places: decimals of money; the store keeps two.
    """

    fields: Fields | None = None
    places: int = _RECORDED_PLACES
    zone: ZoneInfo = _RECORDED_ZONE

    def page(self, collection: Collection, ids: Sequence[int]) -> str:
        """A JSON array of the records with these ids."""
        if self.fields is None and self._is_plain():
            return f"[{','.join(map(collection.text, ids))}]"
        records = (collection.get(i) for i in ids)
        return wordpress_json([self._shown(r) or [] for r in records if r is not None])

    def single(self, record: Record) -> str:
        """One record; `_links` always stays (recorded)."""
        shown = self._shown(record)
        if self.fields is not None and "_links" in record:
            shown |= {"_links": record["_links"]}
        return wordpress_json(shown)

    def _is_plain(self) -> bool:
        return self.places == _RECORDED_PLACES and self.zone.key == RECORDED_TIMEZONE

    def _shown(self, record: Record) -> Record:
        if not self._is_plain():
            record = _with_places(_in_zone(record, self.zone), self.places)
        return record if self.fields is None else picked(record, self.fields)


def fields_tree(given: str | Sequence[str] | None) -> Fields | None:
    """`_fields` as a tree: "id,billing.email" is {id: {}, billing: {email: {}}}."""
    if given is None:
        return None
    names = re.split(r"[\s,]+", given) if isinstance(given, str) else given
    tree: dict[str, Any] = {}
    for name in filter(None, names):
        branch = tree
        for part in name.split("."):
            branch = branch.setdefault(part, {})
    return tree or None


def picked(record: Record, fields: Fields) -> Record:
    """The named fields, in the record's order. A list has no names, so nothing of it is left."""
    shown = {}
    for name, value in record.items():
        inner = fields.get(name)
        if inner is None:
            continue
        if inner and isinstance(value, dict):
            shown[name] = picked(value, inner)
        else:
            shown[name] = [] if inner and isinstance(value, list) else value
    return shown


def _in_zone(record: Record, zone: ZoneInfo) -> Record:
    """The record with its local times those of another zone."""
    local = {}
    for name, value in record.items():
        if name.endswith("_gmt") and isinstance(value, str) and name[:-4] in record:
            moment_utc = datetime.fromisoformat(value).replace(tzinfo=UTC)
            local[name[:-4]] = local_time(moment_utc, zone)
    return record | local


def _with_places(value: Any, places: int, name: str = "") -> Any:  # noqa: ANN401 - any JSON value
    if places == _RECORDED_PLACES:
        return value
    if isinstance(value, dict):
        return {key: _with_places(part, places, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_places(part, places) for part in value]
    if isinstance(value, str) and name not in _NOT_MONEY and _MONEY.fullmatch(value):
        return str(Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    return value
