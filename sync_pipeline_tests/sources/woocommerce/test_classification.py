"""Every recorded answer is told for what it is."""

import pytest

from sync_pipeline.errors import InputError, PermanentError, TransientError
from sync_pipeline.sources.errors import PageFaultError
from sync_pipeline.sources.woocommerce import errors
from sync_pipeline.sources.woocommerce.classification import classify
from sync_pipeline_tests.sources.scripted_store import RECORDED

CODES = {
    "errors/404_namespace": "route_missing",
    "errors/404_route": "route_missing",
    "errors/database_down": "store_unavailable",
    "errors/database_down_accept_any": "store_unavailable",
    "errors/delete_admin_refused": "permission_denied",
    "errors/delete_customer_missing": "record_missing",
    "errors/gateway_timeout_504": "store_timeout",
    "errors/legacy_api": "route_missing",
    "errors/maintenance_mode": "store_unavailable",
    "errors/maintenance_mode_accept_any": "store_unavailable",
    "errors/php_fpm_down_502": "bad_gateway",
    "errors/plain_permalinks_301_target": "route_missing",
    "errors/plain_permalinks_index_php": "authentication_failed",
    "errors/plain_permalinks_rest_route": "authentication_failed",
    "errors/plain_permalinks_wp_json": "url_invalid",
    "errors/plugin_deactivated": "route_missing",
    "errors/post_malformed_json": "request_refused",
    "errors/provoked_exception": "store_faulted",
    "errors/provoked_fatal": "store_faulted",
    "errors/provoked_fatal_accept_any": "store_faulted",
    "errors/provoked_memory": "store_faulted",
    "errors/put_customer_missing": "record_missing",
    "auth/customer_role_key_customers": "permission_denied",
    "auth/http_basic_refused": "authentication_failed",
    "auth/http_oauth1_nonce_replayed": "authentication_failed",
    "auth/http_oauth1_timestamp_901s_old": "authentication_failed",
    "auth/http_oauth1_unknown_key": "authentication_failed",
    "auth/http_oauth1_wrong_secret": "authentication_failed",
    "auth/https_unknown_key": "authentication_failed",
    "auth/https_wrong_secret": "authentication_failed",
    "auth/no_credentials": "authentication_failed",
    "auth/read_only_key_post": "permission_denied",
    "auth/rest_route_form_basic": "authentication_failed",
    "auth/write_only_key_get": "permission_denied",
    "customers/email_invalid": "request_refused",
    "customers/one_missing": "record_missing",
    "customers/per_page_101": "request_refused",
    "customers/role_bogus": "request_refused",
    "orders/one_missing": "record_missing",
    "products/one_missing": "record_missing",
}
CAPTCHA = b"""<html><head><link rel="icon" href="data:;"><meta http-equiv="refresh"
content="0;/.well-known/sgcaptcha/?r=%2Fwp-json%2F"></head></html>"""
CHALLENGE = b"<!DOCTYPE html><title>Just a moment...</title><script src='/cdn-cgi/x'></script>"
HTML = {"Content-Type": "text/html; charset=UTF-8"}
JSON = {"Content-Type": "application/json; charset=UTF-8"}


def classified(name):
    exchange = RECORDED[name]
    return classify(exchange["status"], exchange["headers"], exchange["body"].encode())


