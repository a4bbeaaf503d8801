"""What a listing may ask of a record, as values that both kinds of collection understand.

Belongs here: conditions and whether a record in hand meets them. Does not: reading them from a
query (parameters.py), finding records by them without reading all (records.py, made.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class OneOf:
    """The field has one of these values; text is compared without case."""

    field: str
    values: tuple[str | int, ...]

    def holds(self, record: Record) -> bool:
        """Whether the record meets it."""
        value = record.get(self.field)
        return (value.lower() if isinstance(value, str) else value) in self.values


@dataclass(frozen=True)
class NoneOf:
    """The field has none of these values."""

    field: str
    values: tuple[str | int, ...]

    def holds(self, record: Record) -> bool:
        """Whether the record meets it."""
        return record.get(self.field) not in self.values


@dataclass(frozen=True)
class Between:
    """A GMT date field lies strictly between two naive ISO times; an empty bound is open."""

    field: str
    after: str = ""
    before: str = ""

    def holds(self, record: Record) -> bool:
        """Whether the record meets it; a null date meets none."""
        value = record.get(self.field)
        if not isinstance(value, str):
            return False
        return value > self.after and (not self.before or value < self.before)


@dataclass(frozen=True)
class Contains:
    """Text is found, without case, in one of the fields (a dict is searched in its values)."""

    fields: tuple[str, ...]
    text: str

    def holds(self, record: Record) -> bool:
        """Whether the record meets it."""
        return any(self.text in text.lower() for text in self._texts(record))

    def _texts(self, record: Record) -> Iterable[str]:
        for field in self.fields:
            value = record.get(field, "")
            if isinstance(value, dict):
                yield " ".join(str(part) for part in value.values())
            else:
                yield str(value)


Condition = OneOf | NoneOf | Between | Contains


def meets(record: Record, conditions: Sequence[Condition]) -> bool:
    """Whether the record meets all conditions."""
    return all(condition.holds(record) for condition in conditions)
