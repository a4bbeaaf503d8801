"""No key, no secret and no signature is ever written down, whatever goes wrong."""

import logging
import traceback

import pytest

from sync_pipeline.errors import SyncError
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.redaction import redact
from sync_pipeline_tests.sources.scripted_store import Reply, as_json, quick_settings

# Not of the form that WooCommerce makes: nothing may rely on the prefix.
KEY = "keyOfTheStore4711"
SECRET = "secretOfTheStore0815"

ECHO = f"consumer_key={KEY}&consumer_secret={SECRET} Authorization: Basic {SECRET} {KEY} {SECRET}"
REPLIES = {
    "json message": as_json({"code": "x", "message": ECHO}, status=400),
    "unauthorized": as_json(
        {"code": "woocommerce_rest_cannot_view", "message": ECHO, "data": {}}, status=401
    ),
    "php fault": as_json(
        {"code": "e", "message": "m", "data": {"error": {"message": ECHO}}}, status=500
    ),
    "web page": Reply(403, f"<html>{ECHO}</html>".encode(), {"Content-Type": "text/html"}),
    "not json": Reply(200, ECHO.encode()),
    "noise": Reply(200, f"<b>Warning</b>: {ECHO}<br />\n[".encode()),
    "noise before json": Reply(200, f"<b>Warning</b>: {ECHO}<br />\n[]".encode()),
    "redirect": Reply(301, b"", {"Location": f"https://elsewhere.example/?{ECHO}"}),
    "cut": Reply(200, b"[" * 50, cut=True),
    "slow": Reply(200, b"[]", delay_seconds=1),
    "maintenance": Reply(503, ECHO.encode(), {"Retry-After": "900"}),
    "fine": as_json([{"id": 1}], Link=f"<https://shop.example/?{ECHO}>; rel=next"),
}


def leaks(text):
    return [secret for secret in (KEY, SECRET, "oauth_signature=") if secret in text]


def everything_about(error):
    chain = []
    while error is not None:
        chain += [str(error), repr(error), repr(vars(error)), repr(error.args)]
        error = error.__cause__ or error.__context__
    return "\n".join(chain)


@pytest.fixture
def servers(store, tls_store):
    return {"http": store, "https": tls_store}


class TestSecrets:
    @pytest.mark.parametrize("name", REPLIES)
    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_given_any_answer_when_read_then_no_secret_is_in_error_repr_or_log(
        self, servers, caplog, name, scheme, ca_bundle
    ):
        server = servers[scheme]
        server.script = [REPLIES[name]]
        events = []
        settings = quick_settings(ca_bundle=ca_bundle, read_timeout_seconds=0.15)
        text = ""
        with (
            caplog.at_level(logging.DEBUG),
            WooCommerceClient(
                server.url, KEY, SECRET, settings, on_request=events.append
            ) as client,
        ):
            try:
                text += repr(client.get("customers", {"per_page": "1"}))
            except SyncError as error:
                text += everything_about(error)
                text += "".join(traceback.format_exception(error))
            text += repr(client) + repr(vars(client)) + repr(events)
        records = "\n".join(record.getMessage() + repr(vars(record)) for record in caplog.records)

        assert server.seen
        assert "urllib3.connectionpool" in records
        assert leaks(text) == []
        assert leaks(records) == []

    def test_given_nobody_listens_when_read_then_the_refused_url_is_not_quoted(self, store, caplog):
        store.stop()
        with (
            caplog.at_level(logging.DEBUG),
            WooCommerceClient(store.url, KEY, SECRET, quick_settings()) as client,
            pytest.raises(SyncError) as raised,
        ):
            client.get("customers")
        store.stop = lambda: None

        assert leaks(everything_about(raised.value)) == []
        assert leaks(caplog.text) == []


class TestRedact:
    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("<p>Fish &amp; chips</p>", "Fish & chips"),
            ("in /var/www/html/wp-content/p.php:10", "in …/p.php:10"),
            ("key ck_0123abc and cs_0123abc", "key ck_… and cs_…"),
            ("?consumer_key=a&consumer_secret=b&x=1", "?consumer_key=…&consumer_secret=…&x=1"),
            ("see https://me:pw@shop.example", "see https://…@shop.example"),
            ("Authorization: Basic Y2s6Y3M6eA==", "Authorization: Basic …"),
        ],
    )
    def test_given_a_text_of_a_store_when_redacted_then_only_plain_words_stay(self, text, plain):
        assert redact(text) == plain

    def test_given_a_long_text_when_redacted_then_it_is_cut(self):
        assert len(redact("word " * 1000)) == 200
