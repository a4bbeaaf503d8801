"""Opening a source: what comes with it."""

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET, DemoServer, Fault, made_store
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.protocol import Listing, PageRequest
from sync_pipeline.stages.opening import DEMO_URL, open_source
from sync_pipeline_tests.factories import make_connection, quick_source_settings, rows


def test_given_a_store_that_is_read_then_each_request_is_counted_with_its_outcome(
    database, org_id, monkeypatch
):
    monkeypatch.setenv("SHOP_KEY", DEMO_KEY)
    monkeypatch.setenv("SHOP_SECRET", DEMO_SECRET)
    ids = Listing("customers", "customers", ("id",))
    with DemoServer(made_store(3, 0)) as server:
        shop = make_connection(database, org_id, base_url=server.url)
        server.faults = [Fault("unavailable", times=1)]
        with open_source(shop, quick_source_settings(), database=database) as source:
            source.read(ids, PageRequest(0, 10))

    counted = rows(database, "SELECT code, calls FROM sync_call_stat ORDER BY code")
    assert counted == [
        {"code": "ok", "calls": 1},
        {"code": "woocommerce.store_unavailable", "calls": 1},
    ]


def test_given_the_demo_store_on_another_port_then_its_records_are_as_before():
    links = Listing("products", "products", ("id", "permalink"))
    demo = Connection(1, "acme", "demo", "woocommerce", DEMO_URL, "", "", {}, 100)

    read = []
    for _ in range(2):
        with open_source(demo, quick_source_settings()) as source:
            read.append(source.read(links, PageRequest(0, 10)).records)

    assert read[0] == read[1]
