"""The doctor names what is wrong with a store, what to do, and what that makes moot."""

import pytest

from sync_pipeline.sources.woocommerce.doctor import Outcome, examine
from sync_pipeline_tests.sources.scripted_store import (
    KEY,
    SECRET,
    Reply,
    as_json,
    quick_settings,
    recorded,
)

INDEX = as_json(
    {
        "name": "Woo Bench",
        "gmt_offset": -5,
        "timezone_string": "America/New_York",
        "namespaces": ["oembed/1.0", "wc/v3", "wp/v2"],
    }
)
STATUS = as_json({"environment": {"version": "10.0.2", "wp_version": "6.8.8"}})
CAPTCHA = Reply(202, b"<html>captcha</html>", {"Content-Type": "text/html"})
ALL_CHECKS = [
    "address",
    "reachable",
    "tls",
    "firewall",
    "permalinks",
    "clock",
    "time zone",
    "auth",
    "read customers",
    "read orders",
    "read products",
    "version",
    "page size",
]


def healthy(seen):
    name = seen.path.removeprefix("/wp-json/").removeprefix("wc/v3/")
    if name == "":
        return INDEX
    if name == "system_status":
        return STATUS
    return as_json([{"id": 1}], X_WP_Total="1000")


def sick(replies):
    """Healthy, but for the paths named."""

    def answer(seen):
        name = seen.path.removeprefix("/wp-json/").removeprefix("wc/v3/")
        return replies[name] if name in replies else healthy(seen)

    return answer


def examined(store, **settings):
    findings = examine(store.url, KEY, SECRET, quick_settings(**settings))
    assert [finding.check for finding in findings] == ALL_CHECKS
    for finding in findings:
        assert SECRET not in repr(finding)
        if finding.outcome is Outcome.FAIL:
            assert finding.remedy
        if finding.outcome is Outcome.SKIP:
            assert finding.seen
    return {finding.check: finding for finding in findings}


def checks_that(found, outcome):
    return {check for check, finding in found.items() if finding.outcome is outcome}


class TestHealthyStore:
    def test_given_a_healthy_store_over_https_when_examined_then_all_is_well(
        self, tls_store, ca_bundle
    ):
        tls_store.script = healthy

        found = examined(tls_store, ca_bundle=ca_bundle)

        assert checks_that(found, Outcome.OK) == set(ALL_CHECKS)
        assert found["auth"].seen == "basic"
        assert found["read customers"].seen == "1000 customers"
        assert found["version"].seen == "WooCommerce 10.0.2, WordPress 6.8.8"
        assert found["time zone"].seen == "America/New_York"
        assert len(tls_store.seen) == 6

    def test_given_plain_http_when_examined_then_only_that_is_warned_of(self, store):
        store.script = healthy

        found = examined(store)

        assert checks_that(found, Outcome.WARN) == {"tls"}
        assert found["auth"].seen == "oauth1"


