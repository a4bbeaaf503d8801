"""A digest of a set of records that does not depend on their order.

Belongs here: its algebra; pure. Does not: reading either side (proof.py, sql/proof/compare.sql,
which computes the very same).

    element  md5 of "<external id> <content hash>", as two signed halves of 64 bits
    digest   how many elements, and the sum of each half, modulo 2^64

A sum needs neither an order nor memory, and parts of a set may be summed apart. An exclusive or
would do that too, but two equal records would cancel each other out. Two sets that differ by chance
have one digest once in 2^128; it is no protection against somebody who wants that (decision 11).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import md5
from typing import Self

_HALF_BYTES = 8
_RANGE = 1 << 64


@dataclass(frozen=True)
class Digest:
    """A set of (external id, content hash).

    Attributes:
        count: how many.
        high, low: sums of the halves; sums that differ by a multiple of 2^64 are the same.
    """

    count: int = 0
    high: int = 0
    low: int = 0

    @classmethod
    def of(cls, records: Iterable[tuple[str, str]]) -> Self:
        """The digest of these records.

        Args:
            records: external id and content hash, the hash as PostgreSQL writes a UUID.
        """
        count = high = low = 0
        for external_id, content_hash in records:
            element = md5(f"{external_id} {content_hash}".encode(), usedforsecurity=False).digest()
            count += 1
            high += int.from_bytes(element[:_HALF_BYTES], "big", signed=True)
            low += int.from_bytes(element[_HALF_BYTES:], "big", signed=True)
        return cls(count, high % _RANGE, low % _RANGE)

    @classmethod
    def of_sums(cls, count: int, high: object, low: object) -> Self:
        """What SQL summed up; its sums are exact and beyond 64 bits."""
        return cls(count, int(str(high)) % _RANGE, int(str(low)) % _RANGE)

    def __add__(self, other: "Digest") -> "Digest":
        """The digest of both sets together; what is in both counts twice."""
        return Digest(
            self.count + other.count,
            (self.high + other.high) % _RANGE,
            (self.low + other.low) % _RANGE,
        )

    def __str__(self) -> str:
        """32 hexadecimal digits."""
        return f"{self.high:016x}{self.low:016x}"
