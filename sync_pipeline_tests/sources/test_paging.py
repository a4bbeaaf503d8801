"""Ranges read in parallel: everything exactly once, whatever the store does."""

import threading
import time
from collections import Counter
from contextlib import closing
from math import ceil, log2

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_pipeline.errors import PermanentError, TransientError
from sync_pipeline.sources.adaptive import AdaptiveLimit, PageSizes
from sync_pipeline.sources.errors import PageFaultError, PageTimeoutError
from sync_pipeline.sources.paging import page_requests, read_pages
from sync_pipeline.sources.protocol import Listing, Page, PageRequest, UnreadableRecord
from sync_pipeline.sources.ranges import places_outside

LISTING = Listing(name="customers", path="customers", fields=("id", "email"))
ATTEMPTS = 5


class FakeStore:
    """A listing of `total` records; `poison` positions fail for ever, `flaky` ranges once."""

    def __init__(
        self, total, *, poison=(), poison_ids=(), flaky=(), fault=PageFaultError, on_read=None
    ):
        self.total = total
        self.poison = set(poison)
        self.poison_ids = set(poison_ids)
        self.flaky = set(flaky)
        self.fault = fault
        self.on_read = on_read or (lambda _: None)
        self.calls = []
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def read(self, listing, request, *, ids_only=False, attempts=None):
        with self._lock:
            self.calls.append((request, ids_only, attempts or ATTEMPTS))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.on_read(request)
            return self._page(request, ids_only=ids_only)
        finally:
            with self._lock:
                self.at_once -= 1

    def _page(self, request, *, ids_only):
        positions = range(request.offset, min(request.offset + request.limit, self.total))
        with self._lock:
            if request.limit > 1 and request.offset in self.flaky:
                self.flaky.discard(request.offset)
                raise self.fault("the store stumbled")
        if (self.poison_ids if ids_only else self.poison).intersection(positions):
            raise self.fault("a record cannot be served")
        records = [{"id": 1000 + position} for position in positions]
        return Page(request, records, self.total, 0.001)


def read_all(store, requests, *, maximum=4, sizes=None):
    return list(
        read_pages(
            store, LISTING, requests, limit=AdaptiveLimit(maximum), sizes=sizes or PageSizes()
        )
    )


def positions_of(results):
    """How often each position was answered for, by a page or as unreadable."""
    counted = Counter()
    for result in results:
        if isinstance(result, Page):
            counted.update(
                range(result.request.offset, result.request.offset + result.request.limit)
            )
        else:
            counted[result.offset] += 1
    return counted


def unreadable(results):
    return sorted(result.offset for result in results if isinstance(result, UnreadableRecord))


def calls_allowed(requests, poison, flaky, size):
    """One per range; about 2 log2 + few per bad record; a probe and the parts per stumble."""
    per_bad = 2 * ceil(log2(size + 1)) + 8
    return len(requests) + per_bad * len(poison) + 7 * len(flaky)


class TestEverythingExactlyOnce:
    @settings(max_examples=150, deadline=None)
    @given(
        total=st.integers(0, 400),
        size=st.integers(1, 100),
        poison=st.sets(st.integers(0, 399), max_size=5),
        flaky_seed=st.sets(st.integers(0, 399), max_size=20),
        maximum=st.integers(1, 6),
    )
    def test_given_any_listing_when_read_then_every_position_comes_exactly_once(
        self, total, size, poison, flaky_seed, maximum
    ):
        poison = {position for position in poison if position < total}
        requests = list(page_requests(total, size))
        flaky = {request.offset for request in requests if request.offset in flaky_seed}
        store = FakeStore(total, poison=poison, flaky=flaky)
        results = []

        try:
            for result in read_pages(
                store, LISTING, iter(requests), limit=AdaptiveLimit(maximum), sizes=PageSizes()
            ):
                results.append(result)  # noqa: PERF402 - what came before an error counts too
        except PageFaultError:
            assert some_range_had_no_good_place_outside(requests, poison)
            assert max(positions_of(results).values(), default=1) == 1
            return

        assert positions_of(results) == Counter(range(total))
        assert unreadable(results) == sorted(poison)
        assert len(store.calls) <= calls_allowed(requests, poison, flaky, size)
        assert store.most_at_once <= maximum

    def test_given_a_listing_of_a_thousand_when_read_then_one_call_a_page_is_made(self):
        store = FakeStore(1000)

        results = read_all(store, page_requests(1000, 100))

        assert len(store.calls) == len(results) == 10


def some_range_had_no_good_place_outside(requests, poison):
    return any(
        all(place.offset in poison for place in places_outside(request)) for request in requests
    )


class TestNarrowing:
    def test_given_one_bad_record_when_read_then_it_is_named_and_the_rest_is_read(self):
        store = FakeStore(300, poison={142})

        results = read_all(store, page_requests(300, 100))

        assert [result for result in results if isinstance(result, UnreadableRecord)] == [
            UnreadableRecord(142, "1142", "source.page_fault", "a record cannot be served")
        ]
        assert positions_of(results) == Counter(range(300))
        assert len(store.calls) <= 3 + 1 + 14 + 1

    def test_given_a_bad_record_whose_id_is_not_told_either_when_read_then_it_stays_unnamed(self):
        store = FakeStore(100, poison={7}, poison_ids={7})

        results = read_all(store, page_requests(100, 100))

        assert [(r.offset, r.external_id) for r in results if isinstance(r, UnreadableRecord)] == [
            (7, None)
        ]

    def test_given_a_bad_record_when_closing_in_then_few_attempts_are_spent(self):
        store = FakeStore(100, poison={50})

        read_all(store, page_requests(100, 100))

        failing = [
            attempts
            for request, ids_only, attempts in store.calls
            if not ids_only and request.offset <= 50 < request.offset + request.limit
        ]
        assert failing[0] == ATTEMPTS
        assert max(failing[1:]) <= 3
        assert sum(failing[1:]) <= 16

    def test_given_a_page_that_is_bad_throughout_when_read_then_the_other_pages_are_read(self):
        store = FakeStore(300, poison=range(100, 200))

        results = read_all(store, page_requests(300, 100))

        assert unreadable(results) == list(range(100, 200))
        assert positions_of(results) == Counter(range(300))


