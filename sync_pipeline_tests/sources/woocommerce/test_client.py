"""One GET: signed, tried again, parsed; against a scripted server over http and https."""

import threading
import time
from email.utils import formatdate

import pytest
import requests

from sync_pipeline.sources.woocommerce import errors
from sync_pipeline.sources.woocommerce.auth import AuthForm
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.transport import USER_AGENT
from sync_pipeline_tests.sources.scripted_store import (
    KEY,
    SECRET,
    Reply,
    as_json,
    quick_settings,
    recorded,
)

UNSEEN = recorded("auth/no_credentials")
FAULT = recorded("errors/provoked_fatal")
RECORDS = as_json([{"id": 1}], X_WP_Total="1")


@pytest.fixture
def client(store):
    with WooCommerceClient(store.url, KEY, SECRET, quick_settings()) as opened:
        yield opened


@pytest.fixture
def tls_client(tls_store, ca_bundle):
    settings = quick_settings(ca_bundle=ca_bundle)
    with WooCommerceClient(tls_store.url, KEY, SECRET, settings) as opened:
        yield opened


class TestAsking:
    def test_given_a_listing_when_read_then_json_is_asked_for_under_an_honest_name(
        self, store, client
    ):
        store.script = [RECORDS]

        answer = client.get("customers", {"per_page": "1"})

        seen = store.seen[0]
        assert seen.path == "/wp-json/wc/v3/customers"
        assert seen.query["per_page"] == "1"
        assert seen.headers["Accept"] == "application/json"
        assert seen.headers["User-Agent"] == USER_AGENT
        assert USER_AGENT.startswith("sync-pipeline/")
        assert answer.value == [{"id": 1}]
        assert answer.headers["x-wp-total"] == "1"

    def test_given_keys_echoed_in_link_and_cookies_when_read_then_neither_is_kept(
        self, store, client
    ):
        store.script = [as_json([], Link=f"<http://x/?consumer_key={KEY}>", Set_Cookie="a=b")]

        answer = client.get("customers")

        assert not {"link", "set-cookie"} & set(answer.headers)

    def test_given_noise_before_the_json_when_read_then_it_is_reported(self, store, client):
        store.script = [recorded("errors/provoked_warning")]

        answer = client.get("customers")

        assert answer.value == [{"id": 258}]
        assert "local.php" in answer.noise

    def test_given_the_index_when_read_then_no_key_is_sent(self, tls_store, tls_client):
        tls_store.script = [as_json({"name": "Shop"})]

        tls_client.get_index("name")

        assert tls_store.seen[0].path == "/wp-json/"
        assert tls_store.seen[0].query == {"_fields": "name"}
        assert "Authorization" not in tls_store.seen[0].headers


class TestSigning:
    def test_given_https_when_read_then_the_keys_go_as_basic(self, tls_store, tls_client):
        tls_store.script = [RECORDS]

        tls_client.get("customers")

        assert tls_store.seen[0].headers["Authorization"].startswith("Basic ")
        assert tls_store.seen[0].query == {}

    def test_given_http_when_read_then_the_query_is_signed_and_no_secret_travels(
        self, store, client
    ):
        store.script = [RECORDS]

        client.get("orders", {"status": "failed,pending"})

        seen = store.seen[0]
        assert seen.query["oauth_signature_method"] == "HMAC-SHA256"
        assert seen.query["oauth_consumer_key"] == KEY
        assert seen.query["status"] == "failed,pending"
        assert "Authorization" not in seen.headers
        assert SECRET not in str(seen)

    def test_given_retries_when_signed_then_no_nonce_is_used_twice(self, store, client):
        store.script = [FAULT, FAULT, RECORDS]

        client.get("customers")

        assert len({seen.query["oauth_nonce"] for seen in store.seen}) == 3
        assert len({seen.query["oauth_signature"] for seen in store.seen}) == 3

    def test_given_a_host_that_strips_authorization_when_read_then_query_keys_are_remembered(
        self, tls_store, tls_client
    ):
        tls_store.script = lambda seen: RECORDS if "consumer_secret" in seen.query else UNSEEN

        tls_client.get("customers")
        tls_client.get("orders")

        assert tls_client.auth_form is AuthForm.QUERY
        assert [seen.path.rsplit("/", 1)[1] for seen in tls_store.seen] == [
            "customers",
            "customers",
            "orders",
        ]

    def test_given_an_unknown_key_when_read_then_it_goes_into_a_url_once_only(
        self, tls_store, tls_client
    ):
        tls_store.script = [UNSEEN]

        for _ in range(2):
            with pytest.raises(errors.AuthenticationFailedError):
                tls_client.get("customers")

        assert ["consumer_key" in seen.query for seen in tls_store.seen] == [False, True, False]
        assert tls_client.auth_form is AuthForm.BASIC

    def test_given_plain_http_when_keys_are_not_seen_then_they_never_go_into_the_url(
        self, store, client
    ):
        store.script = [UNSEEN]

        with pytest.raises(errors.AuthenticationFailedError):
            client.get("customers")

        assert len(store.seen) == 1


