"""The recorded store, mapped by us and computed from its payloads by pandas: equal to the cent.

The store: 1,028 accounts, 200 products with 80 variations, 3,009 orders (382 of guests) with 249
refunds, in two currencies.
"""

from decimal import Decimal

import pandas as pd
import pytest

from sync_pipeline.demo.recorded import LISTINGS_FILE, read_compressed
from sync_pipeline.entities.references import fill_references
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.entities.woocommerce_inventory import INVENTORY
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.entities.woocommerce_payments import PAYMENTS
from sync_pipeline.entities.woocommerce_products import PRODUCTS
from sync_pipeline.postgres.database import Database
from sync_pipeline_tests.conftest import make_organization, settings_for
from sync_pipeline_tests.entities.projecting import asked_for, derived, recorded
from sync_pipeline_tests.factories import apply_records, make_connection, rows


@pytest.fixture(scope="module")
def store(module_database_url):
    """A database that holds the whole recorded store; tests only read it."""
    with Database.open(settings_for(module_database_url)) as database:
        make_organization(database, "acme")
        connection = make_connection(database, "acme", name="demo")
        outcomes = {
            entity.name: apply_records(database, connection, records, entity=entity)[1]
            for entity, records in (
                (CUSTOMERS, asked_for(CUSTOMERS, recorded("customers"))),
                (PRODUCTS, asked_for(PRODUCTS, recorded("products") + recorded("variations"))),
                (ORDERS, asked_for(ORDERS, recorded("orders"))),
            )
        }
        with database.organization("acme") as conn:
            fill_references(conn, connection.connection_id)
        for entity in (INVENTORY, PAYMENTS):
            records = [one["record"] for one in derived(database, connection, entity)]
            outcomes[entity.name] = apply_records(database, connection, records, entity=entity)[1]
        yield Store(database, connection, outcomes)


class Store:
    def __init__(self, database, connection, outcomes):
        self.database, self.connection, self.outcomes = database, connection, outcomes

    def table(self, name, *columns):
        query = f"SELECT {', '.join(columns) or '*'} FROM {name}"
        return pd.DataFrame(rows(self.database, query))


def money(series):
    return series.map(Decimal)


def values(series):
    """What the series holds, with None where pandas says that nothing is there."""
    return [None if pd.isna(one) else one for one in series]


def utc(series):
    return pd.to_datetime(series).dt.tz_localize("UTC")


@pytest.fixture(scope="module")
def orders():
    frame = pd.DataFrame(recorded("orders"))
    frame["external_id"] = frame["id"].astype(str)
    frame["refunded"] = frame["refunds"].map(
        lambda refunds: -sum((Decimal(one["total"]) for one in refunds), Decimal(0))
    )
    for name in ("total", "discount_total", "shipping_total", "total_tax"):
        frame[name] = money(frame[name])
    return frame.set_index("external_id").sort_index()


@pytest.fixture(scope="module")
def our_orders(store):
    return store.table("sales_order").set_index("external_id").sort_index()


@pytest.fixture(scope="module")
def our_products(store):
    return store.table("product").set_index("external_id").sort_index()


@pytest.fixture(scope="module")
def their_products():
    frame = pd.DataFrame(recorded("products") + recorded("variations"))
    frame["external_id"] = frame["id"].astype(str)
    return frame.set_index("external_id").sort_index()


def parts(orders, field):
    """Every entry of a list within the orders, one row each, with the order's id."""
    exploded = orders[field].explode().dropna()
    return pd.DataFrame(list(exploded), index=exploded.index)


@pytest.fixture(scope="module")
def lines(store):
    return store.table(
        "sales_order_line AS l JOIN sales_order AS o ON o.id = l.order_id",
        "l.*", "o.external_id AS order_external_id", "o.currency",
    )  # fmt: skip


def test_given_every_recorded_record_then_none_is_refused(store):
    made = {name: (one.created, one.failed) for name, one in store.outcomes.items()}

    assert made == {
        "customers": (1028, 0),
        "products": (280, 0),
        "orders": (3009, 0),
        "inventory": (280, 0),
        "payments": (2389 + 249, 0),
    }


