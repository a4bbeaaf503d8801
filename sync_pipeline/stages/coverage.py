"""What a scan saw of one listing, and under which names it landed.

Belongs here: the value that stages hand on and keep with the queue. Does not: scanning (scan.py).
"""

from dataclasses import dataclass, replace
from typing import Final

from sync_pipeline.sources.protocol import Listing


@dataclass(frozen=True)
class Coverage:
    """What a scan saw of one listing.

    Attributes:
        scanned: different records that landed (and still exist, when ids were swept).
        total: what the store says it holds; None if it does not say.
        is_complete: scanned equals total and nothing moved unnoticed; None: nothing to prove.
        recovered: records that slipped between pages and were fetched by id.
        is_swept: ids were swept, because the totals moved or did not match.
        noisy_pages: answers that held something before their JSON.
        children: how many of scanned and total were listed under others.
        store_total: only what changed was read, and this is what the whole listing holds.
        rescanned: records of the slice of the whole listing that was read besides the changes.
        rescan_offset: where the next slice begins; None: it stays where it is.
        is_doubted: more is missing than is believed at once (believing.py).
        since: of changes, the moment after which they were asked for, naive GMT.
    """

    scanned: int
    total: int | None
    is_complete: bool | None
    recovered: int = 0
    is_swept: bool = False
    noisy_pages: int = 0
    children: int = 0
    store_total: int | None = None
    rescanned: int = 0
    rescan_offset: int | None = None
    since: str | None = None
    is_doubted: bool = False

    @property
    def is_delta(self) -> bool:
        """Whether only what changed was read."""
        return self.store_total is not None

    @property
    def listed_total(self) -> int | None:
        """What the store says its listing holds as a whole, without children."""
        if self.store_total is not None or self.total is None:
            return self.store_total
        return self.total - self.children

    def with_children(self, n_landed: int, n_missing: int) -> "Coverage":
        """The same with what was listed under its records, of which some may not have come."""
        return replace(
            self,
            scanned=self.scanned + n_landed,
            total=None if self.total is None else self.total + n_landed + n_missing,
            children=n_landed + n_missing,
            is_complete=self.is_complete and n_missing == 0,
        )


NOTHING_READ: Final = Coverage(scanned=0, total=None, is_complete=None)


def sweep_name(listing: str) -> str:
    """Under which name the ids of a listing land when they are swept."""
    return f"{listing}:ids"


def bound_name(listing: str) -> str:
    """Under which name the highest id of a listing lands, as it was before its first page."""
    return f"{listing}:highest"


def delta_name(listing: Listing) -> str:
    """Under which name the changes of a listing land."""
    return f"{listing.name}:delta"


def rescan_name(listing: Listing) -> str:
    """Under which name a slice of the whole listing lands beside its changes."""
    return f"{listing.name}:rescan"


def landed_name(listing: Listing, coverage: Coverage) -> str:
    """Under which name that landed of a listing which counts: all of it, or what changed."""
    return delta_name(listing) if coverage.is_delta else listing.name


def absent_name(listing: Listing) -> str:
    """Under which name the ids land that a whole reading did not show."""
    return f"{listing.name}:absent"


def answers_name(listing: Listing) -> str:
    """Under which name the store's answers about absent records land."""
    return f"{listing.name}:answers"
