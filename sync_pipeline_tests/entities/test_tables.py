"""The tables of entities in a database that has lived: rolled back, migrated again, not ours."""

import dataclasses

import psycopg
import pytest

from sync_pipeline.entities.references import fill_references
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.entities.woocommerce_inventory import INVENTORY
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.entities.woocommerce_payments import PAYMENTS
from sync_pipeline.entities.woocommerce_products import PRODUCTS
from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.migrations import migrate, rollback
from sync_pipeline.postgres.verification import verify
from sync_pipeline_tests.conftest import make_organization, settings_for
from sync_pipeline_tests.entities.projecting import derived
from sync_pipeline_tests.factories import (
    apply_records,
    full_order,
    make_connection,
    product,
    row,
    rows,
)

DECLARED = (CUSTOMERS, PRODUCTS, ORDERS, INVENTORY, PAYMENTS)


def sync_all(database, connection):
    apply_records(database, connection, [product(5)], entity=PRODUCTS)
    paid = full_order(1, date_paid_gmt="2026-02-03T05:00:00")
    apply_records(database, connection, [paid], entity=ORDERS)
    with database.organization("acme") as conn:
        fill_references(conn, connection.connection_id)
    for entity in (INVENTORY, PAYMENTS):
        records = [one["record"] for one in derived(database, connection, entity)]
        apply_records(database, connection, records, entity=entity)


def contents(database):
    tables = ("product", "sales_order", "sales_order_line", "inventory_level", "payment")
    return {name: len(rows(database, f"SELECT * FROM {name}")) for name in tables}


class TestRollback:
    def test_given_a_synced_store_then_its_rows_stay_and_a_new_sync_finds_them(
        self, own_database_url
    ):
        with Database.open(settings_for(own_database_url)) as database:
            make_organization(database, "acme")
            # Another connection first: numbers are given anew after the rollback.
            make_connection(database, "acme", name="older")
            sync_all(database, make_connection(database, "acme"))
            before = contents(database)

        rollback(own_database_url)
        with psycopg.connect(own_database_url) as conn:
            kept = conn.execute("SELECT number, net FROM sales_order").fetchall()
            # Nobody keeps lines in step now, and nothing stands in the company's way.
            conn.execute("UPDATE sales_order SET status = 'archived'")
        assert [(number, str(net)) for number, net in kept] == [("1", "12.50")]

        migrate(own_database_url)
        assert verify(own_database_url) == []
        with Database.open(settings_for(own_database_url)) as database:
            connection = make_connection(database, "acme")
            sync_all(database, connection)
            assert contents(database) == before
            assert row(database, "SELECT status FROM sales_order")["status"] == "processing"
            other = make_connection(database, "acme", name="another-shop")
            apply_records(database, other, [full_order(1, total="99.00")], entity=ORDERS)
            totals = rows(database, "SELECT source, total::text FROM sales_order ORDER BY source")
            assert [tuple(one.values()) for one in totals] == [
                ("another-shop", "99.00"),
                ("shop", "12.50"),
            ]

    def test_given_tables_without_a_row_then_they_go(self, own_database_url):
        rollback(own_database_url)

        with psycopg.connect(own_database_url) as conn:
            assert conn.execute("SELECT to_regclass('product')").fetchone() == (None,)


def test_given_a_table_that_is_not_ours_then_the_migration_says_so_and_leaves_it(
    empty_database_url,
):
    with psycopg.connect(empty_database_url) as conn:
        conn.execute("CREATE TABLE product (id int PRIMARY KEY, label text)")

    with pytest.raises(DatabaseUnusableError, match="product"):
        migrate(empty_database_url)

    with psycopg.connect(empty_database_url) as conn:
        assert conn.execute("SELECT count(*) FROM product").fetchone() == (0,)


@pytest.mark.parametrize("entity", DECLARED, ids=lambda entity: entity.name)
class TestDeclarations:
    def test_given_a_declaration_then_its_columns_and_key_are_in_its_table(self, database, entity):
        with database.owner() as conn:
            found = conn.execute(
                "SELECT attname, attgenerated FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
                [entity.target],
            ).fetchall()
        generated = {one["attname"]: one["attgenerated"] for one in found}

        assert set(entity.columns) <= generated.keys()
        assert generated[entity.match_column] == "s"
        assert not [name for name in entity.columns if generated[name]]

    def test_given_a_declaration_then_it_depends_only_on_entities_there_are(self, entity):
        names = [one.name for one in DECLARED]

        assert set(entity.depends_on) <= set(names[: names.index(entity.name)])

    def test_given_a_watermark_then_the_date_it_is_taken_from_is_asked_for(self, entity):
        if entity.changes is not None:
            assert entity.changes.date_field in entity.listing.fields

    def test_given_a_declaration_then_nobody_can_change_it(self, entity):
        with pytest.raises(dataclasses.FrozenInstanceError):
            entity.name = "other"


class TestNestedListing:
    def test_given_a_variable_product_then_the_listing_of_its_variations(self):
        children = PRODUCTS.children
        record = product(190, variations=[191, 192])

        assert children.children_of(record) == ("191", "192")
        listing = children.under("190")
        assert (listing.name, listing.path) == ("variations:190", "products/190/variations")
        # Their parent is known from where they are listed; older stores do not tell it.
        assert {*children.fields} - {*listing.fields} == {"parent_id"}

    @pytest.mark.parametrize("named", [[], None, "191"])
    def test_given_a_product_that_names_no_variations_then_nothing_is_asked(self, named):
        assert PRODUCTS.children.children_of(product(1, variations=named)) == ()
