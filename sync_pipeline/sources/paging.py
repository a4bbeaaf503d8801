"""Reading ranges in parallel, whatever the store does.

Belongs here: who reads what when, and closing in on a record that cannot be served. Does not: one
request (the sources), how many and how large (adaptive.py), in which order (ranges.py), where pages
land (stages/extract.py).

A range that keeps failing in a way that its records may cause (PageFaultError) is split down the
ladder 100, 50, 25, 10, 5, 2, 1 until the bad record stands alone; all around it is read. Whether
the store as a whole is down is found out first, by one record elsewhere: else an outage would be
written down as a hundred bad records. For one bad record among 100 that makes about 14 calls, the
failing ones with few attempts: seconds.
"""

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from sync_pipeline import logs
from sync_pipeline.errors import TransientError
from sync_pipeline.sources.adaptive import AdaptiveLimit, PageSizes, rung_below
from sync_pipeline.sources.errors import PageFaultError, PageTimeoutError
from sync_pipeline.sources.protocol import Listing, Page, PageRequest, Source, UnreadableRecord
from sync_pipeline.sources.ranges import Task, Work, page_requests, parts_of, places_outside

__all__ = ["AdaptiveLimit", "PageSizes", "page_requests", "read_pages"]

_NARROWING_ATTEMPTS = 2
_VERDICT_ATTEMPTS = 3  # one record, before it is given up


def read_pages(
    source: Source,
    listing: Listing,
    requests: Iterable[PageRequest],
    *,
    limit: AdaptiveLimit,
    sizes: PageSizes,
) -> Generator[Page | UnreadableRecord, None, None]:
    """Read ranges in parallel and yield them as they come, in any order.

    What is yielded covers the requests exactly, in ranges of at most `sizes.current` records or
    narrower. `requests` is taken from lazily; nothing is held but what is in flight. Closing the
    iterator ends it when the requests in flight have ended.

    Raises:
        SyncError: the store is down or refuses us; pages in flight were yielded before.
    """
    reading = _Reading(source, listing, Work(iter(requests), sizes), limit, sizes)
    try:
        yield from reading.outcomes()
    finally:
        reading.close()


@dataclass(frozen=True)
class _Split:
    """The range failed; these parts of it are to be read instead."""

    parts: list[PageRequest]
    fault: PageFaultError


class _Reading:
    """One call of read_pages: the caller's thread decides, pool threads do all requests."""

    def __init__(
        self,
        source: Source,
        listing: Listing,
        work: Work,
        limit: AdaptiveLimit,
        sizes: PageSizes,
    ) -> None:
        self._source = source
        self._listing = listing
        self._work = work
        self._limit = limit
        self._sizes = sizes
        self._in_flight: dict[Future[Page | UnreadableRecord | _Split], Task] = {}
        self._stopped_by: BaseException | None = None
        self._pool = logs.Workers(limit.maximum, thread_name_prefix="read-pages")

    def outcomes(self) -> Iterator[Page | UnreadableRecord]:
        """Yield all that can be read, then raise what stopped it, if anything did."""
        self._fill()
        while self._in_flight:
            done, _ = wait(self._in_flight, return_when=FIRST_COMPLETED)
            outcome = self._settle(done.pop())
            self._fill()  # before the yield: the caller's work and ours overlap
            if outcome is not None:
                yield outcome
        if self._stopped_by is not None:
            raise self._stopped_by

    def close(self) -> None:
        """Start nothing more and wait for what runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _fill(self) -> None:
        while len(self._in_flight) < self._limit.current:
            task = self._work.take()
            if task is None:
                return
            self._in_flight[self._pool.submit(self._read, task)] = task

    def _settle(
        self, future: "Future[Page | UnreadableRecord | _Split]"
    ) -> Page | UnreadableRecord | None:
        """Learn from one answer; the page or verdict to yield, if it is one."""
        task = self._in_flight.pop(future)
        error = future.exception()
        if error is not None:
            self._stop(error)
            return None
        outcome = future.result()
        if isinstance(outcome, _Split):
            self._learn_from(outcome.fault, task)
            if self._stopped_by is None:
                self._work.put_first(outcome.parts)
            return None
        if isinstance(outcome, Page) and not task.narrowed:
            self._sizes.worked(task.request.limit)
            self._limit.succeeded(outcome.elapsed_seconds, task.request.limit)
        return outcome

    def _stop(self, error: BaseException) -> None:
        if isinstance(error, TransientError):
            self._limit.failed()
        self._stopped_by = self._stopped_by or error
        self._work.drop()

    def _learn_from(self, fault: PageFaultError, task: Task) -> None:
        if task.narrowed:
            return
        self._limit.failed()
        if isinstance(fault, PageTimeoutError):
            self._sizes.timed_out(task.request.limit)
        else:
            self._sizes.failed(task.request.limit)

    def _read(self, task: Task) -> Page | UnreadableRecord | _Split:
        """Read one range (in a pool thread)."""
        request = task.request
        try:
            return self._source.read(self._listing, request, attempts=_attempts(task))
        except PageFaultError as raised:
            fault = raised
        if not task.narrowed and not self._answers_elsewhere(request):
            raise fault
        if request.limit > 1:
            return _Split(parts_of(request, rung_below(request.limit)), fault)
        return self._verdict(request, fault)

    def _verdict(self, request: PageRequest, fault: PageFaultError) -> UnreadableRecord:
        """One record that is not served alone: name it, or find that nothing is served."""
        external_id: str | None = None
        try:
            named = self._source.read(
                self._listing, request, ids_only=True, attempts=_NARROWING_ATTEMPTS
            )
        except PageFaultError:
            if not self._answers_elsewhere(request):
                raise fault from None
        else:
            external_id = str(named.records[0]["id"]) if named.records else None
        return UnreadableRecord(request.offset, external_id, fault.code, fault.message)

    def _answers_elsewhere(self, request: PageRequest) -> bool:
        """Whether the store serves any one record outside the range, as it should.

        Raises:
            SyncError: it is unreachable or refuses us.
        """
        return any(self._answers(place) for place in places_outside(request))

    def _answers(self, place: PageRequest) -> bool:
        try:
            self._source.read(self._listing, place, attempts=_NARROWING_ATTEMPTS)
        except PageFaultError:
            return False
        return True


def _attempts(task: Task) -> int | None:
    if not task.narrowed:
        return None
    return _VERDICT_ATTEMPTS if task.request.limit == 1 else _NARROWING_ATTEMPTS
