import ssl
import time

import pytest
import requests
import trustme
from requests_oauthlib import OAuth1

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET, DemoServer, made_store

PATH = "/wp-json/wc/v3/customers?per_page=1"


def oauth(**changes):
    given = {"signature_method": "HMAC-SHA256", "signature_type": "query"} | changes
    return OAuth1(DEMO_KEY, DEMO_SECRET, **given)


def get(server, path=PATH, **given):
    return requests.get(server.url + path, timeout=60, **given)


class TestPlainHttp:
    def test_given_basic_when_asked_over_http_then_it_counts_as_nobody(self, server):
        response = get(server, auth=(DEMO_KEY, DEMO_SECRET))

        assert response.status_code == 401
        assert response.json()["code"] == "woocommerce_rest_cannot_view"

    @pytest.mark.parametrize("method", ["HMAC-SHA256", "HMAC-SHA1"])
    def test_given_oauth_when_asked_over_http_then_it_is_answered(self, server, method):
        assert get(server, auth=oauth(signature_method=method)).status_code == 200

    def test_given_oauth_in_the_header_when_asked_then_it_is_answered(self, server):
        assert get(server, auth=oauth(signature_type="auth_header")).status_code == 200

    def test_given_a_nonce_used_before_when_used_again_then_it_is_refused(self, server):
        signed = oauth(nonce="once")

        first, second = get(server, auth=signed), get(server, auth=signed)

        assert first.status_code == 200
        assert second.status_code == 401
        assert second.json()["message"] == "Invalid nonce - nonce has already been used."

    @pytest.mark.parametrize(("seconds", "status"), [(-899, 200), (-902, 401), (902, 401)])
    def test_given_a_timestamp_when_15_minutes_off_then_it_is_refused(
        self, server, seconds, status
    ):
        response = get(server, auth=oauth(timestamp=str(int(time.time()) + seconds)))

        assert response.status_code == status
        assert status == 200 or response.json()["message"] == "Invalid timestamp."

    def test_given_a_skewed_store_when_the_client_is_on_time_then_its_signature_is_refused(self):
        with DemoServer(made_store(1), clock=lambda: time.time() + 3600) as server:
            response = get(server, auth=oauth())

        assert response.json()["message"] == "Invalid timestamp."

    def test_given_half_of_the_oauth_parameters_when_asked_then_the_rest_is_named(self, server):
        response = get(server, f"{PATH}&oauth_consumer_key={DEMO_KEY}&oauth_nonce=n")

        assert response.status_code == 401
        assert "oauth_timestamp, oauth_signature" in response.json()["message"]


class TestHttps:
    @pytest.fixture
    def authority(self):
        return trustme.CA()

    @pytest.fixture
    def tls_server(self, authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        with DemoServer(made_store(3), tls=context) as server:
            yield server

    def test_given_tls_when_signed_in_by_basic_or_query_then_it_is_answered(
        self, tls_server, authority
    ):
        with authority.cert_pem.tempfile() as bundle:
            basic = get(tls_server, auth=(DEMO_KEY, DEMO_SECRET), verify=bundle)
            query = f"{PATH}&consumer_key={DEMO_KEY}&consumer_secret={DEMO_SECRET}"
            by_query = get(tls_server, query, verify=bundle)

        assert basic.status_code == by_query.status_code == 200
        assert tls_server.url.startswith("https://")
        assert tls_server.url in basic.headers["Link"]
        # WooCommerce echoes the keys: a client must not log this header.
        assert DEMO_SECRET in by_query.headers["Link"]

    def test_given_an_unknown_authority_when_connecting_then_it_fails_and_the_store_goes_on(
        self, tls_server, authority
    ):
        with pytest.raises(requests.exceptions.SSLError):
            get(tls_server)
        with authority.cert_pem.tempfile() as bundle:
            assert get(tls_server, auth=(DEMO_KEY, DEMO_SECRET), verify=bundle).ok


def test_given_keys_in_a_query_when_logged_then_they_are_left_out(server):
    get(server, f"{PATH}&consumer_key={DEMO_KEY}&consumer_secret={DEMO_SECRET}")
    get(server, auth=oauth())

    assert len(server.requests) == 2
    for entry in server.requests:
        assert entry.query == {"per_page": "1"}
        assert DEMO_SECRET not in repr(entry)


def test_given_a_read_only_key_when_it_writes_then_it_is_refused_as_recorded(server):
    response = requests.post(
        server.url + PATH,
        json={},
        auth=("ck_demo_read_only", "cs_demo_read_only"),
        headers={"X-Forwarded-Proto": "https"},
        timeout=60,
    )

    assert response.status_code == 401
    assert response.json()["message"] == "The API key provided does not have write permissions."