class TestRecordedAnswers:
    @pytest.mark.parametrize(("name", "code"), CODES.items(), ids=CODES.keys())
    def test_given_a_recorded_failure_when_classified_then_it_is_that_error(self, name, code):
        error = classified(name)

        assert error is not None
        assert error.code == f"woocommerce.{code}"
        assert error.remedy
        assert "<" not in str(error)
        assert "/var/www" not in str(error)

    @pytest.mark.parametrize(
        "name", [name for name, exchange in RECORDED.items() if exchange["status"] == 200]
    )
    def test_given_a_recorded_success_when_classified_then_only_web_pages_are_errors(self, name):
        is_page = name == "errors/plain_permalinks_301_target"

        assert (classified(name) is not None) == is_page

    def test_given_a_maintenance_page_when_classified_then_its_retry_after_is_kept(self):
        error = classified("errors/maintenance_mode")

        assert isinstance(error, errors.StoreUnavailableError)
        assert error.retry_after_seconds == 600
        assert "Briefly unavailable for scheduled maintenance" in error.message
        assert "asks to wait 600 s" in str(error)

    def test_given_a_php_error_when_classified_then_its_first_line_is_told_without_directories(
        self,
    ):
        error = classified("errors/provoked_fatal")

        assert "Call to undefined function" in str(error)
        assert "…/local.php:10" in str(error)
        assert "Stack trace" not in str(error)

    def test_given_a_clock_that_is_off_when_classified_then_the_remedy_names_the_clock(self):
        assert "clocks" in classified("auth/http_oauth1_timestamp_901s_old").remedy

    @pytest.mark.parametrize(
        ("name", "unseen"),
        [("auth/http_basic_refused", True), ("auth/https_wrong_secret", False)],
    )
    def test_given_a_401_when_classified_then_unseen_keys_are_told_from_wrong_ones(
        self, name, unseen
    ):
        assert classified(name).keys_unseen is unseen


class TestFirewalls:
    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (202, CAPTCHA),
            (200, CAPTCHA),
            (200, CHALLENGE),
            (403, CHALLENGE),
            (503, CHALLENGE),
            (429, CHALLENGE),
            (403, b"<html><body>Forbidden</body></html>"),
            (406, b"<html>Not Acceptable! mod_security</html>"),
            (202, b""),
        ],
    )
    def test_given_a_page_that_is_not_the_stores_when_classified_then_a_firewall_is_named(
        self, status, body
    ):
        error = classify(status, HTML, body)

        assert isinstance(error, errors.BlockedByFirewallError)
        assert "sync-pipeline" in error.remedy


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [b'[{"id": 1}, {"id"', b'{"id": NaN}', b"[Infinity]", b"\xff\xfe[]", b"[" * 100_000, b"OK"],
    )
    def test_given_a_success_without_usable_json_when_classified_then_it_is_malformed(self, body):
        error = classify(200, JSON, body)

        assert isinstance(error, errors.MalformedResponseError)

    @pytest.mark.parametrize(
        ("status", "kind"),
        [
            (408, errors.StoreTimeoutError),
            (413, errors.RequestRefusedError),
            (429, errors.RateLimitedError),
            (503, errors.StoreUnavailableError),
            (520, errors.StoreUnavailableError),
            (524, errors.StoreTimeoutError),
        ],
    )
    def test_given_a_status_alone_when_classified_then_it_decides(self, status, kind):
        assert type(classify(status, JSON, b"{}")) is kind

    def test_given_a_body_that_echoes_keys_when_classified_then_the_error_does_not(self):
        body = b'{"code": "x", "message": "bad consumer_secret=cs_abc123 for ck_def456"}'

        text = str(classify(400, JSON, body))

        assert "cs_abc123" not in text
        assert "def456" not in text


class TestBranches:
    def test_given_all_errors_then_each_has_a_code_of_its_own_a_branch_and_a_remedy(self):
        kinds = [
            kind
            for kind in vars(errors).values()
            if isinstance(kind, type)
            and issubclass(kind, errors.WooCommerceError)
            and kind is not errors.WooCommerceError
        ]

        assert len({kind.code for kind in kinds}) == len(kinds) == 15
        assert all(issubclass(kind, TransientError | PermanentError) for kind in kinds)
        assert all(kind("x").remedy for kind in kinds)

    def test_given_what_a_person_typed_then_it_is_an_input_error(self):
        assert issubclass(errors.UrlInvalidError, InputError)

    def test_given_a_page_that_fails_then_reading_less_may_help(self):
        helped = (
            errors.StoreFaultedError,
            errors.BadGatewayError,
            errors.ConnectionCutError,
            errors.MalformedResponseError,
            errors.StoreTimeoutError,
        )
        assert all(issubclass(kind, PageFaultError) for kind in helped)
        assert not issubclass(errors.StoreUnavailableError, PageFaultError)
