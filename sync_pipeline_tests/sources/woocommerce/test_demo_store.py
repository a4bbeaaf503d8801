"""Client, source and paging together, against the demo store and its faults."""

import ssl
import time

import pytest

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET, DemoServer, Fault, recorded_store
from sync_pipeline.sources.paging import AdaptiveLimit, PageSizes, page_requests, read_pages
from sync_pipeline.sources.protocol import Listing, Page, UnreadableRecord
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.doctor import Outcome, examine
from sync_pipeline.sources.woocommerce.source import WooCommerceSource
from sync_pipeline_tests.sources.scripted_store import quick_settings

CUSTOMERS = Listing("customers", "customers", ("id", "email", "billing"), {"role": "all"})
TOTAL = 1028

FAULTS = [
    Fault("rate_limited", path="customers", times=2, retry_after_seconds=0),
    Fault(
        "unavailable", path="customers", times=1, retry_after_seconds=1, retry_after_as_date=True
    ),
    Fault("server_error", path="customers", nth=3, times=2),
    Fault("server_error_html", path="customers", times=1, status=502),
    Fault("server_error_html", path="customers", times=1, status=504),
    Fault("database_down", path="customers", times=1),
    Fault("captcha", path="customers", times=1),
    Fault("hang", path="customers", times=1, seconds=1),
    Fault("slow", path="customers", times=1, seconds=0.2),
    Fault("cut_connection", path="customers", times=1),
    Fault("cut_connection", path="customers", times=1, after_bytes=5000),
    Fault("cut_json", path="customers", times=1),
    Fault("php_warning", path="customers", times=3),
    Fault("bom", path="customers", times=3),
    Fault("server_error", path="customers", per_page_above=25),
    Fault("server_error", query={"page": "4"}),
]


@pytest.fixture(scope="module")
def server():
    with DemoServer(recorded_store()) as running:
        yield running


@pytest.fixture
def source(server):
    server.faults = ()
    settings = quick_settings(read_timeout_seconds=0.5)
    opened = WooCommerceSource(WooCommerceClient(server.url, DEMO_KEY, DEMO_SECRET, settings))
    yield opened
    opened.close()
    server.faults = ()


def read_customers(source, sizes=None):
    return list(
        read_pages(
            source,
            CUSTOMERS,
            page_requests(TOTAL, 100),
            limit=AdaptiveLimit(4),
            sizes=sizes or PageSizes(),
        )
    )


def ids_of(results):
    return sorted(
        record["id"] for page in results if isinstance(page, Page) for record in page.records
    )


class TestReadingEverything:
    def test_given_the_recorded_store_when_read_then_all_1028_customers_come_once(
        self, server, source
    ):
        results = read_customers(source)

        assert ids_of(results) == sorted(set(ids_of(results)))
        assert len(ids_of(results)) == TOTAL
        assert {page.total for page in results} == {TOTAL}

    def test_given_https_when_read_then_basic_is_accepted(self, authority, ca_bundle):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        with (
            DemoServer(recorded_store(), tls=context) as server,
            WooCommerceClient(
                server.url, DEMO_KEY, DEMO_SECRET, quick_settings(ca_bundle=ca_bundle)
            ) as client,
        ):
            assert len(client.get("customers", {"per_page": "100"}).value) == 100
            assert client.auth_form == "basic"

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.action)
    def test_given_a_fault_when_read_then_nothing_is_lost_and_nothing_comes_twice(
        self, server, source, fault
    ):
        healthy = ids_of(read_customers(source))
        server.faults = [fault]
        server.log.clear()

        results = read_customers(source)

        assert struck(server)
        assert ids_of(results) == healthy
        assert not [result for result in results if isinstance(result, UnreadableRecord)]

    def test_given_a_poison_record_when_read_then_it_alone_is_left_out_and_named(
        self, server, source
    ):
        healthy = ids_of(read_customers(source))
        server.faults = [Fault("poison", path="customers", record_id=500)]

        results = read_customers(source)

        bad = [result for result in results if isinstance(result, UnreadableRecord)]
        assert [(record.external_id, record.code) for record in bad] == [
            ("500", "woocommerce.store_faulted")
        ]
        assert ids_of(results) == [number for number in healthy if number != 500]

    def test_given_noise_when_read_then_the_pages_tell_it(self, server, source):
        server.faults = [Fault("php_warning", path="customers")]

        assert all("Warning" in page.noise for page in read_customers(source))


def struck(server):
    """Whether a fault struck; a hanging answer is logged only when it ends."""
    deadline = time.monotonic() + 60
    while not any(request.faults for request in server.requests):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class TestReadByIds:
    def test_given_ids_when_read_then_the_living_ones_come(self, source):
        records = source.read_by_ids(CUSTOMERS, ["5", "3", "999999"])

        assert [record["id"] for record in records] == [3, 5]


class TestDoctor:
    def test_given_the_demo_store_when_examined_then_only_plain_http_is_warned_of(self, server):
        found = examine(server.url, DEMO_KEY, DEMO_SECRET, quick_settings())

        assert [f.check for f in found if f.outcome is not Outcome.OK] == ["tls"]

    def test_given_clocks_an_hour_apart_when_examined_then_the_clock_is_the_cause(self):
        with DemoServer(recorded_store(), clock=lambda: time.time() + 3600) as server:
            found = examine(server.url, DEMO_KEY, DEMO_SECRET, quick_settings())

        by_check = {finding.check: finding for finding in found}
        assert by_check["clock"].outcome is Outcome.FAIL
        assert "clocks" in by_check["auth"].remedy
