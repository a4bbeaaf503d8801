"""Scanning one listing of a remote system to its end, and knowing whether it was all of it.

Belongs here: which ranges are asked for, what the totals prove, and the sweep that finds what
slipped between pages. Does not: one range (sources/), what a scan is for (extract.py).

Why everything was read (decision 32): before the first page the highest id H and the total T are
asked for in one request, so T records have an id of at most H. New ids are above H, so what has an
id of at most H can only leave. If T different ids of at most H landed, they are those T records:
none slipped between pages, whatever came and went meanwhile. As many new as gone keep every total
equal, and show here.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.by_ids import read_all_by_ids
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.paging import AdaptiveLimit, PageSizes, read_pages
from sync_pipeline.sources.protocol import Listing, Page, PageRequest, Source, UnreadableRecord
from sync_pipeline.stages.coverage import Coverage, bound_name, sweep_name
from sync_pipeline.stages.landing import (
    Landed,
    land,
    land_by_ids,
    landed_ranges,
    missing_requests,
)

SWEEPS = 3

OnRead = Callable[[str, int, int | None], None]
"""Told after each range: listing, records landed in it, the listing's total if known."""


class Scanner:
    """One extract: what is shared by the listings that it reads.

    Attributes:
        limit: how many requests may be in flight.
        sizes: how many records are asked for at a time.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        connection: Connection,
        source: Source,
        settings: SourceSettings,
        on_read: OnRead | None,
    ) -> None:
        self.database = database
        self.queue = queue
        self.source = source
        self.settings = settings
        self.on_read = on_read
        self.limit = AdaptiveLimit(settings.max_parallel_requests)
        self.sizes = PageSizes(min(settings.page_records, connection.page_records))

    def scan_whole(self, listing: Listing) -> Coverage:
        """Read a listing to its end, and prove it."""
        coverage = self._read_bounded(listing)
        for _ in range(SWEEPS):
            if coverage.is_complete:
                break
            coverage = self._sweep(listing, coverage.recovered)
        return coverage

    def _read_bounded(self, listing: Listing) -> Coverage:
        """Read a listing through, held against its highest id and its total from before."""
        bound = bound_name(listing.name)
        if not self._landed(listing.name) and not self._landed(bound):
            land(self.database, self.queue, bound, self.source.highest(listing))
        self.read_through(listing, None)
        # Pages of an older version have no bound: they prove nothing.
        return self.coverage(listing, is_bounded=True)

    def _landed(self, name: str) -> list[Landed]:
        return landed_ranges(self.database, self.queue, name)

    def scan_part(self, listing: Listing, most: int | None) -> Coverage:
        """Read what a filter leaves; there is nothing to prove."""
        self.read_through(listing, most)
        return replace(self.coverage(listing), is_complete=None)

    def read_through(self, listing: Listing, most: int | None) -> None:
        """Land every range of the listing that did not land before."""
        landed = self._landed(listing.name)
        if not landed:
            first = PageRequest(0, min(self.sizes.current, most or self.sizes.current))
            self._read(listing, [first])
        while True:
            landed = self._landed(listing.name)
            end = self._end(landed, most)
            requests = list(
                missing_requests(end, self.sizes.current, (one.request for one in landed))
            )
            if most is not None:
                requests = [_cut(request, most) for request in requests if request.offset < most]
            if not requests:
                return
            self._read(listing, requests)

    def _end(self, landed: list[Landed], most: int | None) -> int:
        """How far a listing goes, as far as is known from what landed of it."""
        totals = [one.total for one in landed if one.total is not None]
        if totals:
            end = max(totals)
        else:
            # The store names no totals: go on until a range comes back short.
            last = max(landed, key=lambda one: one.request)
            reach = last.request.offset + last.request.limit
            end = reach if last.n_records < last.request.limit else reach + self.sizes.current
        return end if most is None else min(end, most)

    def _read(self, listing: Listing, requests: list[PageRequest]) -> None:
        for outcome in read_pages(
            self.source, listing, requests, limit=self.limit, sizes=self.sizes
        ):
            land(self.database, self.queue, listing.name, outcome)
            if self.on_read and isinstance(outcome, Page):
                self.on_read(listing.name, len(outcome.records), outcome.total)

    def coverage(self, listing: Listing, *, is_bounded: bool = False) -> Coverage:
        """What landed of a listing, beside what the store says of it.

        Args:
            is_bounded: it was read whole, and its highest id was asked for before.
        """
        row = self.one(
            "extract/coverage",
            queue_no=self.queue.queue_no,
            listing=listing.name,
            bound_listing=bound_name(listing.name),
        )
        assert row is not None  # noqa: S101  (an aggregate has a row)
        # Changes have no bound: an edited record comes in with the id that it has.
        is_proof = is_bounded and not row["is_lowest"]
        is_whole = row["n_within"] == row["first_total"] if is_proof else row["is_steady"]
        return Coverage(
            scanned=row["n_distinct"],
            total=row["total"],
            is_complete=is_whole and row["n_distinct"] == row["total"],
            noisy_pages=row["n_noisy"],
        )

    def _sweep(self, listing: Listing, recovered: int) -> Coverage:
        """Read all ids again, fetch the missing records, and hold both together."""
        ids = replace(listing, name=sweep_name(listing.name), fields=("id",))
        for name in (ids.name, bound_name(ids.name)):
            self.execute("extract/forget", queue_no=self.queue.queue_no, listing=name)
        swept = self._read_bounded(ids)
        missing = self._missing(listing, ids)
        if missing:
            found = read_all_by_ids(self.source, listing, missing)
            if found:
                land_by_ids(self.database, self.queue, listing.name, found)
            recovered += sum(not isinstance(one, UnreadableRecord) for one in found)
        still_missing = len(self._missing(listing, ids))
        return replace(
            swept,
            scanned=swept.scanned - still_missing,
            is_complete=bool(swept.is_complete) and still_missing == 0,
            recovered=recovered,
            is_swept=True,
            noisy_pages=self.coverage(listing).noisy_pages,
        )

    def _missing(self, listing: Listing, ids: Listing) -> list[str]:
        rows = self.all(
            "extract/missing",
            queue_no=self.queue.queue_no,
            listing=listing.name,
            sweep_listing=ids.name,
        )
        return [row["external_id"] for row in rows]

    def one(self, name: str, **values: Any) -> dict[str, Any] | None:  # noqa: ANN401
        """The one row that a statement of `sql/` gives, if any."""
        with self.database.organization(self.queue.org_id) as conn:
            return conn.execute(statement(name), values).fetchone()

    def all(self, name: str, **values: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        """The rows that a statement of `sql/` gives."""
        with self.database.organization(self.queue.org_id) as conn:
            return conn.execute(statement(name), values).fetchall()

    def execute(self, name: str, **values: Any) -> None:  # noqa: ANN401
        """Run a statement of `sql/` that gives nothing."""
        with self.database.organization(self.queue.org_id) as conn:
            conn.execute(statement(name), values)


def _cut(request: PageRequest, most: int) -> PageRequest:
    return PageRequest(request.offset, min(request.limit, most - request.offset))
