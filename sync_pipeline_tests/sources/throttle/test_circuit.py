"""The circuit as a pure machine: examples, then any order of events by any number of processes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from sync_pipeline.sources.throttle.circuit import (
    Circuit,
    Policy,
    Trouble,
    admitted,
    failed,
    gave_up,
    is_about_system,
    open_seconds,
    succeeded,
)
from sync_pipeline.sources.woocommerce import errors

T0 = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(
    failures=3, failing_seconds=2, open_seconds=15, open_cap_seconds=300, probe_seconds=60
)
DOWN = Trouble("woocommerce.store_unavailable", "answered 503.")


def after(seconds):
    return T0 + timedelta(seconds=seconds)


def failed_at(*instants, circuit=None):
    circuit = circuit or Circuit()
    for instant in instants:
        circuit = failed(circuit, POLICY, after(instant), DOWN)
    return circuit


OPEN = failed_at(0, 1, 2)


class TestOpening:
    def test_given_enough_failures_over_enough_time_then_it_opens_and_names_the_last(self):
        assert OPEN.state == "open"
        assert OPEN.open_until == after(17)
        assert (OPEN.last_error_code, OPEN.last_error) == (DOWN.code, DOWN.message)

    def test_given_parallel_requests_that_fail_together_then_it_stays_closed(self):
        assert failed_at(0, 0, 0, 0, 0.1, 0.1).state == "closed"

    def test_given_few_failures_over_long_then_it_stays_closed(self):
        assert failed_at(0, 100).state == "closed"

    def test_given_a_success_in_between_then_counting_begins_anew(self):
        circuit = succeeded(failed_at(0, 1))

        assert failed_at(2, 3, circuit=circuit).state == "closed"

    def test_given_reading_gave_up_then_it_opens_at_once(self):
        assert gave_up(Circuit(), POLICY, T0, DOWN).open_until == after(15)

    @pytest.mark.parametrize(
        ("error", "counts"),
        [
            (errors.StoreUnavailableError("503"), True),
            (errors.RateLimitedError("429"), True),
            (errors.BlockedByFirewallError("captcha"), True),
            (errors.StoreFaultedError("500 to one range"), False),
            (errors.StoreTimeoutError("one range was too slow"), False),
            (errors.AuthenticationFailedError("401"), False),
            (errors.RouteMissingError("404"), False),
        ],
    )
    def test_given_an_error_then_it_counts_if_it_is_about_the_store_and_may_pass(
        self, error, counts
    ):
        assert is_about_system(error) is counts

    @pytest.mark.parametrize(
        ("times", "seconds"), [(1, 15), (2, 30), (3, 60), (5, 240), (6, 300), (1000, 300)]
    )
    def test_given_it_opened_so_often_then_the_wait_has_grown_to_the_cap(self, times, seconds):
        assert open_seconds(POLICY, times) == seconds


class TestHalfOpen:
    def test_given_the_wait_is_not_over_then_nothing_is_let_through(self):
        assert admitted(OPEN, POLICY, after(16.9)) is None

    def test_given_the_wait_is_over_then_one_probe_is(self):
        half_open, probe_no = admitted(OPEN, POLICY, after(17))

        assert half_open.state == "half_open"
        assert probe_no == 1
        assert admitted(half_open, POLICY, after(18)) is None

    def test_given_the_probe_is_answered_then_it_closes_and_forgets_the_waits(self):
        half_open, probe_no = admitted(OPEN, POLICY, after(17))

        closed = succeeded(half_open, probe_no=probe_no)

        assert (closed.state, closed.open_count, closed.failure_count) == ("closed", 0, 0)

    def test_given_the_probe_fails_then_it_opens_for_twice_as_long(self):
        half_open, probe_no = admitted(OPEN, POLICY, after(17))

        again = failed(half_open, POLICY, after(18), DOWN, probe_no=probe_no)

        assert (again.state, again.open_until) == ("open", after(48))

    def test_given_a_process_that_died_with_its_probe_then_another_may_go(self):
        half_open, first = admitted(OPEN, POLICY, after(17))

        taken_over, second = admitted(half_open, POLICY, after(77))

        assert second == first + 1
        assert succeeded(taken_over, probe_no=first) == taken_over

    def test_given_late_news_from_before_it_opened_then_nothing_changes(self):
        assert succeeded(OPEN) == OPEN
        assert failed(OPEN, POLICY, after(3), DOWN) == OPEN

    def test_given_a_probe_that_looks_elsewhere_then_it_goes_on_under_its_number(self):
        half_open, probe_no = admitted(OPEN, POLICY, after(17))

        longer, same = admitted(half_open, POLICY, after(70), probe_no=probe_no)

        assert same == probe_no
        assert longer == replace(half_open, probe_until=after(130))


class CircuitMachine(RuleBasedStateMachine):
    """Requests of many processes; `requests` are under way, `probes` says which are probes."""

    def __init__(self):
        super().__init__()
        self.now_utc = T0
        self.circuit = Circuit()
        self.requests = []
        self.last_opened = None

    @rule()
    def begin(self):
        before = self.circuit
        answer = admitted(before, POLICY, self.now_utc)
        if answer is None:
            until = before.probe_until if before.state == "half_open" else before.open_until
            assert before.state != "closed"
            assert until > self.now_utc
            return
        self.circuit, probe_no = answer
        assert (probe_no is None) == (before.state == "closed")
        self.requests.append(probe_no)

    @rule(data=st.data(), way=st.sampled_from([failed, gave_up, None]))
    def end(self, data, way):
        if not self.requests:
            return
        place = data.draw(st.integers(0, len(self.requests) - 1))
        probe_no = self.requests.pop(place)
        before = self.circuit
        if way is None:
            self.circuit = succeeded(before, probe_no=probe_no)
        else:
            self.circuit = way(before, POLICY, self.now_utc, DOWN, probe_no=probe_no)
        is_current = before.state == "half_open" and probe_no == before.probe_no
        if before.state != "closed" and not is_current:
            assert self.circuit == before
        elif way is None:
            assert self.circuit.state == "closed"
            assert self.circuit.failure_count == 0
        elif before.state == "half_open" or way is gave_up:
            assert self.circuit.state == "open"
            waits_seconds = (self.circuit.open_until - self.now_utc).total_seconds()
            assert waits_seconds == open_seconds(POLICY, before.open_count + 1)

    @rule(seconds=st.sampled_from([0.1, 1, 15, 61, 301]))
    def wait(self, seconds):
        self.now_utc += timedelta(seconds=seconds)

    @invariant()
    def one_probe_at_most_is_heard(self):
        heard = [number for number in self.requests if number == self.circuit.probe_no]
        assert self.circuit.state != "half_open" or len(heard) <= 1

    @invariant()
    def the_row_is_one_that_the_table_takes(self):
        is_closed = self.circuit.state == "closed"
        assert is_closed == (self.circuit.opened_at is None) == (self.circuit.open_until is None)
        assert (self.circuit.state == "half_open") == (self.circuit.probe_until is not None)


class TestAnyOrder(CircuitMachine.TestCase):
    """Held against what each event may do."""
