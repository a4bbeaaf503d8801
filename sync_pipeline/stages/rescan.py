"""Rolling rescan: each reading of changes reads a slice of the whole listing as well, in turn.

Belongs here: which slice, and landing it. Does not: the changes (deltas.py), keeping where the next
slice begins (watermarks.py).

An edit that bumps no date shows in no list of changes; within as many syncs as the listing has
slices it is found all the same. A slice is a place in the order of ids, so a record that goes moves
the others by one: but then the total is short, and everything is read anyway. Slices land apart, at
places of their own; of unchanged records enqueue makes no line. A record that the store cannot
serve is left to the next whole reading.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sync_pipeline.sources.paging import read_pages
from sync_pipeline.sources.protocol import Listing, Page, PageRequest
from sync_pipeline.stages.coverage import rescan_name
from sync_pipeline.stages.landing import land, landed_ranges, missing_requests
from sync_pipeline.stages.scan import Scanner

# A line's number is its record's place: below are those of the changes, above those of children.
_FIRST_PLACE: Final = 500_000_000


@dataclass(frozen=True)
class Slice:
    """What was read of the whole listing.

    Attributes:
        n_records: how many records landed.
        total: of the listing, when this reading's answers told one and the same.
        next_offset: where the next slice begins; None: nothing was to be read.
    """

    n_records: int = 0
    total: int | None = None
    next_offset: int | None = None


def read_slice(scanner: Scanner, listing: Listing, known_as: str, pages: int) -> Slice:
    """Land the slice whose turn it is, or what a stop left of it.

    Args:
        scanner: of the extract.
        listing: as it is read whole.
        known_as: name of the watermark that the place is kept with.
        pages: how long a slice is; 0: there is none.
    """
    place = scanner.one(
        "extract/rescan_place", connection_id=scanner.queue.connection_id, known_as=known_as
    )
    if place is None or not pages:
        return Slice()
    requests = slice_requests(place["rescan_offset"], place["total"], scanner.sizes.current, pages)
    if not requests:
        return Slice()
    name = rescan_name(listing)
    database, queue = scanner.database, scanner.queue
    start, end = requests[0].offset, requests[-1].offset + requests[-1].limit
    landed = [
        PageRequest(one.request.offset - _FIRST_PLACE - start, one.request.limit)
        for one in landed_ranges(database, queue, name)
    ]
    # A start before this one may have asked for smaller pages.
    waiting = [
        PageRequest(start + one.offset, one.limit)
        for one in missing_requests(end - start, scanner.sizes.current, landed)
        if one.offset < end - start
    ]
    totals = set()
    outcomes = read_pages(
        scanner.source, listing, waiting, limit=scanner.limit, sizes=scanner.sizes
    )
    for outcome in outcomes:
        if isinstance(outcome, Page):
            # Past the end of orders the total reads 0 (recorded).
            totals.add(outcome.total if outcome.records else None)
            where = PageRequest(_FIRST_PLACE + outcome.request.offset, outcome.request.limit)
            page = Page(where, outcome.records, None, outcome.elapsed_seconds, outcome.noise)
            land(database, queue, name, page)
            if scanner.on_read:
                scanner.on_read(name, len(page.records), None)
    return Slice(
        n_records=sum(one.n_records for one in landed_ranges(database, queue, name)),
        total=totals.pop() if len(totals) == 1 else None,
        next_offset=end if end < place["total"] else 0,
    )


def slice_requests(offset: int, total: int, page_records: int, pages: int) -> Sequence[PageRequest]:
    """The pages of the slice at that place of a listing of so many records. Pure.

    It begins anew where the listing ended, and ends where the listing does.
    """
    start = offset if offset < total else 0
    end = min(start + pages * page_records, total)
    return [PageRequest(at, page_records) for at in range(start, end, page_records)]
