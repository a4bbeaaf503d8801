"""Guests of the recorded store as customers, held against a computation of their own by pandas."""

from collections import Counter
from decimal import Decimal

import pandas as pd
import pytest

from sync_pipeline.demo import DemoServer, recorded_store
from sync_pipeline.entities import entity_of
from sync_pipeline.postgres.database import Database
from sync_pipeline.reports.gathering import gather
from sync_pipeline_tests.conftest import make_organization, settings_for
from sync_pipeline_tests.end_to_end.test_recorded_store import segment_of
from sync_pipeline_tests.entities.projecting import recorded
from sync_pipeline_tests.factories import make_connection, row, rows, run_sync

GUEST_ORDERS = 382
CUSTOMER_PAGES, CHANGES_AND_TOTAL, MOST_PROBES = 11, 2, 2


def sync(database, shop, server, name, **settings):
    return run_sync(database, shop, server, entity=entity_of("woocommerce", name), **settings)


@pytest.fixture(scope="module")
def people():
    """One row per person with a record: value, net, orders, completed, first, last, segments.

    By external id, computed from the raw recordings: a guest's orders are those of the account of
    the same e-mail, or of `guest:<e-mail>`.
    """
    accounts = {one["email"].strip().lower(): str(one["id"]) for one in recorded("customers")}
    known = set(accounts.values())
    orders = pd.DataFrame(recorded("orders"))
    orders["total"] = orders["total"].map(Decimal)
    orders["refunded"] = orders["refunds"].map(
        lambda refunds: -sum((Decimal(one["total"]) for one in refunds), Decimal(0))
    )
    paid = orders["status"].isin(["processing", "completed"])
    orders["net"] = (orders["total"] - orders["refunded"]).where(paid, Decimal(0))
    orders["email"] = orders["billing"].map(lambda billing: billing["email"].strip().lower())
    orders["created"] = pd.to_datetime(orders["date_created_gmt"], utc=True)
    orders["person"] = [
        str(one.customer_id)
        if one.customer_id
        else accounts.get(one.email, f"guest:{one.email}" if one.email else None)
        for one in orders.itertuples()
    ]
    mine = orders[orders["person"].map(lambda one: one in known or str(one).startswith("guest:"))]
    found = mine.groupby("person").agg(
        value=("total", "sum"),
        net=("net", "sum"),
        orders=("id", "size"),
        completed=("status", lambda states: int((states == "completed").sum())),
        first=("created", "min"),
        last=("created", "max"),
    )
    return orders, found


@pytest.fixture(scope="module")
def synced(make_database, migrated_template):
    """The recorded store with its guests: orders first, which feed the figures, then customers."""
    with (
        DemoServer(recorded_store()) as server,
        Database.open(settings_for(make_database(migrated_template))) as database,
    ):
        make_organization(database, "acme")
        options = {"customer_role": "all", "include_guests": True}
        shop = make_connection(database, base_url=server.url, options=options)
        said, asked = {}, {}
        for name in ("orders", "customers"):
            server.log.clear()
            said[name] = sync(database, shop, server, name)
            asked[name] = Counter(one.path.rsplit("/", 1)[-1] for one in server.requests)
        yield database, shop, server, said, asked


def applied(database):
    found = rows(
        database,
        "SELECT r.external_id, c.lifetime_value AS value, c.segment, c.status, c.tags,"
        " (c.metadata ->> 'order_count')::integer AS orders,"
        " (c.metadata ->> 'completed_order_count')::integer AS completed,"
        " c.acquisition_date AS first, c.last_interaction_date AS last"
        " FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id"
        " WHERE r.entity = 'customers' AND r.tombstoned_at IS NULL",
    )
    return {one.pop("external_id"): one for one in found}


class TestFirstSync:
    def test_given_guests_then_everybody_has_the_figures_that_pandas_computes(self, synced, people):
        ours = applied(synced[0])

        expected = {
            name: {
                "value": one["value"],
                "segment": segment_of(one["value"], one["completed"]),
                "status": "active" if one["completed"] else "prospect",
                "orders": one["orders"],
                "completed": one["completed"],
                "first": one["first"].to_pydatetime(),
                "last": one["last"].to_pydatetime(),
            }
            for name, one in people[1].iterrows()
        }
        found = {
            name: {key: value for key, value in one.items() if key != "tags"}
            for name, one in ours.items()
            if one["orders"]
        }
        assert found == expected

    def test_given_guests_then_each_is_tagged_and_no_account_is(self, synced):
        tagged = {name for name, one in applied(synced[0]).items() if "guest" in one["tags"]}

        guests = {name for name in applied(synced[0]) if name.startswith("guest:")}
        assert tagged == guests
        assert synced[3]["customers"].enqueued.guests == len(guests) > 0

    def test_given_both_sides_then_they_agree_with_guests_counted(self, synced):
        verdict = synced[3]["customers"].verdict

        n_guests = synced[3]["customers"].enqueued.guests
        assert verdict.in_words == f"both sides agree: {1028 + n_guests} records"
        assert verdict.distinct == verdict.ours == 1028 + n_guests

    def test_given_orders_read_before_then_customers_ask_for_changes_and_a_total(self, synced):
        assert synced[4]["customers"]["orders"] == CHANGES_AND_TOTAL
        assert synced[4]["customers"]["customers"] <= CUSTOMER_PAGES + MOST_PROBES

    def test_given_guests_then_what_the_sync_says_they_spent_is_all_money_with_a_person(
        self, synced, people
    ):
        said = synced[3]["customers"].enqueued

        assert said.lifetime_value_all_orders == people[1]["value"].sum()
        assert said.lifetime_value_paid_net == people[1]["net"].sum()

    def test_given_guests_orders_then_each_names_its_customer(self, synced, people):
        found = rows(
            synced[0],
            "SELECT o.external_id, r.external_id AS person FROM sales_order AS o"
            " LEFT JOIN sync_record AS r ON r.local_id = o.customer_id AND r.entity = 'customers'"
            " WHERE o.is_guest",
        )

        orders = people[0][people[0]["customer_id"] == 0]
        assert len(found) == len(orders) == GUEST_ORDERS
        theirs = dict(zip(orders["id"].astype(str), orders["person"], strict=True))
        without = {order for order, person in theirs.items() if not isinstance(person, str)}
        assert {one["external_id"] for one in found if one["person"] is None} == without
        assert {one["external_id"]: one["person"] for one in found if one["person"]} == {
            order: person for order, person in theirs.items() if order not in without
        }

    def test_given_the_report_then_lifetime_values_include_guests_to_the_cent(self, synced, people):
        database, shop = synced[:2]

        report = gather(database, shop)

        (section,) = (one for one in report.sections if one.name == "lifetime_values")
        assert section.frame["lifetime_value"].sum() == people[1]["value"].sum()


def test_given_nothing_changed_then_no_line_and_no_more_calls_than_before(synced):
    database, shop, server = synced[:3]
    server.log.clear()

    again = sync(database, shop, server, "customers")

    assert again.enqueued.lines == 0
    asked = Counter(one.path.rsplit("/", 1)[-1] for one in server.requests)
    assert asked["orders"] == CHANGES_AND_TOTAL
    assert asked["customers"] <= CUSTOMER_PAGES + MOST_PROBES
    assert row(database, "SELECT count(*) AS n FROM sync_conflict")["n"] == 0
