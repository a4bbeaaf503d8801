"""Answers, errors and paging links in WordPress's words.

Belongs here: the shape of what goes over the wire. Does not: what is in it (listing.py), which
answer a path gets (routes.py), sockets (server.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote_plus, unquote_plus

from sync_pipeline.demo.records import wordpress_json
from sync_pipeline.demo.store import RECORDED_URL

JSON_TYPE = "application/json; charset=UTF-8"
HTML_TYPE = "text/html; charset=UTF-8"
Parameters = Mapping[str, str | Sequence[str]]
_ESCAPED_RECORDED_URL = RECORDED_URL.replace("/", "\\/")
_ALWAYS = (
    ("X-Robots-Tag", "noindex"),
    ("X-Content-Type-Options", "nosniff"),
    ("Access-Control-Expose-Headers", "X-WP-Total, X-WP-TotalPages, Link"),
    (
        "Access-Control-Allow-Headers",
        "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type",
    ),
)
_NOT_CACHED = (
    ("Expires", "Wed, 11 Jan 1984 05:00:00 GMT"),
    ("Cache-Control", "no-cache, must-revalidate, max-age=0, no-store, private"),
)


@dataclass(frozen=True)
class Answer:
    """One HTTP answer.

    Attributes:
        record_ids: ids of the records in the body.
        ids_only: the body tells nothing of them but the id.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    record_ids: tuple[int, ...] = ()
    ids_only: bool = False


class RestError(Exception):
    """An error as the REST API reports it; `allow` is the Allow header, if it has one."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        more: Mapping[str, object] | None = None,
        allow: str = "",
    ) -> None:
        super().__init__(message)
        self.status, self.allow = status, allow
        self.body = {
            "code": code,
            "message": message,
            "data": {"status": status, **(more or {})},
        }


def no_route() -> RestError:
    """The recorded answer to an unknown path, and to a store whose plugin is off."""
    return RestError(
        404, "rest_no_route", "No route was found matching the URL and request method."
    )


def standard_headers(url: str, *, signed_in: bool) -> list[tuple[str, str]]:
    """What every REST answer carries; `Link` is replaced when there are other pages."""
    link = ("Link", f'<{url}/wp-json/>; rel="https://api.w.org/"')
    rest = _NOT_CACHED if signed_in else (("Vary", "Origin"),)
    return [("Content-Type", JSON_TYPE), *_ALWAYS, link, *rest]


def error_answer(error: RestError, url: str, *, signed_in: bool) -> Answer:
    """A REST error as JSON."""
    headers = standard_headers(url, signed_in=signed_in)
    if error.allow:
        headers.append(("Allow", error.allow))
    return Answer(error.status, wordpress_json(error.body).encode(), tuple(headers))


def encoded(text: str, url: str) -> bytes:
    """A JSON text of recorded records, with this store's address in place of the recorded one."""
    return text.replace(_ESCAPED_RECORDED_URL, url.replace("/", "\\/")).encode()


def page_links(path_url: str, parameters: Parameters, page: int, pages: int) -> str:
    """The Link header of a listing, keys included as WooCommerce does; "" on an only page.

    Args:
        path_url: the collection's address, without a query.
        parameters: the query's parameters in their order; an array is a sequence.
        page: the page shown; pages: how many there are, 0 when the store says nothing is there.
    """
    links = []
    if page > 1:
        links.append(_link(path_url, parameters, min(page - 1, pages), "prev"))
    if pages > page:
        links.append(_link(path_url, parameters, page + 1, "next"))
    return ", ".join(links)


def _link(path_url: str, parameters: Parameters, page: int, rel: str) -> str:
    pairs = []
    for name, value in {**parameters, "page": str(page)}.items():
        if isinstance(value, str):
            pairs.append(f"{name}{_reencoded(value)}")
        else:
            pairs += [f"{name}%5B{i}%5D{_reencoded(part)}" for i, part in enumerate(value)]
    return f'<{path_url}?{"&".join(pairs)}>; rel="{rel}"'


def _reencoded(value: str) -> str:
    """As WordPress builds it: taken apart once more without having been encoded.

    So "+" turns into a space, and one "=" at the end is lost (both recorded).
    """
    value = value.removesuffix("=")
    return f"={quote_plus(unquote_plus(value)).replace('~', '%7E')}" if value else ""
