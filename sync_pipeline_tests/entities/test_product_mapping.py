"""What WooCommerce products and variations become, and their levels of stock."""

import datetime
from decimal import Decimal

import pytest
from hypothesis import given

from sync_pipeline.entities.references import fill_references
from sync_pipeline.entities.woocommerce_inventory import INVENTORY
from sync_pipeline.entities.woocommerce_products import PRODUCTS
from sync_pipeline_tests.entities.any_json import (
    assert_bad_ones_fail_alone,
    damaged,
    few_examples,
)
from sync_pipeline_tests.entities.projecting import derived, projected
from sync_pipeline_tests.factories import apply_records, make_connection, product, row, rows


@pytest.fixture
def connection(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def project(database, connection):
    def run(*records):
        return projected(database, connection, PRODUCTS, *records)

    return run


def variation(variation_id, parent_id, **changes):
    made = product(variation_id, type="variation", parent_id=parent_id, name="S", **changes)
    return {key: value for key, value in made.items() if key not in ("categories", "variations")}


class TestProducts:
    def test_given_a_product_then_its_texts_prices_and_moments(self, project):
        (one,) = project(product(5, sale_price="8.5"))

        assert one["error_code"] is None
        assert (one["match_key"], one["name"], one["sku"]) == ("shop:5", "Product 5", "SKU-5")
        assert (one["price"], one["sale_price"]) == (Decimal("10.00"), Decimal("8.5"))
        assert (one["type"], one["status"], one["parent_external_id"]) == (
            "simple", "publish", None,
        )  # fmt: skip
        assert one["source_created_at"] == datetime.datetime(
            2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC
        )

    @pytest.mark.parametrize("status", ["draft", "private", "pending", "publish"])
    def test_given_any_status_then_it_is_kept(self, project, status):
        (one,) = project(product(status=status))

        assert one["status"] == status

    @pytest.mark.parametrize("price", ["", None])
    def test_given_no_price_then_none_and_not_nought(self, project, price):
        (one,) = project(product(price=price, regular_price=price))

        assert (one["error_code"], one["price"], one["regular_price"]) == (None, None, None)

    @pytest.mark.parametrize(
        ("encoded", "name"),
        [
            ("Book & Pen #5", "Book & Pen #5"),
            ("Hats &amp; Caps", "Hats & Caps"),
            ("&amp;lt;", "&lt;"),
            ("T-Shirt <b>Bold</b>", "T-Shirt <b>Bold</b>"),
        ],
    )
    def test_given_names_encoded_for_html_then_decoded_exactly_once(self, project, encoded, name):
        (one,) = project(
            product(
                name=encoded,
                categories=[{"id": 1, "name": encoded, "slug": "a&b"}],
                attributes=[{"id": 1, "name": encoded, "options": [encoded, "L"]}],
            )
        )

        assert one["name"] == name
        assert one["categories"] == [{"id": 1, "name": name, "slug": "a&b"}]
        assert one["attributes"] == [{"id": 1, "name": name, "options": [name, "L"]}]

    @pytest.mark.parametrize(
        ("changes", "name"),
        [
            ({"name": " Mug "}, "Mug"),
            ({"name": ""}, "SKU-5"),
            ({"name": None, "sku": ""}, "5"),
        ],
    )
    def test_given_a_nameless_draft_then_its_code_or_its_id_names_it(self, project, changes, name):
        (one,) = project(product(5, **changes))

        assert one["name"] == name

    @pytest.mark.parametrize(
        ("given_stock", "kept"),
        [
            ({"manage_stock": True, "stock_quantity": -3}, ("true", -3)),
            ({"manage_stock": True, "stock_quantity": 1.5}, ("true", Decimal("1.5"))),
            ({"manage_stock": False, "stock_quantity": None}, ("false", None)),
            ({"manage_stock": "parent", "stock_quantity": 4}, ("parent", 4)),
        ],
    )
    def test_given_any_way_to_manage_stock_then_it_is_kept(self, project, given_stock, kept):
        (one,) = project(product(**given_stock))

        assert (one["manage_stock"], one["stock_quantity"]) == kept

    def test_given_ids_of_related_products_then_nobody_asks_for_what_is_random(self):
        fields = {*PRODUCTS.listing.fields, *PRODUCTS.children.fields}

        assert not fields & {"related_ids", "total_sales", "meta_data", "price_html"}


class TestVariations:
    def test_given_a_variation_before_its_product_then_filling_references_joins_them(
        self, database, connection
    ):
        apply_records(
            database, connection, [variation(6, 5), product(5, type="variable")], entity=PRODUCTS
        )

        with database.organization("acme") as conn:
            again = fill_references(conn, connection.connection_id)

        assert rows(
            database,
            "SELECT details FROM sync_activity WHERE activity_type = 'references_filled'",
        ) == [{"details": {"customers": 0, "products": 0, "parents": 1}}]
        assert again.parents == 0
        assert rows(
            database,
            "SELECT v.external_id, v.type, p.external_id AS parent FROM product AS v"
            " JOIN product AS p ON p.id = v.parent_id",
        ) == [{"external_id": "6", "type": "variation", "parent": "5"}]

    def test_given_a_product_that_is_there_then_a_variation_knows_it_at_once(
        self, database, connection, project
    ):
        apply_records(database, connection, [product(5, type="variable")], entity=PRODUCTS)

        (one,) = project(variation(6, 5))

        assert one["parent_id"] == row(database, "SELECT id FROM product")["id"]

    def test_given_a_store_that_names_no_type_then_the_parent_tells(self, project):
        found = project(variation(6, 5) | {"type": None}, product(7, type=None))

        assert [one["type"] for one in found] == ["variation", "simple"]


BAD = [
    ("validation.wrong_type", product(1, name=5)),
    ("validation.wrong_type", product(2, sku=["a"])),
    ("validation.wrong_type", product(3, manage_stock="sometimes")),
    ("validation.wrong_type", product(4, categories="all")),
    ("validation.wrong_type", product(5, attributes={"a": 1})),
    ("validation.wrong_type", product(6, parent_id="x")),
    ("validation.money_invalid", product(7, price="cheap")),
    ("validation.money_invalid", product(8, sale_price="1.2.3")),
    ("validation.number_invalid", product(9, stock_quantity="many")),
    ("validation.date_invalid", product(10, date_created_gmt="2026-13-01T00:00:00")),
    ("validation.too_long", product(11, name="a" * 501)),
    ("validation.too_long", product(12, permalink="a" * 2001)),
    ("validation.unstorable", product(13, name="nul \x00 here")),
]


class TestBadProducts:
    def test_given_bad_products_among_good_ones_then_each_fails_alone_with_its_code(
        self, database, connection
    ):
        queue, outcome = apply_records(
            database, connection, [*(one for _, one in BAD), product(100)], entity=PRODUCTS
        )

        assert (outcome.created, outcome.failed) == (1, len(BAD))
        lines = rows(
            database,
            "SELECT external_id, error_code, error_message FROM sync_line_status"
            " WHERE queue_no = %s AND state = 'failed'",
            queue.queue_no,
        )
        assert {one["external_id"]: one["error_code"] for one in lines} == {
            str(one["id"]): code for code, one in BAD
        }
        assert all(one["error_message"] for one in lines)

    @few_examples
    @given(
        records=damaged(
            lambda number: product(
                number,
                categories=[{"id": 1, "name": "A &amp; B"}],
                attributes=[{"name": "Size &amp; so", "options": ["S &amp; M"], "option": "S"}],
            )
        )
    )
    def test_any_json_in_any_place_fails_alone_or_is_mapped(self, database, connection, records):
        assert_bad_ones_fail_alone(database, connection, PRODUCTS, records, product(1000))


class TestInventory:
    @pytest.fixture
    def sync_stock(self, database, connection):
        def run(*products):
            apply_records(database, connection, products, entity=PRODUCTS)
            records = [one["record"] for one in derived(database, connection, INVENTORY)]
            return apply_records(database, connection, records, entity=INVENTORY)[1]

        return run

    def test_given_every_way_to_manage_stock_then_one_level_each(self, database, sync_stock):
        sync_stock(
            product(1, manage_stock=True, stock_quantity=-2, backorders="notify"),
            product(2, manage_stock=False, stock_quantity=None, stock_status="outofstock"),
            variation(3, 1, manage_stock="parent", stock_quantity=-2),
        )

        levels = rows(
            database,
            "SELECT external_id, management, quantity, stock_status, backorders,"
            " product_id = (SELECT id FROM product AS p WHERE p.external_id = l.external_id)"
            " AS is_of_its_product FROM inventory_level AS l ORDER BY external_id",
        )
        assert [tuple(one.values()) for one in levels] == [
            ("1", "managed", -2, "instock", "notify", True),
            ("2", "unmanaged", None, "outofstock", "no", True),
            ("3", "parent", -2, "instock", "no", True),
        ]

    def test_given_pieces_sold_then_the_level_and_one_row_of_history(self, database, sync_stock):
        sync_stock(product(1, stock_quantity=7), product(2))

        outcome = sync_stock(product(1, stock_quantity=4, stock_status="onbackorder"))

        assert (outcome.updated, outcome.created) == (1, 0)
        history = rows(
            database,
            "SELECT quantity_before, quantity_after, stock_status_before, stock_status_after"
            " FROM inventory_history WHERE quantity_before IS NOT NULL",
        )
        assert [tuple(one.values()) for one in history] == [(7, 4, "instock", "onbackorder")]

    def test_given_another_price_only_then_no_level_changes(self, database, sync_stock):
        sync_stock(product(1))

        outcome = sync_stock(product(1, price="11.00"))

        assert (outcome.created, outcome.updated, outcome.unchanged) == (0, 0, 0)

    def test_given_a_moment_then_only_what_changed_since_is_derived(
        self, database, connection, sync_stock
    ):
        sync_stock(product(1), product(2))
        since = row(database, "SELECT max(updated_at) AS at FROM product")["at"]
        apply_records(database, connection, [product(2, stock_quantity=1)], entity=PRODUCTS)

        found = derived(database, connection, INVENTORY, changed_after=since)

        assert [one["external_id"] for one in found] == ["2"]

    def test_given_a_level_changed_by_hand_then_the_history_tells_that_too(
        self, database, sync_stock
    ):
        sync_stock(product(1, stock_quantity=7))

        with database.owner() as conn:
            conn.execute("UPDATE inventory_level SET quantity = 5")
            conn.execute("UPDATE inventory_level SET backorders = 'yes'")
            conn.execute("DELETE FROM inventory_level")

        history = rows(
            database,
            "SELECT quantity_before, quantity_after FROM inventory_history ORDER BY history_no",
        )
        assert [tuple(one.values()) for one in history] == [(None, 7), (7, 5), (5, None)]

    def test_given_a_level_whose_product_is_gone_then_it_is_refused_with_that_reason(
        self, database, connection
    ):
        record = {"id": "9", "manage_stock": "true", "stock_quantity": 1}

        (one,) = projected(database, connection, INVENTORY, record)

        assert one["error_code"] == "reference.product_missing"