class TestOrders:
    def test_given_all_orders_then_sums_per_currency_and_status_agree(self, our_orders, orders):
        amounts = ["total", "refunded", "net", "discount_total", "shipping_total", "tax_total"]
        theirs = orders.rename(columns={"total_tax": "tax_total"})
        theirs["net"] = theirs["total"] - theirs["refunded"]

        found = our_orders.groupby(["currency", "status"])[amounts].agg(["sum", "count"])

        expected = theirs.groupby(["currency", "status"])[amounts].agg(["sum", "count"])
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
        assert len(our_orders) == 3009

    @pytest.mark.parametrize(
        ("column", "field"),
        [
            ("total", "total"),
            ("refunded", "refunded"),
            ("status", "status"),
            ("currency", "currency"),
            ("number", "number"),
            ("billing", "billing"),
            ("shipping", "shipping"),
        ],
    )
    def test_given_an_order_then_its_value_is_the_stores(self, our_orders, orders, column, field):
        assert list(our_orders[column]) == list(orders[field])

    @pytest.mark.parametrize("column", ["payment_method", "payment_method_title", "transaction_id"])
    def test_given_an_empty_text_then_null_else_the_stores(self, our_orders, orders, column):
        assert values(our_orders[column]) == [one or None for one in orders[column]]

    @pytest.mark.parametrize(
        ("column", "field"),
        [
            ("ordered_at", "date_created_gmt"),
            ("paid_at", "date_paid_gmt"),
            ("completed_at", "date_completed_gmt"),
            ("source_modified_at", "date_modified_gmt"),
        ],
    )
    def test_given_a_naive_gmt_date_then_that_moment(self, our_orders, orders, column, field):
        found = pd.to_datetime(our_orders[column], utc=True)

        pd.testing.assert_series_equal(
            found, utc(orders[field]), check_names=False, check_dtype=False
        )

    def test_given_guests_then_382_without_a_customer_and_all_others_with_theirs(
        self, store, our_orders, orders
    ):
        accounts = {one["id"]: one["email"] for one in recorded("customers")}
        emails = store.table("customer", "id", "email").set_index("id")["email"]
        found = [None if pd.isna(one) else emails[one] for one in our_orders["customer_id"]]

        assert found == [accounts.get(one) for one in orders["customer_id"]]
        assert our_orders["is_guest"].sum() == 382 == (orders["customer_id"] == 0).sum()
        billing = orders.loc[our_orders.index[our_orders["is_guest"]], "billing"]
        assert values(our_orders.loc[our_orders["is_guest"], "billing_email"]) == [
            one["email"] or None for one in billing
        ]


class TestLines:
    @pytest.mark.parametrize(
        ("kind", "field", "sign", "total", "tax"),
        [
            ("line", "line_items", 1, "total", "total_tax"),
            ("shipping", "shipping_lines", 1, "total", "total_tax"),
            ("fee", "fee_lines", 1, "total", "total_tax"),
            ("coupon", "coupon_lines", -1, "discount", "discount_tax"),
            ("refund", "refunds", 1, "total", None),
        ],
    )
    def test_given_a_kind_of_line_then_each_row_agrees_to_the_cent(
        self, lines, orders, kind, field, sign, total, tax
    ):
        theirs = parts(orders, field)
        found = lines[lines["kind"] == kind]

        expected = sorted(
            (order_id, str(one["id"]), sign * Decimal(one[total]), sign * Decimal(one.get(tax, 0)))
            for order_id, one in theirs.iterrows()
        )
        columns = ["order_external_id", "external_id", "total", "tax"]
        assert sorted(found[columns].itertuples(index=False, name=None)) == expected

    def test_given_taxes_then_those_of_goods_and_of_shipping_together(self, lines, orders):
        theirs = parts(orders, "tax_lines")
        found = lines[lines["kind"] == "tax"].set_index("order_external_id")["total"]

        expected = money(theirs["tax_total"]) + money(theirs["shipping_tax_total"])
        assert dict(found) == dict(expected)

    def test_given_all_lines_then_they_add_up_to_each_order(self, lines, orders):
        owed = lines[lines["kind"].isin(["line", "shipping", "fee"])]
        found = (owed["total"] + owed["tax"]).groupby(owed["order_external_id"]).sum()
        taxes = lines[lines["kind"] == "tax"].groupby("order_external_id")["total"].sum()

        assert dict(found) == dict(orders["total"])
        assert dict(taxes) == dict(orders.loc[taxes.index, "total_tax"])

    def test_given_goods_then_their_texts_quantities_and_products(self, store, lines, orders):
        theirs = parts(orders, "line_items").sort_values("id")
        products = store.table("product", "id", "external_id").set_index("id")["external_id"]
        found = lines[lines["kind"] == "line"].copy()
        found["id"] = found["external_id"].astype(int)
        found = found.sort_values("id")

        def ids(column):
            return [0 if pd.isna(one) else int(products[one]) for one in found[column]]

        assert list(found["name"]) == list(theirs["name"])
        assert values(found["sku"]) == [one or None for one in theirs["sku"]]
        assert [int(one) for one in found["quantity"]] == list(theirs["quantity"])
        assert list(found["subtotal"]) == list(money(theirs["subtotal"]))
        assert [float(one) for one in found["price"]] == list(theirs["price"].astype(float))
        assert ids("product_id") == list(theirs["product_id"])
        assert ids("variation_id") == list(theirs["variation_id"])


