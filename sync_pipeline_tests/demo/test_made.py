import json
import tracemalloc
from collections import Counter
from decimal import Decimal
from itertools import chain

import pytest

from sync_pipeline.demo import DemoServer, made_store
from sync_pipeline.errors import InputError


class TestRecords:
    def test_given_two_stores_of_one_size_when_read_then_their_records_are_equal(self):
        one, other = made_store(1000, 3000), made_store(1000, 3000)

        for record_id in (2, 500, 1001):
            assert one.customer(record_id) == other.customer(record_id)
        for record_id in (100, 2000, 3099):
            assert one.order(record_id) == other.order(record_id)

    def test_given_made_customers_when_read_then_they_are_as_odd_as_recorded_ones(self):
        store = made_store(1000)
        customers = [store.customer(i) for i in range(2, 1002)]

        assert len({customer["email"].lower() for customer in customers}) == 1000
        assert any(not customer["first_name"].isascii() for customer in customers)
        assert any(customer["email"] != customer["email"].lower() for customer in customers)
        assert any(customer["date_modified_gmt"] is None for customer in customers)
        encoded = [c for c in customers if "&amp;" in c["first_name"]]
        assert encoded
        assert encoded[0]["billing"]["first_name"] == "Ay&e"

    def test_given_made_orders_when_read_then_the_money_adds_up(self):
        store = made_store(100, 500)

        for order_id in range(100, 600):
            order = store.order(order_id)
            lines = sum(Decimal(line["total"]) for line in order["line_items"])
            assert Decimal(order["total"]) == lines + Decimal(order["shipping_total"])

    def test_given_made_orders_when_read_then_each_belongs_to_a_customer_or_a_guest(self):
        store = made_store(100, 2000)

        owners = Counter(store.order(i)["customer_id"] for i in range(100, 2100))

        assert owners[0] == 250
        assert set(owners) == {0, *range(2, 102)}

    def test_given_a_negative_size_when_made_then_it_is_refused(self):
        with pytest.raises(InputError):
            made_store(-1)


class TestListing:
    def test_given_all_pages_when_read_then_every_id_comes_once_in_order(self, client):
        pages = [
            client.ids("customers", per_page=100, page=page, orderby="id", order="asc")
            for page in (1, 2, 3, 4)
        ]

        assert [len(page) for page in pages] == [100, 100, 50, 0]
        assert list(chain(*pages)) == list(range(2, 252))

    def test_given_an_email_when_sought_then_case_does_not_matter(self, client):
        assert client.ids("customers", email="MADE7@example.test") == [8]
        assert client.ids("customers", email="made251@example.test") == []

    def test_given_a_role_when_sought_then_made_ones_are_customers(self, client):
        assert client.total("customers", role="all") == 250
        assert client.total("customers", role="subscriber") == 0

    def test_given_a_customer_when_orders_are_sought_then_they_are_those_that_name_them(
        self, server, client
    ):
        named = [i for i in range(100, 600) if server.store.order(i)["customer_id"] == 17]

        assert named
        assert client.ids("orders", customer=17, orderby="id", order="asc") == named

    def test_given_a_watermark_when_orders_are_sought_then_those_after_it_come(
        self, server, client
    ):
        mark = server.store.order(300)["date_modified_gmt"]
        window = {"modified_after": mark, "dates_are_gmt": "true"}

        assert client.total("orders", **window) == 299
        assert client.ids("orders", **window, orderby="id", order="asc", per_page=1) == [301]

    def test_given_a_status_and_a_watermark_when_sought_then_both_hold(self, server, client):
        mark = server.store.order(300)["date_modified_gmt"]
        hits = [i for i in range(301, 600) if server.store.order(i)["status"] == "refunded"]

        found = client.ids(
            "orders",
            status="refunded",
            modified_after=mark,
            dates_are_gmt="true",
            orderby="id",
            order="asc",
            per_page=100,
        )

        assert found == hits

    def test_given_excluded_and_included_ids_when_sought_then_they_are_left_out_and_in(
        self, client
    ):
        assert client.ids("customers", include="9,3,9999", orderby="id") == [3, 9]
        assert client.ids("customers", include="9,3", orderby="include") == [9, 3]
        assert client.total("customers", exclude="9,3,9999") == 248


class TestChanges:
    def test_given_deleted_and_added_customers_when_listed_then_the_places_move(
        self, server, client
    ):
        for customer_id in (2, 100, 251):
            server.store.delete_customer(customer_id)
        server.store.put_customer(server.store.customer(50) | {"id": 900, "email": "new@x.test"})

        ids = [
            i
            for page in (1, 2, 3)
            for i in client.ids("customers", per_page=100, page=page, orderby="id", order="asc")
        ]

        assert ids == [i for i in range(3, 251) if i != 100] + [900]
        assert client.ids("customers", email="new@x.test") == [900]

    def test_given_an_edited_order_when_asked_by_watermark_then_it_alone_comes(
        self, server, client
    ):
        mark = server.store.order(599)["date_modified_gmt"]

        server.store.edit_order(150, status="completed")
        server.store.edit_order(350, total="1.00")

        found = client.ids(
            "orders", modified_after=mark, dates_are_gmt="true", orderby="modified", order="asc"
        )
        assert found == [150, 350]
        assert client.get("orders/350").json()["total"] == "1.00"
        assert client.total("orders") == 500

    def test_given_a_deleted_customer_when_their_orders_are_read_then_they_are_guests(
        self, server, client
    ):
        orders = client.ids("orders", customer=17)

        server.store.delete_customer(17)

        assert client.ids("orders", customer=17) == []
        assert {client.get(f"orders/{i}").json()["customer_id"] for i in orders} == {0}

    def test_given_a_trashed_order_when_listed_then_it_is_gone(self, server, client):
        server.store.trash_order(200)

        assert client.total("orders") == 499
        assert client.get("orders/200").json()["status"] == "trash"
        assert client.ids("orders", status="trash") == [200]

    def test_given_nobody_when_changed_then_it_is_refused(self, server):
        with pytest.raises(InputError, match="no customer 9999"):
            server.store.edit_customer(9999, first_name="x")


def test_given_a_million_customers_when_pages_are_read_then_memory_stays_flat(connect):
    with DemoServer(made_store(1_000_000, 1_000_000)) as server:
        client = connect(server)
        client.get("customers", per_page=100)
        tracemalloc.start()
        try:
            for page in (1, 5_000, 10_000):
                query = {"per_page": 100, "page": page, "orderby": "id", "order": "asc"}
                assert len(client.get("customers", **query).json()) == 100
                assert len(client.get("orders", **query).json()) == 100
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        last = client.get("customers", per_page=1, page=1_000_000, orderby="id", order="asc")

    assert json.loads(last.text)[0]["id"] == 1_000_001
    assert last.headers["X-WP-Total"] == "1000000"
    assert peak_bytes < 10_000_000
