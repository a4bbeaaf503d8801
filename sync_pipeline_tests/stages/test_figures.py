"""Figures of orders: read once for two entities, and never put back by who read them earlier."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.entities import CUSTOMERS, ENTITIES, entity_of
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.stages import enqueue as enqueue_module
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.figures import Basis
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    full_order,
    land_records,
    make_connection,
    make_queue,
    open_store,
    queue_settings,
    quick_source_settings,
    row,
    rows,
    run_sync,
    store,
    wait_until_somebody_waits,
)

T0 = datetime(2026, 2, 3, 4, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def minute(n):
    return f"2026-02-03T05:{n:02}:00"


# Ten customers; order n is customer n's, at 10.00.
PEOPLE = [customer(n) for n in range(1, 11)]
LISTED = [
    full_order(n, customer_id=n, total="10.00", date_modified_gmt=minute(n)) for n in range(1, 11)
]


@pytest.fixture
def server():
    with DemoServer(store(PEOPLE, LISTED)) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url)


def read(database, shop, server, entity, filters=None, **settings):
    """A queue whose pages landed, and that is not enqueued yet."""
    queue = make_queue(database, shop, filters, entity=entity)
    with open_store(server, **settings) as source:
        extract(database, queue, shop, entity, source, quick_source_settings(**settings))
    return queue


def take_over(database, shop, server, entity):
    """What a sync does to the figures: nothing of it is applied."""
    return enqueue(database, read(database, shop, server, entity), entity)


def figures(database):
    """Total of each order, as the figures have it."""
    found = rows(database, "SELECT order_id, total FROM sync_order_figure")
    return {one["order_id"]: one["total"] for one in found}


def lifetime_value(database, external_id):
    return row(
        database,
        "SELECT c.lifetime_value FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id"
        " WHERE r.entity = 'customers' AND r.external_id = %s",
        str(external_id),
    )["lifetime_value"]


def asked_for_orders(server):
    return [one for one in server.requests if one.path.endswith("/orders")]


def sync_after(database, shop, server):
    """A customers sync after an orders sync, and what it asked of the orders."""
    server.log.clear()
    sync = run_sync(database, shop, server)
    return sync, asked_for_orders(server)


class TestBasis:
    """What may be taken over. A watermark at T0 that queue 7 moved a minute later."""

    STANDS = Basis(T0 + 5 * SECOND, 7, T0 + 2 * SECOND, T0, "guests")

    @pytest.mark.parametrize(
        ("basis", "since", "salt", "may"),
        [
            pytest.param(Basis(None, 7, T0, T0, None), None, None, False, id="nothing landed"),
            pytest.param(Basis(T0, None, None, None, None), None, None, True, id="the first"),
            pytest.param(
                Basis(T0, None, None, None, None), "2026-02-03T03:59:55", None, False, id="no basis"
            ),
            pytest.param(STANDS, None, None, True, id="read since, whole"),
            pytest.param(STANDS, "2026-02-03T03:59:59", None, True, id="reaches back"),
            pytest.param(STANDS, "2026-02-03T04:00:00", None, False, id="the second is left out"),
            pytest.param(STANDS, "2026-02-03T03:59:55", "guests", True, id="knows guests"),
            pytest.param(
                Basis(T0 + 5 * SECOND, 7, T0, T0, None),
                "2026-02-03T03:59:55",
                "guests",
                False,
                id="knows no guests",
            ),
            pytest.param(
                Basis(T0 + SECOND, 7, T0 + 2 * SECOND, T0, None), None, None, False, id="overtaken"
            ),
            pytest.param(
                Basis(T0 + SECOND, 8, T0 + 2 * SECOND, T0, None), None, None, True, id="by itself"
            ),
        ],
    )
    def test_given_what_stands_then_only_what_is_not_older_and_leaves_no_gap(
        self, basis, since, salt, may
    ):
        assert basis.allows(8, since, salt) is may


class TestDeclarations:
    @pytest.mark.parametrize("entity", [one for one in ENTITIES if one.feeds_figures_of])
    def test_given_an_entity_that_feeds_then_it_is_read_with_all_that_figures_need(self, entity):
        fed = entity_of(entity.system, entity.feeds_figures_of)

        assert fed.figures_listing.name == entity.listing.name
        assert set(fed.figures_listing.fields) <= set(entity.listing.fields)
        assert set(fed.guests.fields) <= set(entity.listing.fields)


class TestFeeding:
    def test_given_orders_before_customers_then_these_ask_for_changes_and_a_total_only(
        self, database, shop, server
    ):
        take_over(database, shop, server, ORDERS)

        sync, asked = sync_after(database, shop, server)

        assert len(asked) == 2
        assert sync.enqueued.lifetime_value_all_orders == Decimal(100)
        assert lifetime_value(database, 9) == 10

    def test_given_changes_read_as_orders_then_customers_find_them_in_two_calls(
        self, database, shop, server
    ):
        run_sync(database, shop, server, entity=ORDERS)
        apply_records(database, shop, PEOPLE, LISTED)
        server.store.edit_order(9, total="99.00")
        run_sync(database, shop, server, entity=ORDERS)
        assert figures(database)[9] == 99

        sync, asked = sync_after(database, shop, server)

        assert (len(asked), sync.enqueued.lines) == (2, 1)
        assert lifetime_value(database, 9) == 99

    def test_given_orders_trashed_and_deleted_then_the_whole_reading_takes_them_off_for_both(
        self, database, shop, server
    ):
        apply_records(database, shop, PEOPLE, LISTED)
        server.store.trash_order(9)
        server.store.delete_order(8)
        take_over(database, shop, server, ORDERS)
        assert figures(database).keys() == set(range(1, 11)) - {8, 9}

        sync, asked = sync_after(database, shop, server)

        assert (len(asked), sync.enqueued.lines) == (2, 2)
        assert (lifetime_value(database, 8), lifetime_value(database, 9)) == (0, 0)

    def test_given_figures_behind_the_orders_then_they_are_left_to_the_customers(
        self, database, shop, server
    ):
        run_sync(database, shop, server, entity=ORDERS)
        with database.organization("acme") as conn:
            conn.execute(
                "UPDATE sync_watermark SET watermark_utc = %s WHERE listing = 'orders'", (T0,)
            )
            conn.execute("UPDATE sync_order_figure SET total = 1")
        server.store.edit_order(9, total="99.00")

        again = run_sync(database, shop, server, entity=ORDERS)

        assert again.coverage.is_delta
        assert figures(database)[9] == 1
        take_over(database, shop, server, CUSTOMERS)
        assert figures(database) == dict.fromkeys(range(1, 11), 10) | {9: 99}

    @pytest.mark.parametrize(
        "filters",
        [
            Filters(limit=3),
            Filters(external_id="9"),
            Filters(created_after=T0 - timedelta(days=1), created_before=T0 + timedelta(days=1)),
            Filters(replay=True),
        ],
    )
    def test_given_a_part_of_the_orders_or_none_read_then_no_figure_and_no_watermark(
        self, database, shop, server, filters
    ):
        queue = read(database, shop, server, ORDERS, filters)

        enqueue(database, queue, ORDERS)

        assert figures(database) == {}
        assert rows(database, "SELECT * FROM sync_watermark") == []

    def test_given_orders_that_were_not_proven_read_then_no_figure(self, database, shop, server):
        going = count(1)
        server.faults = [
            Fault("change", path="/orders$", change=lambda shop: shop.delete_order(next(going)))
        ]

        pages = {"page_records": 5, "max_parallel_requests": 1}
        queue = read(database, shop, server, ORDERS, **pages)
        enqueue(database, queue, ORDERS)

        assert find_queue(database, str(queue.id)).is_complete is False
        assert figures(database) == {}

    def test_given_an_order_that_cannot_be_read_then_it_is_named_and_the_rest_counts(
        self, database, shop, server
    ):
        server.store.edit_order(9, total="a lot")
        queue = read(database, shop, server, ORDERS)

        assert enqueue(database, queue, ORDERS).unreadable_orders == 1
        assert set(figures(database)) == set(range(1, 11)) - {9}


class TestTwoReaders:
    @pytest.mark.parametrize(("early", "late"), [(CUSTOMERS, ORDERS), (ORDERS, CUSTOMERS)])
    def test_given_orders_that_changed_between_two_readings_then_the_earlier_one_changes_nothing(
        self, database, shop, server, early, late
    ):
        queue = read(database, shop, server, early)
        server.store.edit_order(9, total="99.00")
        server.store.delete_order(10)
        server.store.put_order(
            full_order(11, customer_id=1, date_modified_gmt=minute(30)) | {"_links": {}}
        )
        take_over(database, shop, server, late)
        newest = figures(database)

        enqueue(database, queue, early)

        assert figures(database) == newest
        assert (newest[9], newest[11], 10 in newest) == (99, Decimal("12.50"), False)

    def test_given_what_the_earlier_reading_left_then_the_next_sync_has_every_customer_right(
        self, database, shop, server
    ):
        queue = read(database, shop, server, CUSTOMERS)
        server.store.edit_order(9, total="99.00")
        take_over(database, shop, server, ORDERS)
        enqueue(database, queue, CUSTOMERS)
        upsert(database, queue, CUSTOMERS, queue_settings())

        run_sync(database, shop, server)

        assert lifetime_value(database, 9) == 99

    def test_given_both_at_once_then_neither_waits_for_ever_and_all_figures_stand(
        self, database, shop, server
    ):
        for _ in range(2):
            queues = [(one, read(database, shop, server, one)) for one in (CUSTOMERS, ORDERS)]
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda one: enqueue(database, one[1], one[0]), queues * 2))
            for _, queue in queues:
                with database.organization("acme") as conn:
                    conn.execute(
                        "UPDATE sync_queue SET stage = 'finished', finished_at = now()"
                        " WHERE queue_no = %s",
                        (queue.queue_no,),
                    )
            server.store.edit_order(3, total="7.00")

        take_over(database, shop, server, ORDERS)
        assert figures(database) == dict.fromkeys(range(1, 11), 10) | {3: 7}

    def test_given_one_that_takes_over_then_the_other_waits_and_sees_what_it_did(
        self, database, shop, server
    ):
        late = read(database, shop, server, ORDERS)
        with ThreadPoolExecutor(1) as pool:
            with database.organization("acme") as conn:
                conn.execute(
                    statement("enqueue/hold_figures"), {"connection_id": shop.connection_id}
                )
                waiting = pool.submit(enqueue, database, late, ORDERS)
                wait_until_somebody_waits(database)
                conn.execute(
                    "INSERT INTO sync_watermark"
                    " (connection_id, listing, org_id, watermark_utc, queue_no)"
                    " VALUES (%s, 'orders', 'acme', now(), 0)",
                    (shop.connection_id,),
                )
            waiting.result()

        assert figures(database) == {}


def test_given_a_process_that_died_after_the_figures_then_the_next_start_loses_nothing(
    database, shop, server, monkeypatch
):
    queue = read(database, shop, server, ORDERS)

    def die(*_):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(enqueue_module, "_move_on", die)
        with pytest.raises(SystemExit):
            enqueue(database, queue, ORDERS)
    fed = figures(database)

    made = enqueue(database, queue, ORDERS)

    assert (len(fed), made.lines) == (10, 10)
    assert figures(database) == fed


def test_given_a_slice_beside_the_changes_then_it_counts_and_moves_no_watermark(
    database, shop, server
):
    run_sync(database, shop, server, entity=ORDERS)
    queue = read(database, shop, server, ORDERS)
    edited = full_order(2, customer_id=2, total="88.00", date_modified_gmt="2026-09-01T00:00:00")
    land_records(database, queue, "orders:rescan", [edited])

    enqueue(database, queue, ORDERS)

    assert figures(database)[2] == 88
    moved = row(database, "SELECT watermark_utc FROM sync_watermark WHERE listing = 'orders'")
    assert moved["watermark_utc"] <= datetime.fromisoformat(f"{minute(10)}Z")
