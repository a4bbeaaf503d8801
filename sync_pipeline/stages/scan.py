"""Scanning one listing of a remote system to its end, and knowing whether it was all of it.

Belongs here: which ranges are asked for, what the totals prove, and the sweep that finds what
slipped between pages. Does not: one range (sources/), what a scan is for (extract.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.by_ids import read_all_by_ids
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.paging import AdaptiveLimit, PageSizes, read_pages
from sync_pipeline.sources.protocol import Listing, Page, PageRequest, Source, UnreadableRecord
from sync_pipeline.stages.landing import land, land_by_ids, landed_ranges, missing_requests

SWEEPS = 3

OnRead = Callable[[str, int, int | None], None]
"""Told after each range: listing, records landed in it, the listing's total if known."""


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
    """

    scanned: int
    total: int | None
    is_complete: bool | None
    recovered: int = 0
    is_swept: bool = False
    noisy_pages: int = 0


class Scanner:
    """One extract: what is shared by the listings that it reads."""

    def __init__(
        self,
        database: Database,
        queue: Queue,
        connection: Connection,
        source: Source,
        settings: SourceSettings,
        on_read: OnRead | None,
    ) -> None:
        self._database = database
        self._queue = queue
        self._connection = connection
        self._source = source
        self._settings = settings
        self._on_read = on_read
        self._limit = AdaptiveLimit(settings.max_parallel_requests)
        self.sizes = PageSizes(min(settings.page_records, connection.page_records))

    def scan_whole(self, listing: Listing) -> Coverage:
        """Read a listing to its end, and prove it."""
        self._read_through(listing, None)
        coverage = self._coverage(listing)
        for _ in range(SWEEPS):
            if coverage.is_complete:
                break
            coverage = self._sweep(listing, coverage.recovered)
        return coverage

    def scan_part(self, listing: Listing, most: int | None) -> Coverage:
        """Read what a filter leaves; there is nothing to prove."""
        self._read_through(listing, most)
        return replace(self._coverage(listing), is_complete=None)

    def scan_figures(self, listing: Listing) -> Coverage:
        """Read what changed since the watermark; everything, when there is none or it shows gaps.

        A full sync reads everything in any case.

        `modified_after` never shows what was trashed or deleted. One request for the whole
        listing's total tells whether anything is gone, and then the listing is read whole.
        """
        delta = None if self._queue.is_full else self._since_watermark(listing)
        # A start before this one found gaps and began to read everything: what it landed of that
        # would pass for the whole, and every other order for deleted.
        is_begun = bool(landed_ranges(self._database, self._queue, listing.name))
        if delta is not None and not is_begun:
            self._read_through(delta, None)
            probe = self._source.read(listing, PageRequest(0, 1), ids_only=True)
            coverage = self._coverage(delta)
            if coverage.is_complete and probe.total == self._orders_expected(delta):
                return coverage
        return self.scan_whole(listing)

    def _since_watermark(self, listing: Listing) -> Listing | None:
        row = self._one(
            "extract/watermark",
            connection_id=self._connection.connection_id,
            listing=listing.name,
        )
        if row is None:
            return None
        overlap = timedelta(seconds=self._settings.watermark_overlap_seconds)
        after: datetime = (row["watermark_utc"] - overlap).astimezone(UTC)
        # Naive GMT with the flag is the one form that every time zone reads right (recorded).
        params = {
            **listing.params,
            "modified_after": f"{after:%Y-%m-%dT%H:%M:%S}",
            "dates_are_gmt": "true",
        }
        return replace(listing, name=delta_name(listing), params=params)

    def _read_through(self, listing: Listing, most: int | None) -> None:
        """Land every range of the listing that did not land before."""
        landed = landed_ranges(self._database, self._queue, listing.name)
        if not landed:
            first = PageRequest(0, min(self.sizes.current, most or self.sizes.current))
            self._read(listing, [first])
        while True:
            landed = landed_ranges(self._database, self._queue, listing.name)
            end = self._end(listing, most)
            requests = list(
                missing_requests(end, self.sizes.current, (one.request for one in landed))
            )
            if most is not None:
                requests = [_cut(request, most) for request in requests if request.offset < most]
            if not requests:
                return
            self._read(listing, requests)

    def _end(self, listing: Listing, most: int | None) -> int:
        """How far the listing goes, as far as is known now."""
        landed = landed_ranges(self._database, self._queue, listing.name)
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
            self._source, listing, requests, limit=self._limit, sizes=self.sizes
        ):
            land(self._database, self._queue, listing.name, outcome)
            if self._on_read and isinstance(outcome, Page):
                self._on_read(listing.name, len(outcome.records), outcome.total)

    def _coverage(self, listing: Listing) -> Coverage:
        row = self._one("extract/coverage", queue_no=self._queue.queue_no, listing=listing.name)
        assert row is not None  # noqa: S101  (an aggregate has a row)
        return Coverage(
            scanned=row["n_distinct"],
            total=row["total"],
            is_complete=row["is_steady"] and row["n_distinct"] == row["total"],
            noisy_pages=row["n_noisy"],
        )

    def _sweep(self, listing: Listing, recovered: int) -> Coverage:
        """Read all ids again, fetch the missing records, and hold both together."""
        ids = replace(listing, name=sweep_name(listing.name), fields=("id",))
        self._execute("extract/forget", queue_no=self._queue.queue_no, listing=ids.name)
        self._read_through(ids, None)
        missing = self._missing(listing, ids)
        if missing:
            found = read_all_by_ids(self._source, listing, missing)
            if found:
                land_by_ids(self._database, self._queue, listing.name, found)
            recovered += sum(not isinstance(one, UnreadableRecord) for one in found)
        swept = self._coverage(ids)
        still_missing = len(self._missing(listing, ids))
        return replace(
            swept,
            scanned=swept.scanned - still_missing,
            is_complete=bool(swept.is_complete) and still_missing == 0,
            recovered=recovered,
            is_swept=True,
            noisy_pages=self._coverage(listing).noisy_pages,
        )

    def _missing(self, listing: Listing, ids: Listing) -> list[str]:
        with self._database.organization(self._queue.org_id) as conn:
            rows = conn.execute(
                statement("extract/missing"),
                {
                    "queue_no": self._queue.queue_no,
                    "listing": listing.name,
                    "sweep_listing": ids.name,
                },
            ).fetchall()
        return [row["external_id"] for row in rows]

    def _orders_expected(self, delta: Listing) -> int:
        row = self._one(
            "extract/orders_expected",
            queue_no=self._queue.queue_no,
            connection_id=self._connection.connection_id,
            listing=delta.name,
        )
        return int(row["n_expected"]) if row else -1

    def _one(self, name: str, **values: Any) -> dict[str, Any] | None:  # noqa: ANN401
        with self._database.organization(self._queue.org_id) as conn:
            return conn.execute(statement(name), values).fetchone()

    def _execute(self, name: str, **values: Any) -> None:  # noqa: ANN401
        with self._database.organization(self._queue.org_id) as conn:
            conn.execute(statement(name), values)


def sweep_name(listing: str) -> str:
    """Under which name the ids of a listing land when they are swept."""
    return f"{listing}:ids"


def delta_name(listing: Listing) -> str:
    """Under which name the changes of a listing land."""
    return f"{listing.name}:delta"


def _cut(request: PageRequest, most: int) -> PageRequest:
    return PageRequest(request.offset, min(request.limit, most - request.offset))
