"""Addresses of stores: what a person may give, and what it becomes.

Belongs here: checking and normalizing, pure. Does not: asking the address (client.py).
"""

from urllib.parse import SplitResult, urlsplit

from sync_pipeline.sources.woocommerce.errors import UrlInvalidError

API_ROOT = "wp-json"
API_NAMESPACE = "wc/v3"


def normalize_base_url(text: str) -> str:
    """The store's address without what people copy along (spaces, a slash, /wp-json/…).

    Raises:
        UrlInvalidError: no http(s) address, no host, or keys, a password or a query in it.
    """
    given = text.strip()
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise UrlInvalidError("The address of the store cannot be read.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UrlInvalidError("The address of the store does not begin with https:// and a host.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UrlInvalidError(
            "The address of the store holds more than an address (user, password or query)."
        )
    if any(character.isspace() for character in given) or port == 0:
        raise UrlInvalidError("The address of the store cannot be read.")
    path = parts.path.split(f"/{API_ROOT}")[0].rstrip("/")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: keys never travel from one origin to another."""
    parts: SplitResult = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default_port
