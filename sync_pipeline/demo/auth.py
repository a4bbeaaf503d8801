"""Signing in: Basic and query keys on https, OAuth 1.0a everywhere, with the recorded refusals.

Belongs here: who a request comes from and what their key allows. Does not: which paths are open to
everybody (routes.py).

On plain http Basic and query keys are ignored without a word: the request counts as nobody's.
"""

import base64
import binascii
import hashlib
import hmac
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, unquote

from sync_pipeline.demo.answers import RestError
from sync_pipeline.demo.request import Request

# Published on purpose: they open nothing but a store on loopback.
DEMO_KEY = "ck_demo00000000000000000000000000000000read"
DEMO_SECRET = "cs_demo00000000000000000000000000000000read"  # noqa: S105 - see above
TIMESTAMP_TOLERANCE_SECONDS = 15 * 60

Permission = Literal["read_write", "read_only", "write_only"]
_ERROR = "woocommerce_rest_authentication_error"
_HASHES = {"HMAC-SHA256": hashlib.sha256, "HMAC-SHA1": hashlib.sha1}
_OAUTH = (
    "oauth_consumer_key",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
)
_HEADER_PART = re.compile(r'(oauth_[a-z_]+)="([^"]*)"')


@dataclass(frozen=True)
class Key:
    """A consumer key of the store.

    Attributes:
        sees_store: False for a key of somebody who is only a customer: 403 everywhere.
    """

    key: str
    secret: str
    permission: Permission = "read_write"
    sees_store: bool = True


DEMO_KEYS = (
    Key(DEMO_KEY, DEMO_SECRET),
    Key("ck_demo_read_only", "cs_demo_read_only", "read_only"),
    Key("ck_demo_write_only", "cs_demo_write_only", "write_only"),
    Key("ck_demo_customer", "cs_demo_customer", "read_write", sees_store=False),
)


class Authenticator:
    """Tells whose key signed a request; remembers the nonces that were used."""

    def __init__(self, keys: Sequence[Key], clock: Callable[[], float]) -> None:
        self._keys = {key.key: key for key in keys}
        self._clock = clock
        self._nonces: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def sign_in(self, request: Request) -> Key | None:
        """The key behind the request; None for nobody.

        Raises:
            RestError: 401 wrong secret, signature, nonce or timestamp.
        """
        key = self._plain(request) if request.secure else None
        return key or self._oauth(request)

    def _plain(self, request: Request) -> Key | None:
        name, secret = request.text("consumer_key"), request.text("consumer_secret")
        if not (name and secret):
            name, secret = _basic(request.headers.get("authorization", ""))
        key = self._keys.get(name)
        if key is not None and not hmac.compare_digest(key.secret, secret):
            raise RestError(401, _ERROR, "Consumer secret is invalid.")
        return key

    def _oauth(self, request: Request) -> Key | None:
        header = dict(_HEADER_PART.findall(request.headers.get("authorization", "")))
        given = {name: request.text(name) for name in _OAUTH}
        given |= {name: unquote(value) for name, value in header.items()}
        missing = [name for name in _OAUTH if not given[name]]
        if len(missing) == len(_OAUTH):
            return None
        if missing:
            words = f"Missing OAuth parameter{'s'[: len(missing) > 1]} {', '.join(missing)}"
            raise RestError(401, "woocommerce_rest_authentication_missing_parameter", words)
        key = self._keys.get(given["oauth_consumer_key"])
        if key is None:
            raise RestError(401, _ERROR, "Consumer key is invalid.")
        _check_signature(request, given, key)
        self._use_nonce(key.key, given["oauth_nonce"], given["oauth_timestamp"])
        return key

    def _use_nonce(self, key: str, nonce: str, timestamp: str) -> None:
        now = self._clock()
        oldest = now - TIMESTAMP_TOLERANCE_SECONDS
        signed_at = float(timestamp) if timestamp.isdigit() else 0.0
        if not oldest <= signed_at <= now + TIMESTAMP_TOLERANCE_SECONDS:
            raise RestError(401, _ERROR, "Invalid timestamp.")
        with self._lock:
            if (key, nonce) in self._nonces:
                raise RestError(401, _ERROR, "Invalid nonce - nonce has already been used.")
            self._nonces[key, nonce] = signed_at
            for old in [n for n, moment in self._nonces.items() if moment < oldest]:
                del self._nonces[old]


def check_permission(key: Key, method: str) -> None:
    """Whether the key may read or write at all.

    Raises:
        RestError: 401 it may not.
    """
    reads = method in ("GET", "HEAD")
    if reads and key.permission == "write_only":
        raise RestError(401, _ERROR, "The API key provided does not have read permissions.")
    writes = method in ("POST", "PUT", "PATCH", "DELETE")
    if writes and key.permission == "read_only":
        raise RestError(401, _ERROR, "The API key provided does not have write permissions.")


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret


def _check_signature(request: Request, given: Mapping[str, str], key: Key) -> None:
    algorithm = _HASHES.get(given["oauth_signature_method"])
    if algorithm is None:
        raise RestError(401, _ERROR, "Invalid signature - signature method is invalid.")
    digest = hmac.new(
        f"{key.secret}&".encode(), _signed_text(request, given).encode(), algorithm
    ).digest()
    if not hmac.compare_digest(base64.b64encode(digest).decode(), given["oauth_signature"]):
        raise RestError(401, _ERROR, "Invalid signature - provided signature does not match.")


def _signed_text(request: Request, given: Mapping[str, str]) -> str:
    """The text that was signed. Arrays are named a[0], a[1]: a signed a[] fails (recorded)."""
    named: dict[str, str] = {}
    for name, value in {**request.parameters, **given}.items():
        if isinstance(value, str):
            named[name] = value
        else:
            named |= {f"{name}[{i}]": part for i, part in enumerate(value)}
    named.pop("oauth_signature", None)
    pairs = sorted((_quoted(name), _quoted(value)) for name, value in named.items())
    text = "&".join(f"{name}={value}" for name, value in pairs)
    return "&".join((request.method, _quoted(request.url + request.path), _quoted(text)))


def _quoted(text: str) -> str:
    return quote(text, safe="-._~")