class TestRetrying:
    @pytest.mark.parametrize(
        "reply",
        [
            FAULT,
            recorded("errors/php_fpm_down_502"),
            recorded("errors/gateway_timeout_504"),
            recorded("errors/database_down"),
            Reply(429, b"{}", {"Retry-After": "0"}),
            Reply(202, b"<html>captcha</html>", {"Content-Type": "text/html"}),
            Reply(200, b'[{"id": 1}, {"id": 2}]', cut=True),
            Reply(200, b'[{"id": 1}, {"i'),
        ],
        ids=str,
    )
    def test_given_a_failure_that_passes_when_read_then_the_records_come(
        self, store, client, reply
    ):
        store.script = [reply, RECORDS]

        assert client.get("customers").value == [{"id": 1}]
        assert len(store.seen) == 2

    def test_given_a_failure_that_lasts_when_read_then_attempts_are_spent_and_it_is_raised(
        self, store, client
    ):
        store.script = [FAULT]

        with pytest.raises(errors.StoreFaultedError):
            client.get("customers", attempts=3)

        assert len(store.seen) == 3

    @pytest.mark.parametrize("name", ["auth/https_wrong_secret", "errors/plugin_deactivated"])
    def test_given_a_permanent_failure_when_read_then_it_is_asked_once(self, store, client, name):
        store.script = [recorded(name)]

        with pytest.raises(errors.PermanentError):
            client.get("customers")

        assert len(store.seen) == 1

    @pytest.mark.parametrize("as_date", [False, True])
    def test_given_a_retry_after_when_read_then_it_is_waited_for(self, store, client, as_date):
        wanted = formatdate(time.time() + 2, usegmt=True) if as_date else "1"
        store.script = [Reply(503, b"{}", {"Retry-After": wanted}), RECORDS]

        answer = client.get("customers")

        assert answer.elapsed_seconds >= 0.9

    def test_given_a_retry_after_above_the_cap_when_read_then_it_is_raised_at_once(self, store):
        store.script = [recorded("errors/maintenance_mode")]
        settings = quick_settings(retry_after_cap_seconds=1)

        with (
            WooCommerceClient(store.url, KEY, SECRET, settings) as client,
            pytest.raises(errors.StoreUnavailableError) as raised,
        ):
            client.get("customers")

        assert raised.value.retry_after_seconds == 600
        assert len(store.seen) == 1

    def test_given_a_slow_store_when_read_then_it_is_asked_twice_at_most(self, store):
        store.script = [Reply(200, b"[]", delay_seconds=5)]
        settings = quick_settings(read_timeout_seconds=0.1)

        with (
            WooCommerceClient(store.url, KEY, SECRET, settings) as client,
            pytest.raises(errors.StoreTimeoutError),
        ):
            client.get("customers")

        assert len(store.seen) == 2

    def test_given_a_wait_when_the_client_closes_then_it_ends(self, store):
        store.script = [Reply(503, b"{}", {"Retry-After": "60"})]
        client = WooCommerceClient(store.url, KEY, SECRET, quick_settings())
        raised = []

        def read():
            try:
                client.get("customers")
            except errors.StoreUnavailableError as error:
                raised.append(error)

        reader = threading.Thread(target=read)
        reader.start()
        while not store.seen:
            time.sleep(0.005)
        client.close()
        reader.join(5)

        assert len(raised) == 1

    def test_given_attempts_when_a_hook_listens_then_each_is_an_event(self, store):
        events = []
        store.script = [FAULT, RECORDS]

        with WooCommerceClient(
            store.url, KEY, SECRET, quick_settings(), on_request=events.append
        ) as client:
            client.get("customers")

        assert [(e.path, e.status, e.attempt, e.error_code) for e in events] == [
            ("/wp-json/wc/v3/customers", 500, 1, "woocommerce.store_faulted"),
            ("/wp-json/wc/v3/customers", 200, 2, None),
        ]


