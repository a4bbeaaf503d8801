"""Every entity of the recorded store, synced and held against its payloads by pandas."""

from collections import Counter
from decimal import Decimal

import pandas as pd
import pytest

from sync_pipeline.demo import DemoServer, recorded_store
from sync_pipeline.entities import ENTITIES, entity_of
from sync_pipeline.postgres.database import Database
from sync_pipeline.reports.gathering import gather
from sync_pipeline_tests.conftest import make_organization, settings_for
from sync_pipeline_tests.end_to_end.test_recorded_store import segment_of
from sync_pipeline_tests.entities.projecting import recorded
from sync_pipeline_tests.factories import make_connection, row, rows, run_sync

# A page of 100 each, and what asks about the listing instead of reading it.
ORDER_PAGES, PRODUCT_PAGES, VARIABLE_PRODUCTS = 31, 2, 20
MOST_PROBES = 4


def sync(database, shop, server, name, **settings):
    return run_sync(database, shop, server, entity=entity_of("woocommerce", name), **settings)


def calls(server):
    """How often each path was asked."""
    return Counter(one.path.removeprefix("/wp-json/wc/v3/") for one in server.requests)


@pytest.fixture(scope="module")
def after_first_sync(make_database, migrated_template):
    """A store that was synced once, products last but for what is derived of them.

    Gives the database, the connection, the server, what each sync said and what it asked.
    """
    with (
        DemoServer(recorded_store()) as server,
        Database.open(settings_for(make_database(migrated_template))) as database,
    ):
        make_organization(database, "acme")
        shop = make_connection(database, base_url=server.url, options={"customer_role": "all"})
        said, asked = {}, {}
        for name in ("orders", "customers", "products", "inventory", "payments"):
            server.log.clear()
            said[name] = sync(database, shop, server, name)
            asked[name] = calls(server)
        yield database, shop, server, said, asked


def frame(database, query):
    return pd.DataFrame(rows(database, query))


class TestFirstSync:
    def test_given_the_recorded_store_then_every_record_of_every_entity_is_here(
        self, after_first_sync
    ):
        said = after_first_sync[3]

        assert {name: (one.outcome.created, one.outcome.failed) for name, one in said.items()} == {
            "customers": (1028, 0),
            "products": (280, 0),
            "orders": (3009, 0),
            "inventory": (280, 0),
            "payments": (2389 + 249, 0),
        }
        assert {name: one.verdict.in_words for name, one in said.items()} == {
            "customers": "both sides agree: 1028 records",
            "products": "both sides agree: 280 records",
            "orders": "both sides agree: 3009 records",
            "inventory": "both sides agree: 280 records",
            "payments": "both sides agree: 2638 records",
        }

    def test_given_orders_then_no_more_calls_than_pages_and_a_probe(self, after_first_sync):
        asked = after_first_sync[4]["orders"]

        assert set(asked) == {"orders"}
        assert ORDER_PAGES <= asked["orders"] <= ORDER_PAGES + MOST_PROBES

    def test_given_products_then_pages_and_one_call_per_variable_product(self, after_first_sync):
        asked = after_first_sync[4]["products"]

        variations = {path: n for path, n in asked.items() if path.endswith("/variations")}
        assert len(variations) == VARIABLE_PRODUCTS
        assert set(variations.values()) == {1}
        assert PRODUCT_PAGES <= asked["products"] <= PRODUCT_PAGES + MOST_PROBES

    @pytest.mark.parametrize("name", ["inventory", "payments"])
    def test_given_what_is_derived_then_the_store_is_not_asked(self, after_first_sync, name):
        assert after_first_sync[4][name] == {}

    def test_given_money_then_each_currency_and_status_adds_up_to_the_cent(self, after_first_sync):
        theirs = pd.DataFrame(recorded("orders"))
        theirs["total"] = theirs["total"].map(Decimal)
        theirs["refunded"] = theirs["refunds"].map(
            lambda refunds: -sum((Decimal(one["total"]) for one in refunds), Decimal(0))
        )
        query = "SELECT currency, status, total, refunded FROM sales_order"
        ours = frame(after_first_sync[0], query)

        keys, amounts = ["currency", "status"], ["total", "refunded"]
        pd.testing.assert_frame_equal(
            ours.groupby(keys)[amounts].agg(["sum", "count"]),
            theirs.groupby(keys)[amounts].agg(["sum", "count"]),
            check_dtype=False,
        )

    def test_given_any_order_of_syncs_then_every_reference_is_resolved(self, after_first_sync):
        found = row(
            after_first_sync[0],
            "SELECT (SELECT count(*) FROM sales_order WHERE is_guest) AS guests,"
            " (SELECT count(*) FROM sales_order WHERE customer_id IS NULL AND NOT is_guest)"
            "   AS without_customer,"
            " (SELECT count(*) FROM sales_order_line WHERE product_external_id IS NOT NULL"
            "   AND product_id IS NULL) AS without_product,"
            " (SELECT count(*) FROM sales_order_line WHERE variation_external_id IS NOT NULL"
            "   AND variation_id IS NULL) AS without_variation,"
            " (SELECT count(*) FROM product WHERE parent_external_id IS NOT NULL"
            "   AND parent_id IS NULL) AS without_parent",
        )

        orders, products = recorded("orders"), recorded("products") + recorded("variations")
        accounts = {one["id"] for one in recorded("customers")}
        known = {one["id"] for one in products}
        items = [item for one in orders for item in one["line_items"]]
        assert found == {
            "guests": 382,
            "without_customer": sum(one["customer_id"] not in {0, *accounts} for one in orders),
            "without_product": sum(one["product_id"] not in {0, *known} for one in items),
            "without_variation": sum(one["variation_id"] not in {0, *known} for one in items),
            "without_parent": 0,
        }


