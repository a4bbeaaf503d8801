"""Collections of records by id: the interface that listings read, and the one in memory.

Belongs here: finding, ordering and changing records. Does not: what a change means for other
collections (store.py), records that are made when read (made.py).
"""

import json
from bisect import bisect_left, insort
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Protocol

from sync_pipeline.demo.conditions import Condition, Record, meets
from sync_pipeline.errors import InputError


class Collection(Protocol):
    """Records of one kind. `version` grows with every change."""

    version: int

    def get(self, record_id: int) -> Record | None:
        """The record, or None."""
        ...

    def text(self, record_id: int) -> str:
        """The record as JSON, as WordPress writes it; KeyError when it is not there."""
        ...

    def matching(self, conditions: Sequence[Condition]) -> Sequence[int]:
        """Ids, ascending, of the records that meet all conditions."""
        ...

    def ordered(self, ids: Sequence[int], field: str) -> Sequence[int]:
        """The ids ascending by a field, then by id."""
        ...

    def put(self, record: Record) -> None:
        """Add or replace a record by its id."""
        ...

    def remove(self, record_id: int) -> None:
        """Take a record out; nothing happens when it is not there."""
        ...


class Records:
    """A collection held in memory; each record's JSON text is made once."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.version = 0
        self._by_id: dict[int, Record] = {int(record["id"]): record for record in records}
        self._ids = sorted(self._by_id)
        self._texts: dict[int, str] = {}

    def get(self, record_id: int) -> Record | None:
        """The record, or None."""
        return self._by_id.get(record_id)

    def text(self, record_id: int) -> str:
        """The record as JSON, as WordPress writes it; KeyError when it is not there."""
        text = self._texts.get(record_id)
        if text is None:
            text = self._texts[record_id] = wordpress_json(self._by_id[record_id])
        return text

    def matching(self, conditions: Sequence[Condition]) -> Sequence[int]:
        """Ids, ascending, of the records that meet all conditions."""
        if not conditions:
            return list(self._ids)
        by_id = self._by_id
        return [i for i in self._ids if meets(by_id[i], conditions)]

    def ordered(self, ids: Sequence[int], field: str) -> Sequence[int]:
        """The ids ascending by a field, then by id."""
        return ids if field == "id" else sorted(ids, key=lambda i: (_key(self._by_id[i], field), i))

    def put(self, record: Record) -> None:
        """Add or replace a record by its id."""
        record_id = int(record["id"])
        if record_id not in self._by_id:
            insort(self._ids, record_id)
        self._by_id[record_id] = record
        self._texts.pop(record_id, None)
        self.version += 1

    def remove(self, record_id: int) -> None:
        """Take a record out; nothing happens when it is not there."""
        if self._by_id.pop(record_id, None) is None:
            return
        del self._ids[bisect_left(self._ids, record_id)]
        self._texts.pop(record_id, None)
        self.version += 1


def copy_of(collection: Collection, record_id: int, kind: str) -> Record:
    """A copy of one record.

    Raises:
        InputError: there is none; it is called by its kind.
    """
    record = collection.get(record_id)
    if record is None:
        raise InputError(f"The demo store has no {kind} {record_id}.")
    return deepcopy(record)


def changed_copy(record: Record, changes: Mapping[str, object]) -> Record:
    """The record with some fields changed; a dict (billing=…) is merged into the one there."""
    merged = deepcopy(record)
    for name, value in changes.items():
        old = merged.get(name)
        merged[name] = old | value if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def wordpress_json(value: object) -> str:
    r"""JSON with the escapes of PHP: non-ASCII as \uXXXX and every slash as \/ (recorded)."""
    return json.dumps(value, separators=(",", ":")).replace("/", "\\/")


def _key(record: Record, field: str) -> str:
    return str(record.get(field) or "").lower()
