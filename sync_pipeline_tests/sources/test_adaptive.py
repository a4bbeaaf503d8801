"""What reading learns about a store, decided without one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync_pipeline.sources.adaptive import LADDER, AdaptiveLimit, PageSizes, rung_below

# Seconds a page at 1, 2 and 4 at once on a two-core store, from the recorded wall time of 8 pages
# (3.342, 2.383, 3.617 and 10.403, 8.390, 8.736); 3 lies between.
CUSTOMERS_SECONDS = {1: 0.418, 2: 0.596, 3: 1.203, 4: 1.809}
ORDERS_SECONDS = {1: 1.300, 2: 2.098, 3: 3.233, 4: 4.368}


def limits_over_time(seconds_at, pages, *, maximum=4, size=100):
    """The limit at each page of a store whose latency depends on how many ask at once."""
    limit = AdaptiveLimit(maximum)
    seen = []
    for _ in range(pages):
        seen.append(limit.current)
        limit.succeeded(seconds_at(limit.current), size)
    return seen


class TestAdaptiveLimit:
    @pytest.mark.parametrize("recorded", [CUSTOMERS_SECONDS, ORDERS_SECONDS])
    def test_given_the_recorded_store_when_read_then_it_stays_mostly_at_two(self, recorded):
        seen = limits_over_time(recorded.__getitem__, 200)

        assert seen[0] == 2
        assert seen.count(2) / len(seen) > 0.7
        assert max(seen) == 3

    def test_given_a_store_that_scales_when_read_then_the_limit_grows_to_its_maximum(self):
        seen = limits_over_time(lambda _: 0.5, 200, maximum=8)

        assert seen[-1] == 8
        assert seen.index(8) < 120

    def test_given_a_store_that_queues_everything_when_read_then_more_at_once_is_taken_back(self):
        seen = limits_over_time(lambda at_once: 0.5 * at_once, 100, maximum=8)

        assert max(seen) == 3
        assert seen[-1] == 2

    def test_given_a_latency_that_blows_up_when_read_then_the_limit_halves(self):
        limit = AdaptiveLimit(8)
        while limit.current < 8:
            limit.succeeded(0.2, 100)
        for _ in range(16):
            limit.succeeded(0.2, 100)
        before = limit.current

        for _ in range(2 * before):
            limit.succeeded(2.0, 100)

        assert limit.current == before // 2

    def test_given_failures_when_they_go_on_then_one_at_once_is_the_least(self):
        limit = AdaptiveLimit(8, start=8)

        seen = []
        for _ in range(5):
            limit.failed()
            seen.append(limit.current)

        assert seen == [4, 2, 1, 1, 1]

    def test_given_a_limit_of_one_after_failures_when_all_is_well_then_it_grows_again(self):
        limit = AdaptiveLimit(4)
        limit.failed()
        for _ in range(40):
            limit.succeeded(0.2, 100)

        assert limit.current > 1

    def test_given_a_maximum_of_one_then_it_is_never_exceeded(self):
        assert set(limits_over_time(lambda _: 0.1, 50, maximum=1)) == {1}

    @settings(deadline=None)
    @given(
        st.integers(1, 16),
        st.lists(
            st.one_of(
                st.none(), st.tuples(st.floats(0, 60, allow_nan=False), st.sampled_from(LADDER))
            ),
            max_size=200,
        ),
    )
    def test_given_any_story_then_the_limit_stays_between_one_and_its_maximum(self, maximum, story):
        limit = AdaptiveLimit(maximum)

        for event in story:
            if event is None:
                limit.failed()
            else:
                limit.succeeded(*event)
            assert 1 <= limit.current <= maximum


class TestPageSizes:
    def test_given_a_timeout_when_it_is_told_then_the_next_smaller_size_is_remembered(self):
        sizes = PageSizes()

        seen = []
        for _ in range(4):
            sizes.timed_out(sizes.current)
            seen.append(sizes.current)

        assert seen == [50, 25, 10, 10]

    def test_given_several_in_flight_when_all_time_out_then_it_steps_down_once(self):
        sizes = PageSizes()

        for _ in range(4):
            sizes.timed_out(100)

        assert sizes.current == 50

    def test_given_one_fault_among_good_pages_then_the_size_stays(self):
        sizes = PageSizes()

        for _ in range(10):
            sizes.failed(100)
            sizes.worked(100)

        assert sizes.current == 100

    def test_given_two_faults_in_a_row_then_the_size_is_taken_for_the_cause(self):
        sizes = PageSizes()

        sizes.failed(100)
        sizes.failed(100)

        assert sizes.current == 50

    def test_given_a_size_kept_from_before_when_started_from_it_then_it_never_grows(self):
        sizes = PageSizes(5)

        sizes.timed_out(5)

        assert sizes.current == 5


class TestRungBelow:
    @settings(deadline=None)
    @given(st.integers(2, 5000))
    def test_given_any_size_then_the_next_is_smaller_and_it_ends_at_one(self, size):
        steps = 0
        while size > 1:
            smaller = rung_below(size)
            assert 1 <= smaller < size
            size = smaller
            steps += 1
        assert steps <= 14
