"""When a request to a store is tried again, and after how long.

Belongs here: the decisions, pure, in the form tenacity asks for them. Does not: sending
(client.py), retrying a line or a queue (queue/).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState, wait_random_exponential

from sync_pipeline.errors import TransientError
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.errors import PageFaultError, PageTimeoutError
from sync_pipeline.sources.throttle.errors import NotSentError

# A page that took too long once mostly does so again: the second attempt is for bad luck.
MOST_ATTEMPTS_AFTER_TIMEOUT = 2


def retry_after_seconds(
    headers: Mapping[str, str], *, now_utc: datetime | None = None
) -> float | None:
    """Seconds that a Retry-After header asks to wait, never below 0; None without a usable one.

    A date is read against the store's own Date header, so that skewed clocks do not matter, and
    against `now_utc` where that header is missing. Header names are lower case.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    until_utc = parsed_date(text)
    if until_utc is None:
        return None
    from_utc = parsed_date(headers.get("date", "")) or now_utc or datetime.now(UTC)
    return max(0.0, (until_utc - from_utc).total_seconds())


def parsed_date(text: str) -> datetime | None:
    """An HTTP date, aware; None when the text is none."""
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class RetryPolicy:
    """What tenacity asks after each failed attempt of one request."""

    def __init__(self, settings: SourceSettings, attempts: int | None = None) -> None:
        """`attempts`: at most so many after a PageFaultError; the setting when None."""
        self._attempts = settings.max_attempts
        self._attempts_after_fault = min(attempts or settings.max_attempts, settings.max_attempts)
        self._longest_wait_seconds = settings.retry_after_cap_seconds
        self._backoff = wait_random_exponential(
            multiplier=settings.backoff_base_seconds, max=settings.backoff_cap_seconds
        )

    def is_worth_it(self, error: BaseException) -> bool:
        """Only what may pass by itself, and not when the store is to be left alone for long."""
        if isinstance(error, NotSentError):
            return False
        asked = getattr(error, "retry_after_seconds", None) or 0.0
        return isinstance(error, TransientError) and asked <= self._longest_wait_seconds

    def is_enough(self, state: RetryCallState) -> bool:
        """The attempts are spent."""
        error = state.outcome.exception() if state.outcome else None
        most = self._attempts
        if isinstance(error, PageFaultError):
            most = self._attempts_after_fault
        if isinstance(error, PageTimeoutError):
            most = min(most, MOST_ATTEMPTS_AFTER_TIMEOUT)
        return state.attempt_number >= most

    def wait_seconds(self, state: RetryCallState) -> float:
        """What the store asked for, at least; else growing and jittered."""
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after_seconds", None) or 0.0
        return max(float(asked), self._backoff(state))
