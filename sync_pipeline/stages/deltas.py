"""Reading what changed of a listing since its watermark, and the proof that nothing else did.

Belongs here: when changes are enough, and when everything is read instead. Does not: scanning
(scan.py), moving the watermark (enqueue.py, figures.py).

What was trashed or deleted shows in no list of changes. One request for the whole listing's total
tells whether anything is gone: it must be what is known and the new ones. If not, all is read.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sync_pipeline.entities import Entity
from sync_pipeline.entities.reading import Changes
from sync_pipeline.sources.protocol import Listing, PageRequest
from sync_pipeline.stages.coverage import Coverage, delta_name
from sync_pipeline.stages.landing import landed_ranges
from sync_pipeline.stages.rescan import read_slice
from sync_pipeline.stages.scan import Scanner

# A busy store takes orders between the changes and the total: they are read once more.
_TRIES: Final = 2


@dataclass(frozen=True)
class Known:
    """Where it is kept how far a listing is read, and how many records it held.

    Attributes:
        watermark: file of `sql/`: watermark_utc; no row: everything must be read.
        expected: file of `sql/`: n_expected, how many records there must be with what landed.
        values: parameters of both besides those of the queue.
    """

    watermark: str
    expected: str
    values: dict[str, Any]


def known_figures(listing: Listing, salt: str | None) -> Known:
    """How far the orders are read that customers' figures are made of, with what is asked now."""
    values = {"known_as": listing.name, "salt": salt}
    return Known("extract/watermark", "extract/orders_expected", values)


def known_records(entity: Entity, rule: str) -> Known:
    """How far an entity's own records are read, with the mapping as it is now."""
    return Known(
        "extract/records_watermark",
        "extract/records_expected",
        {
            "known_as": entity.watermark_name,
            "entity": entity.name,
            "salt": entity.watermark_salt(rule),
        },
    )


def scan_changes(
    scanner: Scanner, listing: Listing, changes: Changes, known: Known, *, rescan_pages: int = 0
) -> Coverage:
    """Read what changed since the watermark; everything, when there is none or it shows gaps.

    A full sync reads everything in any case.

    Args:
        scanner: of the extract.
        listing: as it is read whole.
        changes: how it is asked for what changed.
        known: how far it is read.
        rescan_pages: of the whole listing, read besides (rescan.py).
    """
    delta = None if scanner.queue.is_full else _since_watermark(scanner, listing, changes, known)
    # A start before this one found gaps and began to read everything: what it landed of that
    # would pass for the whole, and every other record for deleted.
    is_begun = bool(landed_ranges(scanner.database, scanner.queue, listing.name))
    if delta is None or is_begun:
        return scanner.scan_whole(listing)
    for _ in range(_TRIES):
        scanner.read_through(delta, None)
        coverage = scanner.coverage(delta)
        found = read_slice(scanner, listing, known.values["known_as"], rescan_pages)
        # The slice's answer tells it as well, once.
        total = found.total
        if total is None:
            total = scanner.source.read(listing, PageRequest(0, 1), ids_only=True).total
        expected = _expected(scanner, delta, known)
        if coverage.is_complete and total == expected:
            return replace(
                coverage,
                store_total=total,
                since=delta.params[changes.param],
                rescanned=found.n_records,
                rescan_offset=found.next_offset,
            )
        if total is None or total < expected:
            break
        scanner.execute("extract/forget", queue_no=scanner.queue.queue_no, listing=delta.name)
    return scanner.scan_whole(listing)


@dataclass(frozen=True)
class Newest:
    """Up to where what landed of a listing goes.

    Attributes:
        change_utc: until when it is known; None: nothing in it has a date.
        highest_id: of its records; None: none has a number.
    """

    change_utc: datetime | None = None
    highest_id: int | None = None


def newest_landed(scanner: Scanner, listing: str, changes: Changes) -> Newest:
    """Up to where what landed of a listing goes."""
    row = scanner.one(
        "extract/newest",
        queue_no=scanner.queue.queue_no,
        listing=listing,
        date_field=changes.date_field,
    )
    return Newest(row["watermark_utc"], row["highest_id"]) if row else Newest()


def _since_watermark(
    scanner: Scanner, listing: Listing, changes: Changes, known: Known
) -> Listing | None:
    row = scanner.one(known.watermark, connection_id=scanner.queue.connection_id, **known.values)
    if row is None:
        return None
    overlap = timedelta(seconds=scanner.settings.watermark_overlap_seconds)
    after: datetime = (row["watermark_utc"] - overlap).astimezone(UTC)
    since = {changes.param: f"{after:%Y-%m-%dT%H:%M:%S}", **changes.params}
    return replace(listing, name=delta_name(listing), params={**listing.params, **since})


def _expected(scanner: Scanner, delta: Listing, known: Known) -> int:
    row = scanner.one(
        known.expected,
        queue_no=scanner.queue.queue_no,
        connection_id=scanner.queue.connection_id,
        listing=delta.name,
        **known.values,
    )
    return int(row["n_expected"]) if row else -1