class TestRedirects:
    def test_given_plain_permalinks_when_read_then_the_shop_page_is_told_as_a_missing_route(
        self, store, client
    ):
        page = recorded("errors/plain_permalinks_301_target")
        moved = Reply(301, b"", {"Location": f"{store.url}/wp-json/wc/v3/customers/?x=1"})
        store.script = lambda seen: page if seen.path.endswith("/") else moved

        with pytest.raises(errors.RouteMissingError) as raised:
            client.get("customers")

        assert "Plain" in raised.value.remedy
        assert len({seen.query["oauth_nonce"] for seen in store.seen}) == 2

    @pytest.mark.parametrize(
        "target", ["https://localhost/wp-json/x?consumer_secret=cs_1", "http://other.example/", ""]
    )
    def test_given_another_origin_when_redirected_then_nothing_is_sent_there(
        self, store, client, target
    ):
        store.script = [Reply(301, b"", {"Location": target})]

        with pytest.raises(errors.UrlInvalidError) as raised:
            client.get("customers")

        assert "cs_1" not in str(raised.value)


class TestConnecting:
    def test_given_nobody_listens_when_read_then_the_store_is_unavailable(self, store):
        store.stop()
        with (
            WooCommerceClient(store.url, KEY, SECRET, quick_settings()) as client,
            pytest.raises(errors.StoreUnavailableError),
        ):
            client.get("customers")
        store.stop = lambda: None

    def test_given_an_unknown_authority_when_read_then_tls_failed(self, tls_store):
        tls_store.script = [RECORDS]

        with (
            WooCommerceClient(tls_store.url, KEY, SECRET, quick_settings()) as client,
            pytest.raises(errors.TlsFailedError, match="certificate"),
        ):
            client.get("customers")

        assert tls_store.seen == []

    def test_given_a_server_without_tls_when_read_over_https_then_tls_failed(self, store):
        url = store.url.replace("http://", "https://")

        with (
            WooCommerceClient(url, KEY, SECRET, quick_settings()) as client,
            pytest.raises(errors.TlsFailedError, match="no TLS"),
        ):
            client.get("customers")

    def test_given_a_bundle_in_the_environment_when_verification_is_off_then_it_stays_off(
        self, tls_store, monkeypatch, tmp_path
    ):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        tls_store.script = [RECORDS]
        settings = quick_settings(verify_tls=False)

        with WooCommerceClient(tls_store.url, KEY, SECRET, settings) as client:
            assert client.get("customers").value == [{"id": 1}]

    def test_given_a_bundle_of_ours_when_the_environment_names_another_then_ours_holds(
        self, tls_store, ca_bundle, monkeypatch, tmp_path
    ):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
        tls_store.script = [RECORDS]
        settings = quick_settings(ca_bundle=ca_bundle)

        with WooCommerceClient(tls_store.url, KEY, SECRET, settings) as client:
            assert client.get("customers").value == [{"id": 1}]

    def test_given_a_netrc_when_the_index_is_read_then_its_password_is_not_sent(
        self, store, client, monkeypatch, tmp_path
    ):
        netrc = tmp_path / "netrc"
        netrc.write_text("machine localhost login me password secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        assert requests.utils.get_netrc_auth(store.url) == ("me", "secret")
        store.script = [as_json({})]

        client.get_index("name")

        assert "Authorization" not in store.seen[0].headers


class TestAddresses:
    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            (" https://Shop.example/ ", "https://shop.example"),
            ("https://shop.example/wp-json/wc/v3", "https://shop.example"),
            ("http://shop.example:8080/blog/", "http://shop.example:8080/blog"),
        ],
    )
    def test_given_what_people_paste_then_the_stores_address_is_kept(self, given, kept):
        with WooCommerceClient(given, KEY, SECRET, quick_settings()) as client:
            assert client.base_url == kept

    @pytest.mark.parametrize(
        "given",
        [
            "",
            "shop.example",
            "ftp://shop.example",
            "https://",
            "https://me:pw@shop.example",
            f"https://shop.example?consumer_key={KEY}",
            "https://shop.example:99999",
            "https://[::1",
            "https://sh op.example",
        ],
    )
    def test_given_no_address_of_a_store_then_it_is_refused_without_quoting_it(self, given):
        with pytest.raises(errors.UrlInvalidError) as raised:
            WooCommerceClient(given, KEY, SECRET, quick_settings())

        assert "pw" not in str(raised.value)
        assert KEY not in str(raised.value)
