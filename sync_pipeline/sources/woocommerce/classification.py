"""What an HTTP answer of a store means.

Belongs here: one pure function from status, headers and body to an error or None. Does not:
failures without an answer (failures.py), retries (retries.py).

Every case is held to a recorded answer of WooCommerce 10.0.2 where there is one. Answers of
firewalls are told by what they are not: a web page that is none of WordPress'.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from sync_pipeline.errors import SyncError
from sync_pipeline.sources.woocommerce import errors
from sync_pipeline.sources.woocommerce.parsing import parse_json
from sync_pipeline.sources.woocommerce.redaction import redact
from sync_pipeline.sources.woocommerce.retries import retry_after_seconds

_WORDPRESS_PAGE = re.compile(r"wp-includes/|wp-content/|api\.w\.org|rest_route=")
_FIREWALL_PAGE = re.compile(
    r"captcha|just a moment|cf-chl|challenge-platform|wordfence|sucuri|imunify|mod_security"
    r"|incapsula|access denied|your (?:ip|access) .{0,40}blocked",
    re.IGNORECASE,
)
_DATABASE_DOWN = "Error establishing a database connection"
_FIRST_REDIRECT = HTTPStatus.MULTIPLE_CHOICES
_FIRST_ERROR = HTTPStatus.BAD_REQUEST
_FIRST_SERVER_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR

_BLOCK_PAGES = (403, 406)
_BY_STATUS: dict[int, type[errors.WooCommerceError]] = {
    403: errors.PermissionDeniedError,
    404: errors.RouteMissingError,
    408: errors.StoreTimeoutError,
    429: errors.RateLimitedError,
    500: errors.StoreFaultedError,
    502: errors.BadGatewayError,
    504: errors.StoreTimeoutError,
    522: errors.StoreTimeoutError,  # Cloudflare: no connection in time
    524: errors.StoreTimeoutError,  # Cloudflare: no answer in time
}


@dataclass(frozen=True)
class _Reply:
    """One answer, taken apart once."""

    status: int
    headers: Mapping[str, str]
    text: str
    problem: Mapping[str, Any]
    where: str

    @property
    def code(self) -> str:
        """WordPress' error code, else empty."""
        return str(self.problem.get("code", ""))

    @property
    def words(self) -> str:
        """What the store says went wrong, redacted; its first line only."""
        data = self.problem.get("data")
        inner = data.get("error") if isinstance(data, dict) else None
        detail = inner.get("message") if isinstance(inner, dict) else None
        says = str(detail or self.problem.get("message") or "").split("\n")[0]
        return redact(says)

    @property
    def is_web_page(self) -> bool:
        """HTML, or nothing at all, where JSON was asked for."""
        content_type = self.headers.get("content-type", "")
        return not self.problem and (
            "html" in content_type or self.text.lstrip()[:1] == "<" or not self.text.strip()
        )

    def said(self) -> str:
        """Where and what, as the start of a message."""
        words = f": {self.words}" if self.words else ""
        return f"{self.where} answered {self.status}{words}".rstrip(".") + "."


def classify(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    where: str = "The store",
    now_utc: datetime | None = None,
) -> SyncError | None:
    """The error that an answer is, or None when it is a usable answer.

    Args:
        status: HTTP status.
        headers: response headers, names in any case.
        body: decompressed, raw bytes.
        where: what was asked, for the message, e.g. "GET shop.example/wp-json/wc/v3/orders".
        now_utc: for a Retry-After that is a date, where the store sends no Date header.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    text = body.decode("utf-8", errors="replace")
    reply = _Reply(status, lower, text, _problem(body) if status >= _FIRST_ERROR else {}, where)
    error = _by_status(reply, body)
    asked_seconds = retry_after_seconds(lower, now_utc=now_utc)
    if isinstance(error, errors.WooCommerceError) and asked_seconds is not None:
        error.retry_after_seconds = asked_seconds
        error.message += f" It asks to wait {asked_seconds:.0f} s."
    return error


def _by_status(reply: _Reply, body: bytes) -> SyncError | None:
    if reply.status < _FIRST_REDIRECT:
        return _of_success(reply, body)
    if reply.status < _FIRST_ERROR:
        return _of_redirect(reply)
    if reply.is_web_page and (reply.status in _BLOCK_PAGES or _FIREWALL_PAGE.search(reply.text)):
        return _firewall(reply)
    if reply.status == HTTPStatus.UNAUTHORIZED:
        return _of_unauthorized(reply)
    return _of_problem(reply)


def _problem(body: bytes) -> Mapping[str, Any]:
    """WordPress' error object; also in the envelope of the legacy API. Empty if there is none."""
    try:
        value = parse_json(body).value
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    inner = value.get("errors")
    return inner if isinstance(inner, dict) else value


def _of_success(reply: _Reply, body: bytes) -> SyncError | None:
    try:
        parse_json(body)
    except ValueError as reason:
        if not reply.is_web_page:
            says = "bytes that are not UTF-8" if isinstance(reason, UnicodeDecodeError) else reason
            return errors.MalformedResponseError(
                f"{reply.where} answered {reply.status} without usable JSON: {redact(str(says))}."
            )
    else:
        return None
    if reply.status == HTTPStatus.OK and _WORDPRESS_PAGE.search(reply.text):
        return errors.RouteMissingError(
            f"{reply.where} answered with a page of the shop instead of the REST API."
        )
    return _firewall(reply)


def _of_redirect(reply: _Reply) -> SyncError:
    target = redact(reply.headers.get("location", "elsewhere").split("?")[0])
    return errors.UrlInvalidError(
        f"{reply.where} redirects to {target}.",
        remedy="Register the address that it redirects to; if that is the address already, "
        "the permalinks are 'Plain' (Settings > Permalinks) or a plugin redirects the API.",
    )


def _of_unauthorized(reply: _Reply) -> SyncError:
    # Recorded: "The API key provided does not have read permissions." comes as 401, not 403.
    if "permission" in reply.words:
        return errors.PermissionDeniedError(reply.said())
    error = errors.AuthenticationFailedError(reply.said())
    if "timestamp" in reply.words:
        error.remedy = "The clocks of this machine and of the store differ by over 15 minutes."
    error.keys_unseen = reply.code == "woocommerce_rest_cannot_view"
    return error


def _of_problem(reply: _Reply) -> SyncError:
    if reply.status == HTTPStatus.NOT_FOUND and reply.code.endswith("_invalid_id"):
        return errors.RecordMissingError(reply.said())
    if reply.code == "wp_die" or _DATABASE_DOWN in reply.text:
        return errors.StoreUnavailableError(reply.said())
    server_failed = reply.status >= _FIRST_SERVER_ERROR
    other = errors.StoreUnavailableError if server_failed else errors.RequestRefusedError
    return _BY_STATUS.get(reply.status, other)(reply.said())


def _firewall(reply: _Reply) -> SyncError:
    return errors.BlockedByFirewallError(
        f"{reply.where} answered {reply.status} with a web page that is not the store's, "
        "as firewalls and captchas do."
    )
