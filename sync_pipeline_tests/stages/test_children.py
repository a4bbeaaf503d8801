"""Records that are listed under others: variations of products."""

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.demo.records import Records
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.entities.woocommerce_products import PRODUCTS
from sync_pipeline.errors import PermanentError
from sync_pipeline.queue import actions
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.stops import QueueStoppedError
from sync_pipeline.stages.refetch import Refetched, refetch
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    make_connection,
    open_store,
    product,
    queue_settings,
    row,
    rows,
    run_sync,
)

VARIABLE = range(10, 16)


def variation(variation_id, parent_id, **changes):
    made = product(variation_id, type="variation", parent_id=parent_id, **changes)
    return {key: value for key, value in made.items() if key not in ("categories", "variations")}


@pytest.fixture
def server():
    """Three simple products, and six with two variations each: 10 has 100 and 101."""
    simple = [product(n) for n in (1, 2, 3)]
    variable = [
        product(
            n,
            type="variable",
            manage_stock=False,
            variations=[10 * n, 10 * n + 1],
            date_modified_gmt=f"2026-01-02T03:{n}:00",
        )
        for n in VARIABLE
    ]
    shop = DemoStore(
        customers=Records(()),
        orders=Records(()),
        products=Records(one | {"_links": {}} for one in (*simple, *variable)),
        variations={
            n: Records(variation(10 * n + k, n) | {"_links": {}} for k in (0, 1)) for n in VARIABLE
        },
        newest_change_gmt="2026-02-03T04:05:06",
    )
    with DemoServer(shop) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url)


def asked_for_variations(server):
    return [one.path for one in server.requests if one.path.endswith("/variations")]


def names(database):
    found = rows(
        database,
        "SELECT p.external_id, parent.external_id AS parent FROM product AS p"
        " LEFT JOIN product AS parent ON parent.id = p.parent_id",
    )
    return {one["external_id"]: one["parent"] for one in found}


EVERYTHING = {
    **{str(n): None for n in (1, 2, 3, *VARIABLE)},
    **{str(10 * n + k): str(n) for n in VARIABLE for k in (0, 1)},
}


def test_given_variable_products_then_one_call_each_and_every_variation_knows_its_own(
    database, shop, server
):
    done = run_sync(database, shop, server, entity=PRODUCTS)

    assert names(database) == EVERYTHING
    assert len(asked_for_variations(server)) == len(set(asked_for_variations(server))) == 6
    assert (done.coverage.scanned, done.coverage.total, done.coverage.children) == (21, 21, 12)
    assert done.verdict.in_words == "both sides agree: 21 records"


def test_given_an_edited_variation_then_only_it_and_its_product_are_read(database, shop, server):
    run_sync(database, shop, server, entity=PRODUCTS)
    server.store.catalog.edit_variation(12, 121, stock_quantity=-4)
    server.log.clear()

    again = run_sync(database, shop, server, entity=PRODUCTS)

    # 15 is the newest before: it lies in the second of the watermark.
    assert {one.split("/")[-2] for one in asked_for_variations(server)} == {"12", "15"}
    assert again.outcome.updated == 2
    assert (again.coverage.is_delta, again.verdict.agree) == (True, True)
    assert row(database, "SELECT stock_quantity AS n FROM product WHERE external_id = '121'") == {
        "n": -4
    }


def test_given_a_stopped_extract_then_it_goes_on_at_the_first_missing_listing(
    database, shop, server
):
    server.faults = [Fault("no_route", path="/products/14")]
    with pytest.raises(PermanentError):
        run_sync(
            database, shop, server, entity=PRODUCTS, source_settings={"max_parallel_requests": 1}
        )
    first = asked_for_variations(server)
    server.faults = ()
    server.log.clear()

    run_sync(database, shop, server, entity=PRODUCTS)

    assert len(first) == 5
    assert {one.split("/")[-2] for one in asked_for_variations(server)} == {"14", "15"}
    assert [one for one in server.requests if one.path.endswith("/products")] == []
    assert names(database) == EVERYTHING


def test_given_a_variation_that_is_not_served_then_it_alone_fails_and_a_retry_reads_it(
    database, shop, server
):
    server.faults = [Fault("poison", path="/products/11/variations", record_id=110)]
    done = run_sync(database, shop, server, entity=PRODUCTS, source_settings={"max_attempts": 1})
    server.faults = ()
    actions.retry(database, str(done.queue.id), by="ann")
    told = []

    def reread():
        with open_store(server) as source:
            told.append(refetch(database, done.queue, shop, PRODUCTS, source))

    upsert(database, done.queue, PRODUCTS, queue_settings(), reread=reread)

    assert (done.outcome.created, done.outcome.failed) == (20, 1)
    assert sum(told, Refetched()) == Refetched(read=1)
    assert names(database) == EVERYTHING
    assert run_sync(database, shop, server, entity=PRODUCTS).enqueued.lines == 0


def test_given_a_pause_while_variations_are_read_again_then_no_further_product_is_asked(
    database, shop, server
):
    server.faults = [
        Fault("poison", path=f"/products/{n}/variations", record_id=10 * n) for n in (11, 12)
    ]
    done = run_sync(database, shop, server, entity=PRODUCTS, source_settings={"max_attempts": 1})
    server.faults = ()
    actions.retry(database, str(done.queue.id), by="ann")
    server.log.clear()

    with open_store(server) as source:
        read_by_ids = source.read_by_ids

        def read_and_pause(*args):
            actions.pause(database, str(done.queue.id), by="ann")
            return read_by_ids(*args)

        source.read_by_ids = read_and_pause
        with pytest.raises(QueueStoppedError):
            refetch(database, done.queue, shop, PRODUCTS, source)

    assert len(asked_for_variations(server)) == 1


def test_given_a_product_that_goes_while_its_variations_are_read_then_the_next_sync_says_so(
    database, shop, server
):
    server.faults = [
        Fault(
            "change",
            path="/products/13/variations",
            times=1,
            change=lambda one: one.catalog.delete_product(13),
        )
    ]
    first = run_sync(database, shop, server, entity=PRODUCTS)
    second = run_sync(database, shop, server, entity=PRODUCTS)

    assert first.verdict.is_complete is False
    assert (second.verdict.is_complete, second.verdict.extra_ids) == (True, ("13",))


def test_given_a_limit_then_so_many_products_with_their_variations(database, shop, server):
    run_sync(database, shop, server, filters=Filters(limit=4), entity=PRODUCTS)

    assert set(names(database)) == {"1", "2", "3", "10", "100", "101"}
