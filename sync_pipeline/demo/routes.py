"""Which answer a path gets.

Belongs here: paths, rights, single records, listings put together. Does not: filters and paging
(listing.py), faults (faults.py), sockets (server.py).

Only reading is served; a write answers as if the route did not exist. Change the store in process,
or through the control paths of the server.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

from sync_pipeline.demo import schemas
from sync_pipeline.demo.answers import (
    Answer,
    RestError,
    encoded,
    error_answer,
    no_route,
    page_links,
    standard_headers,
)
from sync_pipeline.demo.auth import Authenticator, Key, check_permission
from sync_pipeline.demo.conditions import OneOf
from sync_pipeline.demo.listing import Selections, is_true, shown
from sync_pipeline.demo.parameters import Schema, Value, validated
from sync_pipeline.demo.records import Collection, Records, wordpress_json
from sync_pipeline.demo.rendering import View, fields_tree, picked
from sync_pipeline.demo.request import Request
from sync_pipeline.demo.store import DemoStore

_SINGLE = re.compile(r"(customers|orders|products)/(\d+)")
_UNDER = re.compile(r"(products|orders)/(\d+)/(variations|refunds)")
_MISSING = {
    "customers": ("wc_user_invalid_id", "Invalid user ID."),
    "orders": ("woocommerce_rest_shop_order_invalid_id", "Invalid ID."),
    "products": ("woocommerce_rest_product_invalid_id", "Invalid ID."),
}
_ALL_METHODS = "GET, POST, PUT, PATCH, DELETE"
_OPEN = ("", "wc/v3")  # indexes: no key is asked for
_READ_METHODS = ("GET", "HEAD")


class Site:
    """A store behind its REST API."""

    def __init__(
        self,
        store: DemoStore,
        authenticator: Authenticator,
        zone: ZoneInfo,
        shop_url: str | None = None,
    ) -> None:
        """Take a store; links in its records name the shop's address, or where they are asked."""
        self._store = store
        self._shop_url = shop_url
        self._authenticator = authenticator
        self._zone = zone
        self._selections = Selections()

    def answer(self, request: Request) -> Answer:
        """The answer to any request, errors included."""
        key: Key | None = None
        try:
            key = self._authenticator.sign_in(_at_root(request))
            if key is not None:
                check_permission(key, request.method)
            with self._store.lock:
                return self._route(request, key)
        except RestError as error:
            # A refused signature is answered before WordPress knows anybody.
            return error_answer(error, request.url, signed_in=key is not None)

    def _route(self, request: Request, key: Key | None) -> Answer:
        route = _route_of(request)
        if route is None or request.method not in _READ_METHODS:
            raise no_route()
        if route in _OPEN:
            return self._fixed(route, request, key)
        path = route.removeprefix("wc/v3/")
        # One variation was recorded as it is read alone: for as long as it is what it was.
        if (single := _SINGLE.fullmatch(path)) and not (
            route in self._store.fixed and self._store.catalog.is_sold(int(single[2]))
        ):
            _check_rights(key, "view this resource")
            return self._single(single[1], int(single[2]), request)
        collection, schema = self._collection(path)
        if collection is None:
            if route not in self._store.fixed:
                raise no_route()
            _check_rights(key)
            return self._fixed(route, request, key)
        parameters = validated(request.parameters, schema)
        _check_rights(key)
        return self._listing(path, collection, schema, parameters, request)

    def _collection(self, path: str) -> tuple[Collection | None, Schema]:
        store = self._store
        known: dict[str, tuple[Collection, Schema]] = {
            "customers": (store.customers, schemas.CUSTOMERS),
            "orders": (store.orders, schemas.ORDERS),
            "products": (store.products, schemas.PRODUCTS),
            "refunds": (store.refunds, schemas.REFUNDS),
        }
        if path in known:
            return known[path]
        if under := _UNDER.fullmatch(path):
            return self._under(under[1], int(under[2]), under[3])
        return store.small.get(path), schemas.COUPONS if path == "coupons" else schemas.SMALL

    def _under(self, kind: str, parent_id: int, name: str) -> tuple[Collection | None, Schema]:
        store = self._store
        if (kind, name) == ("products", "variations"):
            return store.variations.get(parent_id, Records()), schemas.VARIATIONS
        if (kind, name) == ("orders", "refunds"):
            ids = store.refunds.matching([OneOf("parent_id", (parent_id,))])
            found = (store.refunds.get(i) or {} for i in ids)
            rows = [{k: v for k, v in row.items() if k != "parent_id"} for row in found]
            return Records(rows), schemas.REFUNDS
        return None, schemas.SMALL

    def _listing(
        self,
        path: str,
        collection: Collection,
        schema: Schema,
        parameters: dict[str, Value],
        request: Request,
    ) -> Answer:
        ids = self._selections.ids(collection, parameters, schema, self._zone)
        page = shown(ids, parameters, schema)
        view = self._view(request)
        body = encoded(view.page(collection, page.ids), self._shop_url or request.url)
        headers = standard_headers(request.url, signed_in=True)
        echoed = _echoed(path, parameters, some=bool(page.ids))
        base = f"{request.url}/wp-json/wc/v3/{path}"
        links = page_links(base, echoed, page.page, page.pages)
        if links:
            headers = [(n, v) for n, v in headers if n != "Link"] + [("Link", links)]
        headers += [("X-WP-Total", str(page.total)), ("X-WP-TotalPages", str(page.pages))]
        headers.append(("Allow", "GET" if path == "refunds" else "GET, POST"))
        only_ids = view.fields is not None and set(view.fields) == {"id"}
        return Answer(200, body, tuple(headers), tuple(page.ids), only_ids)

    def _single(self, kind: str, record_id: int, request: Request) -> Answer:
        collections: dict[str, Collection] = {
            "customers": self._store.customers,
            "orders": self._store.orders,
            "products": self._store.products,
        }
        record = collections[kind].get(record_id)
        if record is None and kind == "products":
            record = self._store.catalog.any_variation(record_id)
        if record is None:
            raise RestError(404, *_MISSING[kind], allow="" if kind == "customers" else _ALL_METHODS)
        body = encoded(self._view(request).single(record), self._shop_url or request.url)
        headers = standard_headers(request.url, signed_in=True)
        headers.append(("Allow", _allowed(record)))
        return Answer(200, body, tuple(headers), (record_id,))

    def _fixed(self, route: str, request: Request, key: Key | None) -> Answer:
        body = self._store.fixed[route]
        if route == "":
            fields = fields_tree(request.parameters.get("_fields"))
            index = body | {"timezone_string": self._zone.key}
            body = index if fields is None else picked(index, fields)
        text = wordpress_json(body)
        headers = standard_headers(request.url, signed_in=key is not None)
        return Answer(200, encoded(text, request.url), (*headers, ("Allow", _allowed(body))))

    def _view(self, request: Request) -> View:
        fields = fields_tree(request.parameters.get("_fields"))
        places = request.text("dp")
        view = View(fields, zone=self._zone)
        return replace(view, places=int(places)) if places.isdigit() else view


