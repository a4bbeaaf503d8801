"""What every remote system looks like to the stages: ranges of id-ordered records.

Belongs here: the protocol and its values. Does not: how one system signs, pages or fails
(sources/woocommerce/), and how ranges are read in parallel (sources/paging.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Record = dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """One id-ordered listing of a remote system.

    Attributes:
        name: key of its landed pages, e.g. "customers", "orders".
        path: end point, e.g. "customers".
        fields: what is asked for; nothing else is read.
        params: further query parameters, e.g. {"role": "all"}; they narrow, they do not order.
    """

    name: str
    path: str
    fields: tuple[str, ...]
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, order=True)
class PageRequest:
    """The records at positions offset … offset + limit - 1 of a listing, ordered by id."""

    offset: int
    limit: int


@dataclass(frozen=True)
class Page:
    """One answered range.

    Attributes:
        records: parsed, in id order; short at the end of the listing.
        total: what the store says the listing holds in all at that moment; None if it does not say.
        elapsed_seconds: from the first attempt to the parsed answer.
        noise: what had to be skipped before the JSON (BOM, PHP warning), for the activity.
    """

    request: PageRequest
    records: list[Record]
    total: int | None
    elapsed_seconds: float
    noise: str | None = None


@dataclass(frozen=True)
class UnreadableRecord:
    """One position that the store cannot serve even alone; everything around it was read.

    Attributes:
        external_id: the record's id when an id-only request still tells it, else None.
        code: the typed error's stable code.
        reason: in words, without secrets.
    """

    offset: int
    external_id: str | None
    code: str
    reason: str


class Source(Protocol):
    """A remote system of one connection."""

    def read(
        self,
        listing: Listing,
        request: PageRequest,
        *,
        ids_only: bool = False,
        attempts: int | None = None,
    ) -> Page:
        """Read one range.

        Args:
            listing: what is read.
            request: which positions of it.
            ids_only: ask for nothing but the ids.
            attempts: at most so many after failures that the range itself may cause
                (PageFaultError); the setting when None. Other failures keep to the setting.

        Raises:
            TransientError: attempts are spent; another time may do.
            PermanentError: wrong key, no rights, no such route: a person must act.
        """
        ...

    def highest(self, listing: Listing) -> Page:
        """The record of the listing with the highest id, id only, and the total beside it.

        Raises as `read` does. An empty listing gives no record.
        """
        ...

    def read_by_ids(self, listing: Listing, ids: Sequence[str]) -> list[Record]:
        """Read the records with these ids; those that no longer exist are left out."""
        ...

    def read_one(self, listing: Listing, external_id: str) -> Record | None:
        """Read one record whether it is listed or not: `id`, and what it has of listing.fields.

        Returns:
            None: the remote system itself says that it has no such record. Nothing else counts:
            not a proxy's 404, nor a refusal.

        Raises as `read` does.
        """
        ...

    def close(self) -> None:
        """Let go of sockets."""
        ...