class TestSickStores:
    def test_given_no_address_when_examined_then_everything_else_is_skipped(self):
        findings = examine("shop.example", KEY, SECRET, quick_settings())

        assert [finding.outcome for finding in findings] == [Outcome.FAIL] + [Outcome.SKIP] * 12

    def test_given_nobody_listens_when_examined_then_it_is_not_reachable(self, store):
        store.stop()
        found = examined(store)
        store.stop = lambda: None

        assert checks_that(found, Outcome.FAIL) == {"reachable"}
        assert len(checks_that(found, Outcome.SKIP)) == 11

    def test_given_an_unknown_authority_when_examined_then_tls_fails(self, tls_store):
        found = examined(tls_store)

        assert checks_that(found, Outcome.FAIL) == {"tls"}
        assert found["reachable"].outcome is Outcome.OK

    def test_given_verification_is_off_when_examined_then_that_is_warned_of(self, tls_store):
        tls_store.script = healthy

        found = examined(tls_store, verify_tls=False)

        assert checks_that(found, Outcome.WARN) == {"tls"}

    def test_given_a_captcha_when_examined_then_the_firewall_fails(self, store):
        store.script = [CAPTCHA]

        found = examined(store)

        assert checks_that(found, Outcome.FAIL) == {"firewall"}
        assert found["permalinks"].outcome is Outcome.SKIP

    def test_given_plain_permalinks_when_examined_then_they_fail(self, store):
        store.script = [recorded("errors/plain_permalinks_301_target")]

        found = examined(store)

        assert checks_that(found, Outcome.FAIL) == {"permalinks"}

    def test_given_no_woocommerce_when_examined_then_the_missing_routes_are_told(self, store):
        missing = recorded("errors/plugin_deactivated")
        store.script = lambda seen: (
            missing if "wc/v3" in seen.path else as_json({"namespaces": ["wp/v2"]})
        )

        found = examined(store)

        assert found["permalinks"].outcome is Outcome.FAIL
        assert "Activate WooCommerce" in found["permalinks"].remedy
        assert checks_that(found, Outcome.SKIP) == {"version", "page size"}

    def test_given_a_wrong_secret_when_examined_then_auth_fails_with_what_the_store_says(
        self, store
    ):
        refused = recorded("auth/https_wrong_secret")
        store.script = sick({"customers": refused, "orders": refused, "products": refused})

        found = examined(store)

        assert found["auth"].outcome is Outcome.FAIL
        assert "Consumer secret is invalid" in found["auth"].seen

    def test_given_no_permission_for_orders_when_examined_then_only_orders_fail(self, store):
        store.script = sick({"orders": recorded("auth/customer_role_key_customers")})

        found = examined(store)

        assert checks_that(found, Outcome.FAIL) == {"read orders"}
        assert found["auth"].outcome is Outcome.OK

    def test_given_a_host_that_strips_authorization_when_examined_then_it_is_warned_of(
        self, tls_store, ca_bundle
    ):
        unseen = recorded("auth/no_credentials")
        tls_store.script = lambda seen: (
            healthy(seen) if seen.path == "/wp-json/" or "consumer_key" in seen.query else unseen
        )

        found = examined(tls_store, ca_bundle=ca_bundle)

        assert checks_that(found, Outcome.WARN) == {"auth"}

    def test_given_a_store_too_slow_for_100_when_examined_then_the_size_that_works_is_told(
        self, store
    ):
        def slow(seen):
            too_many = int(seen.query.get("per_page", "0")) > 25
            return Reply(200, b"[]", delay_seconds=3) if too_many else healthy(seen)

        store.script = slow

        found = examined(store, read_timeout_seconds=0.2)

        assert checks_that(found, Outcome.WARN) == {"tls", "page size"}
        assert "only 25 records" in found["page size"].seen
        assert "SYNC_SOURCE_PAGE_RECORDS=25" in found["page size"].remedy

    def test_given_totals_and_a_version_that_are_not_told_when_examined_then_it_warns(self, store):
        store.script = sick(
            {
                "customers": as_json([]),
                "system_status": recorded("auth/customer_role_key_customers"),
                "": as_json({"namespaces": ["wc/v3"], "gmt_offset": 5.5, "timezone_string": ""}),
            }
        )

        found = examined(store)

        assert checks_that(found, Outcome.WARN) == {
            "tls",
            "read customers",
            "version",
            "time zone",
        }
        assert found["time zone"].seen == "UTC+5.5"

    @pytest.mark.parametrize(
        "reply",
        [
            as_json([]),
            as_json({"namespaces": "wc/v3", "gmt_offset": "x", "timezone_string": 7}),
            Reply(200, b"{"),
            Reply(200, b""),
            Reply(500, b"{}"),
            Reply(418, b"\xff"),
        ],
        ids=lambda reply: reply.body.decode(errors="replace")[:10] or "empty",
    )
    def test_given_answers_that_make_no_sense_when_examined_then_nothing_is_raised(
        self, store, reply
    ):
        store.script = [reply]

        assert checks_that(examined(store), Outcome.FAIL)
