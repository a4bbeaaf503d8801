"""HTTP client of one store: signs, sends, tries again, parses.

Belongs here: one GET from an end point's name to parsed JSON or a typed error. Does not: sockets
(transport.py), what a listing is (source.py), reading in parallel (sources/paging.py).

Keys are never logged, kept in an error or shown.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tenacity import Retrying, retry_if_exception

from sync_pipeline import logs
from sync_pipeline.errors import SyncError
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.throttle.protocol import UNTHROTTLED, Throttle
from sync_pipeline.sources.woocommerce.addresses import (
    API_NAMESPACE,
    API_ROOT,
    normalize_base_url,
)
from sync_pipeline.sources.woocommerce.answers import Answer, RequestEvent
from sync_pipeline.sources.woocommerce.auth import AuthForm, Signer
from sync_pipeline.sources.woocommerce.classification import classify
from sync_pipeline.sources.woocommerce.errors import (
    AuthenticationFailedError,
    MalformedResponseError,
)
from sync_pipeline.sources.woocommerce.parsing import Parsed, parse_json
from sync_pipeline.sources.woocommerce.redaction import guard_wire_logs
from sync_pipeline.sources.woocommerce.retries import RetryPolicy
from sync_pipeline.sources.woocommerce.transport import Received, Transport, place

_log = logs.get_logger(__name__)
_SUCCESS = range(200, 300)


@dataclass(frozen=True)
class _Usable:
    headers: Mapping[str, str]
    parsed: Parsed


class WooCommerceClient:
    """Client of one store; safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        key: str,
        secret: str,
        settings: SourceSettings,
        *,
        on_request: Callable[[RequestEvent], None] | None = None,
        throttle: Throttle = UNTHROTTLED,
    ) -> None:
        """Open nothing yet.

        Args:
            base_url: as a person gave it.
            key: consumer key.
            secret: consumer secret.
            settings: waits, attempts, TLS.
            on_request: called after each request, from the thread that asked.
            throttle: asked before each request, retries included, and told what it came to.

        Raises:
            UrlInvalidError: `base_url` is no store's address.
        """
        guard_wire_logs()
        self.base_url = normalize_base_url(base_url)
        self._settings = settings
        self._signer = Signer(self.base_url, key, secret)
        self._on_request = on_request
        self._throttle = throttle
        self._transport = Transport(settings)

    @property
    def auth_form(self) -> AuthForm:
        """The form of signing in that is used now."""
        return self._signer.form

    def get(
        self, path: str, params: Mapping[str, str] | None = None, *, attempts: int | None = None
    ) -> Answer:
        """Read one end point of wc/v3.

        Args:
            path: below /wp-json/wc/v3/, e.g. "customers".
            params: query; lists as "a,b", never `name[]`.
            attempts: at most so many after failures that this request itself may cause
                (PageFaultError); the setting when None.

        Raises:
            TransientError: attempts are spent, the store asks for more patience than is allowed, or
                it is left alone for now (CircuitOpenError).
            PermanentError: a person must act.
        """
        url = f"{self.base_url}/{API_ROOT}/{API_NAMESPACE}/{path}"
        return self._get(url, params or {}, attempts=attempts, signed=True)

    def get_index(self, fields: str) -> Answer:
        """Read `fields` of the REST API's index, which needs no key. Raises as `get` does."""
        url = f"{self.base_url}/{API_ROOT}/"
        return self._get(url, {"_fields": fields}, attempts=None, signed=False)

    def close(self) -> None:
        """Let go of sockets; a wait for the next attempt ends at once."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"WooCommerceClient({self.base_url!r}, auth_form={self.auth_form.value!r})"

    def _get(
        self, url: str, params: Mapping[str, str], *, attempts: int | None, signed: bool
    ) -> Answer:
        started = time.perf_counter()
        policy = RetryPolicy(self._settings, attempts)
        retrying = Retrying(
            retry=retry_if_exception(
                lambda error: policy.is_worth_it(error) and not self._throttle.is_probing()
            ),
            stop=policy.is_enough,
            wait=policy.wait_seconds,
            sleep=self._sleep,
            reraise=True,
        )
        for attempt in retrying:
            with attempt:
                number = attempt.retry_state.attempt_number
                usable = self._attempt(url, params, number, signed=signed)
        elapsed_seconds = time.perf_counter() - started
        return Answer(usable.parsed.value, usable.headers, usable.parsed.noise, elapsed_seconds)

    def _sleep(self, seconds: float) -> None:
        self._transport.wait(seconds)

    def _attempt(
        self, url: str, params: Mapping[str, str], number: int, *, signed: bool
    ) -> _Usable:
        """One attempt, in a second form if the keys were not seen in the first."""
        form = self._signer.form if signed else AuthForm.NONE
        outcome = self._exchange(url, params, number, form)
        other = self._signer.fallback(form)
        if other is not None and _keys_were_not_seen(outcome):
            outcome = self._exchange(url, params, number, other)
            if isinstance(outcome, _Usable):
                self._signer.remember(other)
            elif isinstance(outcome, AuthenticationFailedError):
                self._signer.forget_fallback()
        if isinstance(outcome, SyncError):
            raise outcome
        return outcome

    def _exchange(
        self, url: str, params: Mapping[str, str], number: int, form: AuthForm
    ) -> _Usable | SyncError:
        asked = time.perf_counter()
        permit = self._throttle.admit(self._transport.wait)
        started = time.perf_counter()
        auth = self._signer.auth(form)
        received = self._transport.get(url, params, auth, before_redirect=permit.another)
        elapsed_seconds = time.perf_counter() - started
        status = received.status if isinstance(received, Received) else None
        outcome = self._judge(received, place(url)) if isinstance(received, Received) else received
        if self._on_request is not None:
            code = outcome.code if isinstance(outcome, SyncError) else None
            path = urlsplit(url).path
            event = RequestEvent(path, status, elapsed_seconds, number, code, started - asked)
            self._on_request(event)
        if isinstance(outcome, SyncError):
            _log.info("store error", code=outcome.code, words=outcome.message, attempt=number)
        if not self._transport.is_closed:
            permit.observed(outcome if isinstance(outcome, SyncError) else None)
        return outcome

    def _judge(self, received: Received, where: str) -> _Usable | SyncError:
        """The parsed answer if it is usable, else the error that it is."""
        if received.status in _SUCCESS:
            try:
                parsed = parse_json(received.body)
            except ValueError:
                pass
            else:
                return _Usable(received.headers, self._without_keys(parsed))
        body = self._signer.scrub(received.body)
        error = classify(received.status, received.headers, body, where=where)
        return error or MalformedResponseError(f"{where} answered without usable JSON.")

    def _without_keys(self, parsed: Parsed) -> Parsed:
        if parsed.noise is None:
            return parsed
        return Parsed(parsed.value, self._signer.scrub(parsed.noise.encode()).decode())


def _keys_were_not_seen(outcome: _Usable | SyncError) -> bool:
    return isinstance(outcome, AuthenticationFailedError) and outcome.keys_unseen