class TestTooLarge:
    def test_given_a_store_too_slow_for_100_when_read_then_50_is_used_and_remembered(self):
        store = FakeStore(1000, fault=PageTimeoutError, on_read=too_large(50, PageTimeoutError))
        sizes = PageSizes()

        results = read_all(store, page_requests(1000, 100), sizes=sizes)

        assert sizes.current == 50
        assert positions_of(results) == Counter(range(1000))
        assert sum(request.limit == 100 for request, _, _ in store.calls) <= 2

    def test_given_pages_of_100_that_exhaust_memory_when_read_then_less_is_asked_for(self):
        store = FakeStore(2000, on_read=too_large(25, PageFaultError))
        sizes = PageSizes()

        results = read_all(store, page_requests(2000, 100), sizes=sizes)

        assert sizes.current == 25
        assert positions_of(results) == Counter(range(2000))
        assert sum(request.limit > 25 for request, _, _ in store.calls) <= 20

    def test_given_stumbles_with_good_pages_between_when_read_then_the_size_stays(self):
        store = FakeStore(1000, flaky={100, 500, 800})
        sizes = PageSizes()

        read_all(store, page_requests(1000, 100), maximum=1, sizes=sizes)

        assert sizes.current == 100

    def test_given_a_size_kept_from_before_when_read_then_nothing_larger_is_asked_for(self):
        store = FakeStore(200)

        read_all(store, page_requests(200, 100), sizes=PageSizes(25))

        assert {request.limit for request, _, _ in store.calls} == {25}


def too_large(most, fault):
    def on_read(request):
        if request.limit > most:
            raise fault("too large")

    return on_read


class TestStoreDown:
    def test_given_a_store_where_everything_fails_when_read_then_it_is_not_narrowed(self):
        store = FakeStore(1000, poison=range(1000))

        with pytest.raises(PageFaultError):
            read_all(store, page_requests(1000, 100))

        assert len(store.calls) <= 2 * 4

    @pytest.mark.parametrize("error", [TransientError("refused"), PermanentError("401")])
    def test_given_an_error_that_no_record_causes_when_read_then_it_is_raised_unnarrowed(
        self, error
    ):
        def refuse(request):
            if request.offset >= 300:
                raise error

        store = FakeStore(1000, on_read=refuse)

        with pytest.raises(type(error)):
            read_all(store, page_requests(1000, 100))

        assert {request.limit for request, _, _ in store.calls} == {100}

    def test_given_an_error_when_others_are_in_flight_then_their_pages_come_first(self):
        gate = threading.Event()

        def on_read(request):
            if request.offset == 0:
                gate.set()
                raise PermanentError("401")
            gate.wait(5)
            time.sleep(0.02)

        store = FakeStore(1000, on_read=on_read)
        results = []

        with pytest.raises(PermanentError):
            results.extend(
                iter_until_error(
                    read_pages(
                        store,
                        LISTING,
                        page_requests(1000, 100),
                        limit=AdaptiveLimit(2),
                        sizes=PageSizes(),
                    ),
                    results,
                )
            )

        assert 100 in [page.request.offset for page in results]
        assert len(store.calls) <= 3

    def test_given_a_store_that_dies_while_closing_in_when_read_then_no_record_is_blamed(self):
        store = FakeStore(300, poison={150})

        def die(request):
            if request.limit == 2:
                store.poison = store.poison_ids = set(range(300))

        store.on_read = die
        results = []

        with pytest.raises(PageFaultError):
            list(
                iter_until_error(
                    read_pages(
                        store,
                        LISTING,
                        [PageRequest(100, 100)],
                        limit=AdaptiveLimit(1),
                        sizes=PageSizes(),
                    ),
                    results,
                )
            )

        assert unreadable(results) == []


def iter_until_error(results, seen):
    for result in results:
        seen.append(result)
    yield from ()


class TestFlow:
    def test_given_a_slow_consumer_when_read_then_requests_are_taken_only_as_needed(self):
        taken = []

        def endless():
            offset = 0
            while True:
                taken.append(offset)
                yield PageRequest(offset, 10)
                offset += 10

        reading = read_pages(
            FakeStore(10**9), LISTING, endless(), limit=AdaptiveLimit(2), sizes=PageSizes()
        )
        with closing(reading):
            for _ in range(3):
                next(reading)
                time.sleep(0.01)
            assert len(taken) <= 3 + 2

    def test_given_a_reader_that_stops_early_when_closed_then_threads_end_and_nothing_is_started(
        self,
    ):
        store = FakeStore(10**6, on_read=lambda _: time.sleep(0.01))
        reading = read_pages(
            store, LISTING, page_requests(10**6, 100), limit=AdaptiveLimit(4), sizes=PageSizes()
        )

        next(reading)
        reading.close()
        calls = len(store.calls)
        time.sleep(0.03)

        assert len(store.calls) == calls <= 6
        assert not [t for t in threading.enumerate() if t.name.startswith("read-pages")]

    def test_given_nothing_to_read_then_nothing_is_asked(self):
        store = FakeStore(0)

        assert read_all(store, []) == []
        assert store.calls == []
