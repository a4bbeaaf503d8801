"""A sixth entity is a declaration, a projection and a table; nothing else knows of it."""

import pytest

from sync_pipeline.demo import DemoServer, recorded_store
from sync_pipeline.entities.declaration import Entity
from sync_pipeline.entities.reading import Changes
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.sources.protocol import Listing
from sync_pipeline_tests.conftest import make_organization, settings_for
from sync_pipeline_tests.factories import make_connection, rows, run_sync

_TABLE = """
CREATE TABLE coupon (
    id uuid PRIMARY KEY, org_id sync_org_id NOT NULL, source text, external_id text,
    source_key text GENERATED ALWAYS AS (source || ':' || external_id) STORED,
    coupon_code text NOT NULL, amount numeric, updated_at timestamptz NOT NULL DEFAULT now());
CREATE UNIQUE INDEX ON coupon (org_id, source_key);
GRANT SELECT, INSERT, UPDATE ON coupon TO sync_worker;
"""
_PROJECTION = """
SELECT line.line_no, line.external_id, line.content_hash, line.error_count,
    CASE WHEN line.payload ->> 'code' IS NULL THEN 'validation.required' END AS error_code,
    CASE WHEN line.payload ->> 'code' IS NULL THEN 'a coupon needs a code' END AS error_message,
    shop.name || ':' || line.external_id AS match_key,
    shop.name AS source, line.payload ->> 'code' AS coupon_code,
    sync_money(line.payload ->> 'amount') AS amount
FROM line
CROSS JOIN (SELECT name FROM sync_connection WHERE connection_id = %(connection_id)s) AS shop
"""
_CODES = "SELECT coupon_code FROM coupon ORDER BY coupon_code"
COUPONS = Entity(
    system="woocommerce",
    name="coupons",
    listing=Listing(
        name="coupons", path="coupons", fields=("id", "code", "amount", "date_modified_gmt")
    ),
    changes=Changes(),
    figures_listing=None,
    projection="projections/woocommerce/coupons",
    enrichment=None,
    target="coupon",
    match_column="source_key",
    columns=("source", "external_id", "coupon_code", "amount"),
)


@pytest.fixture
def declared(own_database_url, monkeypatch):
    """A database with the table, and the projection among the statements."""

    def with_coupons(name):
        return _PROJECTION if name == COUPONS.projection else statement(name)

    monkeypatch.setattr("sync_pipeline.entities.declaration.statement", with_coupons)
    monkeypatch.setattr("sync_pipeline.entities.composing.statement", with_coupons)
    with Database.open(settings_for(own_database_url)) as database:
        make_organization(database, "acme")
        with database.owner() as conn:
            conn.execute(_TABLE)
        yield database


def test_given_a_declaration_a_projection_and_a_table_then_it_syncs(declared):
    with DemoServer(recorded_store()) as server:
        shop = make_connection(declared, "acme", base_url=server.url)

        first = run_sync(declared, shop, server, entity=COUPONS)
        again = run_sync(declared, shop, server, entity=COUPONS)

    assert (first.outcome.created, first.verdict.agree) == (2, True)
    assert (again.enqueued.lines, again.coverage.is_delta, again.verdict.agree) == (0, True, True)
    assert [one["coupon_code"] for one in rows(declared, _CODES)] == [
        one["code"] for one in sorted(_recorded_coupons(), key=lambda one: one["code"])
    ]


def _recorded_coupons():
    coupons = recorded_store().small["coupons"]
    return [coupons.get(number) for number in coupons.matching([])]