def _at_root(request: Request) -> Request:
    """`?rest_route=` never signs in (recorded): such a request is nobody's."""
    if request.text("rest_route"):
        return replace(request, query="", headers={})
    return request


def _route_of(request: Request) -> str | None:
    """The route under /wp-json/ without slashes around; None when it lies elsewhere."""
    path = request.path.removeprefix("/index.php")
    if path.startswith("/wp-json"):
        return path.removeprefix("/wp-json").strip("/")
    return request.text("rest_route").strip("/") or None


def _check_rights(key: Key | None, deed: str = "list resources") -> None:
    if key is None or not key.sees_store:
        status = 401 if key is None else 403
        raise RestError(status, "woocommerce_rest_cannot_view", f"Sorry, you cannot {deed}.")


def _echoed(path: str, parameters: dict[str, Value], *, some: bool) -> dict[str, Value]:
    """The parameters as the Link header repeats them; orders and refunds add some of their own."""
    echoed = dict(parameters)
    if "dates_are_gmt" in echoed:
        echoed["dates_are_gmt"] = "1" if is_true(echoed["dates_are_gmt"]) else ""
    if path == "orders":
        status = echoed.pop("status", "any")
        echoed["status"] = status if isinstance(status, list) else [status]
    if some and path in ("orders", "refunds"):
        echoed.setdefault("dp", "2")
    if some and path == "orders":
        echoed.setdefault("context", "view")
    return echoed


def _allowed(body: object) -> str:
    """The methods that a record's own link names; just GET for what is no record."""
    links = body.get("_links", {}) if isinstance(body, dict) else {}
    hints: Sequence[str] = links.get("self", [{}])[0].get("targetHints", {}).get("allow", ["GET"])
    return ", ".join(hints)
