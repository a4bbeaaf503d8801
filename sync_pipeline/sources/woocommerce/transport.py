"""One GET on the wire: sent, read to its end, redirected within the store's origin only.

Belongs here: sockets, timeouts, TLS verification, which headers are kept. Does not: which form of
signing in, retries (client.py), what an answer means (classification.py).

Keys travel to the origin that was asked and nowhere else. The Link header, which echoes keys and
signatures, is dropped unread.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from sync_pipeline import __version__
from sync_pipeline.errors import SyncError
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.woocommerce.addresses import origin
from sync_pipeline.sources.woocommerce.errors import StoreTimeoutError, StoreUnavailableError
from sync_pipeline.sources.woocommerce.failures import classify_failure

USER_AGENT = f"sync-pipeline/{__version__} (+PostgreSQL back office sync)"

_KEPT_HEADERS = frozenset(
    ("content-type", "date", "location", "retry-after", "server", "x-wp-total", "x-wp-totalpages")
)
_MOST_REDIRECTS = 2
_READ_BYTES = 65536
# 100 full orders were 322 kB; no page of a sane store comes near this.
_LARGEST_BODY_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Received:
    """An HTTP answer; header names in lower case, body decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Sends GETs for one store; safe to share between threads."""

    def __init__(self, settings: SourceSettings) -> None:
        self._timeouts_seconds = (settings.connect_timeout_seconds, settings.read_timeout_seconds)
        self._verify: bool | str = str(settings.ca_bundle) if settings.ca_bundle else True
        if not settings.verify_tls:
            self._verify = False
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._session = requests.Session()
        self._session.headers.update({"Accept": "application/json", "User-Agent": USER_AGENT})
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=settings.max_parallel_requests))
        self._closed = threading.Event()

    @property
    def is_closed(self) -> bool:
        """Nothing is sent any more."""
        return self._closed.is_set()

    def get(
        self,
        url: str,
        params: Mapping[str, str],
        auth: AuthBase,
        before_redirect: Callable[[], None] = lambda: None,
    ) -> Received | SyncError:
        """Send, and again where the same origin redirects to, each time signed anew.

        Args:
            url: without query.
            params: the query.
            auth: signs each request.
            before_redirect: called before each further request; what it raises ends this.

        Returns:
            The answer whatever its status, or the error when there was none. Errors are returned
            and not raised, so that the exception of requests, which quotes the signed URL, does
            not hang on to them as __context__.
        """
        received = self._send(url, params, auth)
        for _ in range(_MOST_REDIRECTS):
            target = _redirect_within(url, received)
            if target is None:
                break
            url = target
            before_redirect()
            received = self._send(url, params, auth)
        return received

    def wait(self, seconds: float) -> bool:
        """Sleep, but no longer than until close; True when that has come."""
        return self._closed.wait(seconds)

    def close(self) -> None:
        """Let go of sockets; nothing is sent afterwards."""
        self._closed.set()
        self._session.close()

    def _send(self, url: str, params: Mapping[str, str], auth: AuthBase) -> Received | SyncError:
        where = place(url)
        if self._closed.is_set():
            return StoreUnavailableError(f"{where}: reading was stopped.")
        try:
            # verify per request: REQUESTS_CA_BUNDLE in the environment overrides Session.verify.
            with self._session.get(
                url,
                params=dict(params),
                auth=auth,
                timeout=self._timeouts_seconds,
                verify=self._verify,
                allow_redirects=False,
                stream=True,
            ) as response:
                body = _read_body(response, time.perf_counter() + self._timeouts_seconds[1])
        except requests.RequestException as failure:
            return classify_failure(failure, where=where)
        if body is None:
            return StoreTimeoutError(f"{where}: the answer did not end in time.")
        return Received(response.status_code, _kept(response.headers), body)


def place(url: str) -> str:
    """What is asked, for messages, without query: "GET shop.example/wp-json/wc/v3/orders"."""
    parts = urlsplit(url)
    return f"GET {parts.netloc}{parts.path}"


def _read_body(response: requests.Response, deadline: float) -> bytes | None:
    """The decompressed body; None when it trickles past the deadline or is endless."""
    chunks: list[bytes] = []
    size_bytes = 0
    for chunk in response.iter_content(_READ_BYTES):
        chunks.append(chunk)
        size_bytes += len(chunk)
        if time.perf_counter() > deadline or size_bytes > _LARGEST_BODY_BYTES:
            return None
    return b"".join(chunks)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): text for name, text in headers.items() if name.lower() in _KEPT_HEADERS}


def _redirect_within(url: str, received: Received | SyncError) -> str | None:
    """Where the answer redirects to, without query; None if it does not, or to another origin."""
    if isinstance(received, SyncError):
        return None
    if not HTTPStatus.MULTIPLE_CHOICES <= received.status < HTTPStatus.BAD_REQUEST:
        return None
    try:
        target = urljoin(url, received.headers["location"]).split("?")[0].split("#")[0]
        return target if origin(target) == origin(url) else None
    except (KeyError, ValueError):
        return None
