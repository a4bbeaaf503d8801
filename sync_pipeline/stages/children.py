"""Reading records that are listed under others: one listing a parent, landed as one page each.

Belongs here: whose children are read, and whether all that their parents name came. Does not: the
parents (scan.py, deltas.py), one range (sources/).

A page a parent, so that a stopped extract goes on at the first parent whose page is missing. Their
places come after those of all records of the listing itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from sync_pipeline import logs
from sync_pipeline.entities.reading import NestedListing
from sync_pipeline.errors import PermanentError
from sync_pipeline.sources.adaptive import AdaptiveLimit, PageSizes
from sync_pipeline.sources.paging import page_requests, read_pages
from sync_pipeline.sources.protocol import (
    Listing,
    Page,
    PageRequest,
    Record,
    Source,
    UnreadableRecord,
)
from sync_pipeline.stages.coverage import Coverage, landed_name, sweep_name
from sync_pipeline.stages.landing import land, marked
from sync_pipeline.stages.scan import Scanner

# Places of a listing's own records are below, those of records fetched by id above 2,000,000,000.
_FIRST_PLACE: Final = 1_000_000_000


def read_children(
    scanner: Scanner, nested: NestedListing, listing: Listing, parents: Coverage
) -> Coverage:
    """Land the children of every landed parent that names any.

    Args:
        scanner: of the extract.
        nested: how children are listed.
        listing: the parents' own.
        parents: what was read of it.

    Returns:
        Parents and children together; complete when the parents are and every named child came.
    """
    values = {
        "queue_no": scanner.queue.queue_no,
        "listing": landed_name(listing, parents),
        "sweep_listing": sweep_name(listing.name),
        "is_swept": parents.is_swept,
        "prefix": nested.prefix,
        "ids_field": nested.ids_field,
    }
    place = scanner.one("extract/children_place", first_place=_FIRST_PLACE, **values)
    assert place is not None  # noqa: S101  (an aggregate has a row)
    next_offset = int(place["next_offset"])
    for waiting in _chunks(scanner.all("extract/parents", **values), scanner):
        for parent, page in _read_all(scanner, nested, listing, waiting):
            limit = max(len(page.records), 1)
            placed = Page(
                PageRequest(next_offset, limit), page.records, page.total, page.elapsed_seconds
            )
            land(scanner.database, scanner.queue, nested.under(parent).name, placed)
            next_offset += limit
            if scanner.on_read:
                scanner.on_read(nested.name, len(page.records), None)
    found = scanner.one("extract/children", **values)
    assert found is not None  # noqa: S101  (an aggregate has a row)
    return parents.with_children(found["n_landed"], found["n_missing"])


def _chunks(
    parents: Sequence[Mapping[str, Any]], scanner: Scanner
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """As many parents as may be asked about at once."""
    start = 0
    while start < len(parents):
        end = start + scanner.limit.current
        yield parents[start:end]
        start = end


def _read_all(
    scanner: Scanner,
    nested: NestedListing,
    listing: Listing,
    parents: Sequence[Mapping[str, Any]],
) -> Iterator[tuple[str, Page]]:
    size = scanner.sizes.current
    with logs.Workers(len(parents), thread_name_prefix="read-children") as pool:
        reading = [
            (one, pool.submit(_read_one, scanner.source, nested, listing, one, size))
            for one in parents
        ]
        for one, future in reading:
            yield str(one["parent_id"]), future.result()


def _read_one(
    source: Source, nested: NestedListing, listing: Listing, parent: Mapping[str, Any], size: int
) -> Page:
    """All children of one parent (in a pool thread); none when the parent is gone meanwhile."""
    under = nested.under(str(parent["parent_id"]))
    try:
        first = _read_range(source, under, [PageRequest(0, size)])
        reach = max(parent["n_children"], *(one.total or 0 for one in first))
        rest = _read_range(source, under, list(page_requests(reach, size, start=size)))
    except PermanentError:
        if source.read_by_ids(listing, [under.name.removeprefix(nested.prefix)]):
            raise
        first, rest = [], []
    pages = sorted([*first, *rest], key=lambda one: one.request)
    parent_id = str(parent["parent_id"])
    records = [nested.placed(record, parent_id) for page in pages for record in page.records]
    return Page(
        PageRequest(0, size), records, len(records), sum(one.elapsed_seconds for one in pages)
    )


def _read_range(source: Source, under: Listing, requests: Sequence[PageRequest]) -> list[Page]:
    """The ranges of one listing, a bad record narrowed down to the reason why."""
    limit, sizes = AdaptiveLimit(1), PageSizes(max((one.limit for one in requests), default=1))
    return [
        one if isinstance(one, Page) else _stand_in(one)
        for one in read_pages(source, under, requests, limit=limit, sizes=sizes)
    ]


def _stand_in(one: UnreadableRecord) -> Page:
    record: Record = marked(one)
    return Page(PageRequest(one.offset, 1), [record], None, 0.0)
