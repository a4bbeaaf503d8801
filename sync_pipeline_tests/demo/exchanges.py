"""Recorded exchanges, the states of the store they were made in, and how to ask again.

Belongs here: what the replay tests share. Does not: the expectations themselves (test_replay.py).
"""

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from requests_oauthlib import OAuth1

from sync_pipeline.demo import DemoStore, recorded_store
from sync_pipeline.demo.auth import DEMO_KEYS
from sync_pipeline.demo.recorded import read_compressed

EXCHANGES: Mapping[str, dict[str, Any]] = read_compressed(
    Path(__file__).parent / "data" / "exchanges.json.xz"
)
# Customer 52 was deleted in this second; everything before was recorded in the earlier state.
_FIRST_CHANGE = parsedate_to_datetime("Sun, 22 Nov 2026 00:13:59 GMT")
_KEYS = dict(zip(("rw", "ro", "wo", "cust"), DEMO_KEYS, strict=True))
_SIGNED = re.compile(r"[?&]oauth_[a-z_]+=[^&>]*")
_HOST = re.compile(r"127\.0\.0\.1:\d+")


def is_earlier(name: str) -> bool:
    """Whether the exchange was made before the store was changed for the drift recordings."""
    headers = dict(EXCHANGES[name]["response"]["headers"])
    return parsedate_to_datetime(headers["Date"]) < _FIRST_CHANGE


def earlier_store() -> DemoStore:
    """The store before those changes: 1,000 customers and 3,000 orders, other ones than later.

    Everything put back is itself recorded: the deleted ones in the answers to their deletion, the
    changed ones in the answers of that time.
    """
    store = recorded_store()
    store.customers.remove(1029)
    store.put_customer(_body("drift/a3_delete_force"))
    for order_id in range(3562, 3573):
        store.orders.remove(order_id)
    for before in _body("drift/a2b_orders_of_victim_before"):
        kept = {name: before[name] for name in ("customer_id", "date_modified_gmt")}
        store.put_order(store.order(before["id"]) | kept)
    times = {"date_modified": "2026-01-27T20:32:38", "date_modified_gmt": "2026-01-28T01:32:38"}
    trashed = _body("drift/c7_delete_force")
    store.put_order(trashed | times | {"status": "completed", "refunds": []})
    for name in ("customers/context_edit", "customers/default_no_params"):
        for customer in _body(name):
            store.put_customer(customer)
    for refund in _body("orders/all_refunds_endpoint"):
        store.refunds.put(refund)
    store.products.put(_body("products/variable_full"))
    store.products.put((store.products.get(10) or {}) | _body("products/sku_filter")[0])
    for variation in _body("products/variations_of_one"):
        store.variations[190].put(variation)
    return store


def ask(
    exchange: Mapping[str, Any], store_url: str, session: requests.Session
) -> requests.Response:
    """The recorded request, to another address and with that store's keys."""
    request = exchange["request"]
    sent = {k: v for k, v in request["headers"].items() if k != "Authorization"}
    if request["base"].startswith("https"):
        sent["X-Forwarded-Proto"] = "https"
    form, _, key_name = request["auth"].partition(", key ")
    query = [(n, v) for n, v in request["query"] if not n.startswith(("oauth_", "consumer_"))]
    if form == "query":
        key = _KEYS[key_name]
        query += [("consumer_key", key.key), ("consumer_secret", key.secret)]
    return session.request(
        request["method"],
        store_url + request["path"],
        params=query,
        headers=sent,
        auth=_signature(form, key_name, exchange),
        timeout=60,
    )


def expected_body(exchange: Mapping[str, Any], store: DemoStore) -> Any:
    """The recorded body; of a listing, which keeps only its ids, the records of the store."""
    if "ids" not in exchange:
        return exchange["response"].get("body")
    path = exchange["request"]["path"].removeprefix("/wp-json/wc/v3/").split("/")
    records = store.variations[int(path[1])] if len(path) > 1 else getattr(store, path[0])
    return [records.get(record_id) for record_id in exchange["ids"]]


def without_host(value: object) -> Any:
    """JSON with every port on loopback hidden."""
    return json.loads(_HOST.sub("store", json.dumps(value)))


def comparable_link(link: str | None) -> str | None:
    """A Link header without host, keys and signature: those are this store's own."""
    if link is None:
        return None
    link = re.sub(r"(consumer_(?:key|secret)=)[^&>]+", r"\1…", _HOST.sub("store", link))
    return _SIGNED.sub("", link)


def body_bytes_of(exchange: Mapping[str, Any], response: requests.Response) -> int:
    """How long the recorded body would be with the address of the one received."""
    recorded: str = exchange["request"]["base"]
    received = urlsplit(response.url).netloc
    longer = len(received) - len(recorded.partition("//")[2])
    return int(exchange["response"]["body_bytes"]) + longer * response.text.count(received)


def _signature(form: str, key_name: str, exchange: Mapping[str, Any]) -> AuthBase | None:
    if form in ("none", "query"):
        return None
    key = _KEYS.get(key_name, DEMO_KEYS[0])
    name, secret = key.key, key.secret
    if key_name == "(given)":
        # Of an unknown key or a wrong secret only the answer tells which it was.
        wrong_secret = "secret" in str(exchange["response"]) or "signature" in str(
            exchange["response"]["body"]
        )
        name, secret = (name, "cs_wrong") if wrong_secret else ("ck_unknown", secret)
    if form == "basic":
        return HTTPBasicAuth(name, secret)
    method = "HMAC-SHA1" if form == "oauth-sha1" else "HMAC-SHA256"
    return OAuth1(name, secret, signature_method=method, signature_type="query")


def _body(name: str) -> Any:
    return EXCHANGES[name]["response"]["body"]