class TestProducts:
    def test_given_products_then_types_and_statuses_are_counted_alike(
        self, our_products, their_products
    ):
        found = our_products.groupby(["type", "status"]).size().to_dict()

        assert found == their_products.groupby(["type", "status"]).size().to_dict()
        assert our_products["type"].value_counts().to_dict() == {
            "simple": 180, "variable": 20, "variation": 80,
        }  # fmt: skip
        assert our_products["status"].value_counts().to_dict() == {
            "publish": 266, "draft": 9, "private": 5,
        }  # fmt: skip

    @pytest.mark.parametrize("column", ["price", "regular_price", "sale_price"])
    def test_given_prices_then_exact_and_none_where_the_store_has_none(
        self, our_products, their_products, column
    ):
        assert values(our_products[column]) == [
            Decimal(one) if one else None for one in their_products[column]
        ]

    @pytest.mark.parametrize("column", ["name", "status", "stock_status", "backorders"])
    def test_given_texts_then_the_stores(self, our_products, their_products, column):
        assert list(our_products[column]) == list(their_products[column])

    def test_given_variations_then_each_knows_its_product(self, our_products, their_products):
        by_id = our_products.reset_index().set_index("id")["external_id"]
        found = [0 if pd.isna(one) else int(by_id[one]) for one in our_products["parent_id"]]

        assert found == list(their_products["parent_id"])

    def test_given_categories_encoded_for_html_then_decoded(self, our_products):
        names = {one["name"] for row in our_products["categories"] for one in row}

        assert "Hats & Caps" in names
        assert not [name for name in names if "&amp;" in name]


class TestInventory:
    def test_given_levels_then_management_quantity_and_status_are_the_stores(self, store):
        theirs = pd.DataFrame(recorded("products") + recorded("variations"))
        ours = store.table("inventory_level")
        words = {"True": "managed", "parent": "parent", "False": "unmanaged"}

        found = {
            row.external_id: (
                row.management,
                None if pd.isna(row.quantity) else int(row.quantity),
                row.stock_status,
            )
            for row in ours.itertuples()
        }

        assert found == {
            str(row.id): (
                words[str(row.manage_stock)],
                None if pd.isna(row.stock_quantity) else int(row.stock_quantity),
                row.stock_status,
            )
            for row in theirs.itertuples()
        }
        assert (ours["quantity"].dropna() < 0).sum() == (theirs["stock_quantity"] < 0).sum() == 82

    def test_given_new_levels_then_the_history_begins_with_each_of_them(self, store):
        history = store.table("inventory_history")
        levels = store.table("inventory_level").set_index("id")["quantity"]

        assert history["quantity_before"].isna().all()
        found = history.set_index("inventory_level_id")["quantity_after"]
        pd.testing.assert_series_equal(
            found.sort_index(), levels.sort_index(), check_names=False, check_dtype=False
        )


class TestPayments:
    def test_given_paid_orders_then_one_payment_each_with_its_own_fields(self, store, orders):
        ours = store.table("payment").query("kind == 'payment'").set_index("order_external_id")
        paid = orders[orders["date_paid_gmt"].notna()]
        ours = ours.loc[paid.index]

        assert len(ours) == 2389
        assert list(ours["amount"]) == list(paid["total"])
        assert list(ours["currency"]) == list(paid["currency"])
        assert values(ours["method"]) == [one or None for one in paid["payment_method"]]
        assert values(ours["transaction_id"]) == [one or None for one in paid["transaction_id"]]
        found = pd.to_datetime(ours["paid_at"], utc=True)
        assert list(found) == list(utc(paid["date_paid_gmt"]))

    def test_given_refunds_then_one_each_with_the_amount_of_the_listing_of_refunds(
        self, store, orders
    ):
        ours = store.table("payment").query("kind == 'refund'").set_index("external_id")
        theirs = pd.DataFrame(recorded("refunds"))
        theirs["external_id"] = "refund:" + theirs["id"].astype(str)
        theirs = theirs.set_index("external_id")
        ours = ours.loc[theirs.index]

        assert len(ours) == 249
        assert list(ours["amount"]) == list(money(theirs["amount"]))
        assert list(ours["order_external_id"]) == list(theirs["parent_id"].astype(str))
        found, true = pd.to_datetime(ours["paid_at"], utc=True), utc(theirs["date_created_gmt"])
        assert (found == true).sum() == 247
        assert (found >= true).all()

    def test_given_all_payments_then_their_net_per_currency_is_that_of_the_paid_orders(
        self, store, orders
    ):
        ours = store.table("payment").groupby("currency")["net_amount"].sum()
        paid = orders[orders["date_paid_gmt"].notna()]

        expected = (paid["total"] - paid["refunded"]).groupby(paid["currency"]).sum()
        assert dict(ours) == dict(expected)

    def test_given_payments_then_each_belongs_to_its_order(self, store):
        (found,) = rows(
            store.database,
            "SELECT count(*) AS n FROM payment AS p JOIN sales_order AS o"
            " ON o.id = p.order_id AND o.external_id = p.order_external_id",
        )

        assert found["n"] == 2389 + 249


def test_given_the_recorded_listings_then_they_are_those_that_the_figures_name():
    data = read_compressed(LISTINGS_FILE)
    assert [len(data[name]) for name in ("customers", "orders", "refunds", "products")] == [
        1028, 3009, 249, 200,
    ]  # fmt: skip
    assert sum(map(len, data["variations"].values())) == 80
