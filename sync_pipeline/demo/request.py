"""One HTTP request as the store sees it.

Belongs here: what can be read off the request itself. Does not: sockets (server.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qsl, unquote

from sync_pipeline.demo.parameters import Value, php_query

_SECRET = ("consumer_key", "consumer_secret")


@dataclass(frozen=True)
class Request:
    """A request.

    Attributes:
        path: decoded, without the query.
        query: as sent, still encoded.
        headers: names in lower case.
        url: scheme and host the store is reached by, e.g. "http://127.0.0.1:8080".
        secure: over TLS, or said to be by X-Forwarded-Proto (the store trusts it, recorded).
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str] = field(default_factory=dict)
    url: str = "http://127.0.0.1"
    secure: bool = False

    @classmethod
    def of(
        cls, method: str, target: str, headers: Mapping[str, str], *, host: str, over_tls: bool
    ) -> "Request":
        """From a request line's target and the headers."""
        path, _, query = target.partition("?")
        secure = over_tls or headers.get("x-forwarded-proto", "").lower() == "https"
        url = f"{'https' if secure else 'http'}://{host}"
        return cls(method, unquote(path), query, headers, url, secure)

    @cached_property
    def parameters(self) -> Mapping[str, Value]:
        """The query as PHP reads it."""
        return php_query(self.query)

    def text(self, name: str) -> str:
        """A parameter that is not an array; "" when it is not there."""
        value = self.parameters.get(name, "")
        return value if isinstance(value, str) else ""

    def public_query(self) -> dict[str, str]:
        """The query without keys, secrets and signatures, for the log; the last of a name stays."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        return {
            name: value
            for name, value in pairs
            if name not in _SECRET and not name.startswith("oauth_")
        }
