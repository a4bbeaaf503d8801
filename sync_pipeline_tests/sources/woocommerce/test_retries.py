"""When to try again, and after how long."""

from datetime import UTC, datetime

import pytest
from tenacity import Retrying, retry_if_exception

from sync_pipeline.sources.woocommerce.errors import (
    AuthenticationFailedError,
    BadGatewayError,
    RateLimitedError,
    StoreFaultedError,
    StoreTimeoutError,
    StoreUnavailableError,
)
from sync_pipeline.sources.woocommerce.retries import RetryPolicy, retry_after_seconds
from sync_pipeline_tests.sources.scripted_store import quick_settings

NOON_UTC = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def attempts_made(policy, error):
    """How often a call that always fails is made."""
    made = []

    def call():
        made.append(1)
        raise error

    with pytest.raises(type(error)):
        Retrying(
            retry=retry_if_exception(policy.is_worth_it),
            stop=policy.is_enough,
            wait=policy.wait_seconds,
            reraise=True,
        )(call)
    return len(made)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "600"}, 600),
            ({"retry-after": " 0 "}, 0),
            ({"retry-after": "Sun, 22 Nov 2026 12:01:30 GMT"}, 90),
            ({"retry-after": "Sun, 22 Nov 2026 11:00:00 GMT"}, 0),
            (
                {
                    "retry-after": "Sun, 22 Nov 2026 15:00:30 GMT",
                    "date": "Sun, 22 Nov 2026 15:00:00 GMT",
                },
                30,
            ),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "-5"}, None),
            ({"retry-after": "²"}, None),
            ({}, None),
        ],
    )
    def test_given_a_header_when_read_then_it_is_seconds_by_the_stores_own_clock(
        self, headers, seconds
    ):
        assert retry_after_seconds(headers, now_utc=NOON_UTC) == seconds


class TestRetryPolicy:
    @pytest.mark.parametrize(
        ("error", "attempts"),
        [
            (StoreFaultedError("500"), 2),
            (BadGatewayError("502"), 2),
            (StoreTimeoutError("slow"), 2),
            (StoreUnavailableError("503"), 5),
            (RateLimitedError("429"), 5),
        ],
    )
    def test_given_fewer_attempts_then_they_bound_what_the_request_itself_may_cause(
        self, error, attempts
    ):
        policy = RetryPolicy(quick_settings(max_attempts=5), attempts=2)

        assert attempts_made(policy, error) == attempts

    def test_given_a_timeout_then_it_is_tried_once_more_at_most(self):
        policy = RetryPolicy(quick_settings(max_attempts=5))

        assert attempts_made(policy, StoreTimeoutError("slow")) == 2

    @pytest.mark.parametrize(
        ("error", "worth_it"),
        [
            (StoreUnavailableError("down"), True),
            (RateLimitedError("slow down", retry_after_seconds=120), True),
            (RateLimitedError("go away", retry_after_seconds=121), False),
            (AuthenticationFailedError("wrong key"), False),
            (ZeroDivisionError(), False),
        ],
    )
    def test_given_an_error_then_only_what_may_pass_in_time_is_tried_again(self, error, worth_it):
        policy = RetryPolicy(quick_settings(retry_after_cap_seconds=120))

        assert policy.is_worth_it(error) is worth_it
