"""Products, variations and stock of the demo store move dates as recorded (drift/d0, d1)."""

import pytest

from sync_pipeline.demo import DemoServer, made_store, recorded_store
from sync_pipeline.errors import InputError

SIMPLE, UNMANAGED = 10, 12
PARENT, VARIATION = 190, 191


@pytest.fixture
def store():
    return recorded_store()


def modified(store, *ids):
    catalog = store.catalog
    record = catalog.product(*ids) if len(ids) == 1 else catalog.variation(*ids)
    return record["date_modified_gmt"]


def unmanaged(store):
    return next(
        i
        for i in store.products.matching([])
        if store.catalog.product(i)["manage_stock"] is False
        and store.catalog.product(i)["type"] == "simple"
    )


class TestDates:
    def test_given_an_edited_variation_then_its_product_is_bumped_as_well(self, store):
        before = modified(store, PARENT), modified(store, PARENT, VARIATION)

        store.catalog.edit_variation(PARENT, VARIATION, regular_price="5.00")

        after = modified(store, PARENT), modified(store, PARENT, VARIATION)
        assert after[0] > before[0]
        assert after[1] > before[1]

    def test_given_pieces_sold_then_who_counts_them_is_bumped(self, store):
        before = modified(store, SIMPLE), modified(store, PARENT)

        store.catalog.sell(SIMPLE, 80)
        store.catalog.sell(PARENT, 2, VARIATION)

        assert store.catalog.product(SIMPLE)["stock_quantity"] == -3
        assert store.catalog.product(SIMPLE)["stock_status"] == "outofstock"
        assert store.catalog.variation(PARENT, VARIATION)["stock_quantity"] == 51
        assert modified(store, SIMPLE) > before[0]
        assert modified(store, PARENT) > before[1]

    def test_given_an_unmanaged_product_when_sold_then_no_date_moves(self, store):
        product_id = unmanaged(store)
        before = store.catalog.product(product_id)

        store.catalog.sell(product_id, 3)

        after = store.catalog.product(product_id)
        assert after["date_modified_gmt"] == before["date_modified_gmt"]
        assert after["total_sales"] == before["total_sales"] + 3

    def test_given_a_variation_that_sells_from_its_product_then_both_answer_with_one_number(
        self, store
    ):
        parent = next(
            p for p, rows in store.variations.items()
            if any((rows.get(i) or {})["manage_stock"] == "parent" for i in rows.matching([]))
        )  # fmt: skip
        ids = list(store.variations[parent].matching([]))
        before = store.catalog.product(parent)["stock_quantity"]

        store.catalog.sell(parent, 2, ids[0])

        assert store.catalog.product(parent)["stock_quantity"] == before - 2
        assert {store.catalog.variation(parent, i)["stock_quantity"] for i in ids} == {before - 2}

    def test_given_nobody_when_changed_then_it_is_refused(self, store):
        with pytest.raises(InputError):
            store.catalog.edit_product(999_999, name="x")
        with pytest.raises(InputError):
            store.catalog.sell(PARENT, 1, 5)

    def test_given_a_refund_then_both_listings_know_it_and_the_order_is_bumped(self, store):
        before = store.order(313)["date_modified_gmt"]

        store.refund_order(313, 9001, "3.50", "broken")

        order = store.order(313)
        assert order["refunds"] == [{"id": 9001, "reason": "broken", "total": "-3.50"}]
        assert store.refunds.get(9001)["date_created_gmt"] == order["date_modified_gmt"] > before


class TestListings:
    @pytest.fixture
    def served(self, store, connect):
        with DemoServer(store) as server:
            yield connect(server)

    def test_given_variations_when_listed_then_paged_filtered_and_narrowed_to_fields(self, served):
        path = f"products/{PARENT}/variations"

        assert served.ids(path, orderby="id", order="asc", per_page=2, page=2) == [193, 194]
        assert served.ids(path, include="192,194", orderby="id", order="asc") == [192, 194]
        assert served.ids(path, status="draft") == []
        assert served.get(path, status="sold").status_code == 400
        assert served.get(path, include=191, _fields="id,sku").json() == [
            {"id": 191, "sku": "VAR-1-S"}
        ]

    def test_given_trash_and_deletion_then_listings_forget_the_product(self, store, served):
        store.catalog.trash_product(SIMPLE)
        store.catalog.delete_product(11)
        store.catalog.delete_product(PARENT)

        assert served.total("products") == 197
        assert served.ids("products", include="10,11,190") == []
        assert served.ids("products", status="trash") == [10]
        assert served.get("products/10", _fields="status").json()["status"] == "trash"
        assert served.get("products/11").status_code == 404
        assert served.ids(f"products/{PARENT}/variations") == []

    def test_given_a_variation_then_it_is_read_as_a_product_and_goes_into_the_trash_with_its_own(
        self, store, served
    ):
        read = served.get("products/192", _fields="type,parent_id").json()
        assert (read["type"], read["parent_id"]) == ("variation", PARENT)
        assert served.get("products/191").json()["status"] == "publish"

        store.catalog.trash_product(PARENT)

        for variation_id in (191, 192):
            assert served.get(f"products/{variation_id}").json()["status"] == "trash"

    def test_given_a_new_and_a_deleted_variation_then_the_product_names_those_there_are(
        self, store, served
    ):
        new = store.catalog.variation(PARENT, VARIATION) | {"id": 9001}
        store.catalog.put_variation(PARENT, new)
        store.catalog.delete_variation(PARENT, 192)

        named = served.get(f"products/{PARENT}", _fields="variations").json()["variations"]
        assert named == [191, 193, 194, 9001]
        listed = served.ids(f"products/{PARENT}/variations", orderby="id", order="asc")
        assert listed == named

    def test_given_a_watermark_then_only_products_that_changed_since_come(self, store, served):
        newest = max(modified(store, i) for i in store.products.matching([]))
        store.catalog.edit_variation(PARENT, VARIATION, sku="NEW")

        found = served.ids("products", modified_after=newest, dates_are_gmt="true")

        assert found == [PARENT]


class TestMadeProducts:
    def test_given_lines_of_made_orders_then_they_name_made_products_and_variations(self):
        store = made_store(10, 300, 200)

        for order_id in range(100, 400):
            for line in store.order(order_id)["line_items"]:
                product = store.catalog.product(line["product_id"])
                assert (product["type"] == "variable") == bool(line["variation_id"])
                if line["variation_id"]:
                    assert line["variation_id"] in product["variations"]
                    store.catalog.variation(line["product_id"], line["variation_id"])

    def test_given_two_stores_of_one_size_then_their_products_are_equal(self):
        one, other = made_store(0, 0, 50), made_store(0, 0, 50)

        assert [one.catalog.product(i) for i in range(10, 60)] == [
            other.catalog.product(i) for i in range(10, 60)
        ]
        assert one.variations.keys() == other.variations.keys() == {19, 29, 39, 49, 59}