class TestUnchanged:
    @pytest.mark.parametrize("name", ["products", "orders", "inventory", "payments"])
    def test_given_an_unchanged_store_then_no_line_and_a_handful_of_calls(
        self, after_first_sync, name
    ):
        database, shop, server, *_ = after_first_sync
        server.log.clear()

        again = sync(database, shop, server, name)

        assert (again.enqueued.lines, again.verdict.agree) == (0, True)
        assert again.coverage.is_delta
        assert sum(calls(server).values()) <= 5


@pytest.fixture(scope="module")
def report(after_first_sync):
    database, shop, *_ = after_first_sync
    return gather(database, shop)


@pytest.fixture(scope="module")
def all_orders():
    """The recorded orders, with what was given back and the month."""
    listed = pd.DataFrame(recorded("orders"))
    listed["gross"] = listed["total"].map(Decimal)
    listed["amounts"] = listed["refunds"].map(lambda all_: [-Decimal(one["total"]) for one in all_])
    listed["refunded"] = listed["amounts"].map(lambda amounts: sum(amounts, Decimal(0)))
    listed["month"] = listed["date_created_gmt"].str[:7]
    return listed


def sold(orders):
    return orders[orders["status"].isin(["completed", "processing", "on-hold", "refunded"])]


def by(table, *keys):
    """The rows of a table by their keys, as dicts."""
    return table.set_index(list(keys)).to_dict("index")


class TestReport:
    def test_given_the_recorded_orders_then_revenue_agrees_by_month_and_currency(
        self, report, all_orders
    ):
        groups = sold(all_orders).groupby(["month", "currency"])
        theirs = groups[["gross", "refunded"]].sum().assign(orders=groups.size())
        theirs["net"] = theirs["gross"] - theirs["refunded"]

        ours = by(report.section("revenue").frame, "month", "currency")

        assert ours == theirs.to_dict("index")
        assert "Left out: 187 cancelled, 114 failed, 152 pending." in report.section("revenue").note

    def test_given_the_recorded_refunds_then_each_is_counted_in_its_currency(
        self, report, all_orders
    ):
        theirs = {
            currency: (
                sum(map(len, orders["amounts"])),
                int((orders["refunded"] > 0).sum()),
                orders["refunded"].sum(),
                round(100 * orders["refunded"].sum() / orders["gross"].sum(), 2),
            )
            for currency, orders in sold(all_orders).groupby("currency")
        }

        assert {
            one["currency"]: (one["refunds"], one["orders"], one["amount"], one["share_percent"])
            for one in report.section("refunds").rows()
        } == theirs
        assert sum(one["refunds"] for one in report.section("refunds").rows()) == 249

    def test_given_the_recorded_customers_then_segments_and_their_worth_agree(
        self, report, all_orders
    ):
        accounts = pd.DataFrame(recorded("customers")).set_index("id")
        mine = all_orders[all_orders["customer_id"].isin(accounts.index)]
        worth = mine.groupby("customer_id")["gross"].sum()
        completed = mine[mine["status"] == "completed"].groupby("customer_id").size()
        people = pd.DataFrame({"worth": worth, "completed": completed}, index=accounts.index)
        people["completed"] = people["completed"].fillna(0)
        people["segment"] = [
            segment_of(0 if pd.isna(value) else value, n)
            for value, n in zip(people["worth"], people["completed"], strict=True)
        ]
        people["status"] = people["completed"].gt(0).map({True: "active", False: "prospect"})
        keys = ["segment", "status"]

        ours = by(report.section("customers").frame, *keys)
        assert ours == people.groupby(keys).size().to_frame("customers").to_dict("index")

        groups = (
            mine.drop(columns="status")
            .join(people[keys], on="customer_id")
            .groupby([*keys, "currency"])
        )
        assert by(report.section("lifetime_values").frame, *keys, "currency") == (
            groups["gross"]
            .sum()
            .to_frame("lifetime_value")
            .assign(customers=groups["customer_id"].nunique())
            .to_dict("index")
        )

    def test_given_lifetime_values_then_over_currencies_they_are_those_of_the_customers(
        self, after_first_sync, report
    ):
        ours = frame(after_first_sync[0], "SELECT sum(lifetime_value) AS worth FROM customer")

        assert report.section("lifetime_values").frame["lifetime_value"].sum() == ours["worth"][0]

    def test_given_recorded_stock_then_what_was_sold_and_is_not_there_is_told(self, report):
        listed = recorded("products") + recorded("variations")
        theirs = {
            str(one["id"]): Decimal(one["stock_quantity"])
            for one in listed
            if one["manage_stock"] is True and one["stock_quantity"] < 0
        }

        levels = report.section("stock_below_zero")
        assert {one["id"]: one["level"] for one in levels.rows()} == theirs

    def test_given_nothing_failed_then_the_section_says_so(self, report):
        failures = report.section("failures")

        assert (failures.frame.empty, failures.note, failures.is_synced) == (True, "None.", True)


def test_entities_are_declared_after_what_they_depend_on():
    names = [one.name for one in ENTITIES]

    for one in ENTITIES:
        assert {*one.depends_on} <= {*names[: names.index(one.name)]}
