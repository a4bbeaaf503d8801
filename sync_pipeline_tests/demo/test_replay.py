"""Every recorded GET and HEAD, asked again of the demo store.

The status, Content-Type, X-WP-Total, X-WP-TotalPages, Link, Retry-After, Allow, the body, and its
length to the byte must be as recorded. What cannot be is named below with its reason.
"""

import re

import pytest
import requests

from sync_pipeline.demo import DemoServer, recorded_store
from sync_pipeline_tests.demo.exchanges import (
    EXCHANGES,
    ask,
    body_bytes_of,
    comparable_link,
    earlier_store,
    expected_body,
    is_earlier,
    without_host,
)

COMPARED_HEADERS = ("Content-Type", "X-WP-Total", "X-WP-TotalPages", "Retry-After", "Allow")

# Signed once, by hand: played as behaviour in test_auth.py.
PLAYED_ELSEWHERE = {
    "auth/http_oauth1_nonce_first": "the nonce is used once",
    "auth/http_oauth1_nonce_replayed": "the nonce is used twice",
    "auth/http_oauth1_timestamp_900s_ahead": "the timestamp is of that day",
    "auth/http_oauth1_timestamp_901s_old": "the timestamp is of that day",
}
# The drift recordings are a story: test_drift.py tells it again.
NOT_SERVED = {
    "products/sku_of_variation": "variations are not found by SKU",
    "store/payment_gateways": "served as a fixed body, without totals",
    "orders/notes_of_order": "served as a fixed body, whose Allow is not recorded with it",
}
BODY_DIFFERS = {
    "orders/dp_4": "taxes below a cent are in no listing; compared to the cent below",
    "products/default_no_params": "products made in one second: MySQL's order among them is chance",
    "products/modified_after_past_gmt": "the same",
    "products/type_variable": "the same",
    **dict.fromkeys(
        (
            "timezones/America_New_York_products_gmt_value_dates_are_gmt_true",
            "timezones/America_New_York_products_gmt_value_plus_Z_no_flag",
            "timezones/America_New_York_products_local_value_no_flag",
            "timezones/Europe_Berlin_products_gmt_value_dates_are_gmt_true",
        ),
        "the same; how many there are is compared",
    ),
}
REPLAYED = sorted(
    name
    for name, exchange in EXCHANGES.items()
    if exchange["request"]["method"] in ("GET", "HEAD")
    and not name.startswith("drift/")
    and name not in PLAYED_ELSEWHERE
    and name not in NOT_SERVED
)


@pytest.fixture(scope="module")
def servers():
    """The store in both recorded states, and a third one in Berlin."""
    with (
        DemoServer(recorded_store()) as later,
        DemoServer(earlier_store()) as earlier,
        DemoServer(later.store, timezone="Europe/Berlin") as berlin,
    ):
        yield {"later": later, "earlier": earlier, "berlin": berlin}


@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session


def server_of(name, servers):
    if "Europe_Berlin" in name:
        return servers["berlin"]
    return servers["earlier" if is_earlier(name) else "later"]


def test_the_replay_covers_what_was_recorded():
    folders = {name.split("/")[0] for name in REPLAYED}

    assert {"auth", "customers", "listing", "orders", "pagination", "timezones"} <= folders
    assert len(REPLAYED) >= 240
    for name in (*PLAYED_ELSEWHERE, *NOT_SERVED, *BODY_DIFFERS):
        assert name in EXCHANGES


@pytest.mark.parametrize("name", REPLAYED)
def test_given_a_recorded_request_when_asked_again_then_the_answer_is_as_recorded(
    name, servers, session
):
    exchange, server = EXCHANGES[name], server_of(name, servers)
    recorded = exchange["response"]
    headers = dict(recorded["headers"])

    response = ask(exchange, server.url, session)

    assert response.status_code == recorded["status"]
    for header in COMPARED_HEADERS:
        assert response.headers.get(header) == headers.get(header), header
    assert comparable_link(response.headers.get("Link")) == comparable_link(headers.get("Link"))
    if name not in BODY_DIFFERS and exchange["request"]["method"] != "HEAD":
        expected = expected_body(exchange, server.store)
        assert without_host(response.json()) == without_host(expected)
        assert len(response.content) == body_bytes_of(exchange, response)


def test_given_four_decimals_when_orders_are_listed_then_money_has_four(servers, session):
    exchange = EXCHANGES["orders/dp_4"]

    response = ask(exchange, servers["earlier"].url, session)

    def to_the_cent(value):
        cents = re.sub(r'"(-?\d+\.\d\d)\d\d"', r'"\1"', without_taxes(value))
        assert cents.count('.00"') > 0
        return cents

    def without_taxes(value):
        return re.sub(r"'taxes': \[.*?\]", "", str(without_host(value))).replace("'", '"')

    assert to_the_cent(response.json()) == to_the_cent(exchange["response"]["body"])
    assert response.json()[0]["total"] == "558.4600"


def test_given_records_of_one_second_when_products_are_listed_then_only_their_order_differs(
    servers, session
):
    exchange = EXCHANGES["products/default_no_params"]

    response = ask(exchange, servers["earlier"].url, session)

    ids = {product["id"] for product in response.json()}
    assert ids == {product["id"] for product in exchange["response"]["body"]}
