"""A whole sync of the recorded store, held against an independent computation with pandas."""

import json
import uuid
from decimal import Decimal
from hashlib import md5

import pandas as pd
import pytest

from sync_pipeline.demo import DemoServer, recorded_store
from sync_pipeline.demo.recorded import LISTINGS_FILE, read_compressed
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.stages.digests import Digest
from sync_pipeline.stages.verification import verify
from sync_pipeline_tests.conftest import make_organization, settings_for
from sync_pipeline_tests.factories import make_connection, row, rows, run_sync, status

# How many calls may ask about the store instead of reading it: totals, ids alone.
MOST_PROBES = 2


@pytest.fixture(scope="module")
def recordings():
    """(customers, orders) as frames, one row per record."""
    data = read_compressed(LISTINGS_FILE)
    customers = pd.DataFrame(data["customers"]).set_index("id")
    orders = pd.DataFrame(data["orders"])
    orders["total"] = orders["total"].map(Decimal)
    # Negative inside an order (recorded).
    orders["refunded"] = orders["refunds"].map(
        lambda refunds: -sum((Decimal(one["total"]) for one in refunds), Decimal(0))
    )
    orders["created"] = pd.to_datetime(orders["date_created_gmt"], utc=True)
    return customers, orders


def figures_of(orders, rule):
    """One row per registered customer: value, orders, completed, first, last."""
    known = orders[orders["customer_id"] > 0]
    counted = known[known["status"].isin(["processing", "completed"])]
    by_customer = known.groupby("customer_id")
    if rule == "all_orders":
        value = by_customer["total"].sum()
    else:
        value = (counted["total"] - counted["refunded"]).groupby(counted["customer_id"]).sum()
    return pd.DataFrame(
        {
            "orders": by_customer.size(),
            "completed": (known["status"] == "completed").groupby(known["customer_id"]).sum(),
            "first": by_customer["created"].min(),
            "last": by_customer["created"].max(),
        }
    ).join(value.rename("value"))


def segment_of(value, completed):
    if value > 50_000:
        return "enterprise"
    if value > 20_000 or completed > 50:
        return "mid_market"
    if value > 5_000 or completed > 10:
        return "smb"
    return "startup" if completed > 2 else "individual"


def expected_rows(recordings, rule, role):
    customers, orders = recordings
    if role != "all":
        customers = customers[customers["role"] == role]
    joined = customers.join(figures_of(orders, rule))
    expected = {}
    for customer_id, one in joined.iterrows():
        has_orders = not pd.isna(one["orders"])
        value = one["value"] if isinstance(one["value"], Decimal) else Decimal(0)
        completed = int(one["completed"]) if has_orders else 0
        expected[str(customer_id)] = {
            "email": one["email"],
            "lifetime_value": value,
            "segment": segment_of(value, completed),
            "status": "active" if completed else "prospect",
            "order_count": int(one["orders"]) if has_orders else 0,
            "completed_order_count": completed,
            "acquisition_date": one["first"].to_pydatetime() if has_orders else None,
            "last_interaction_date": one["last"].to_pydatetime() if has_orders else None,
        }
    return expected


def applied_rows(database):
    found = rows(
        database,
        "SELECT r.external_id, c.email, c.lifetime_value, c.segment, c.status,"
        " (c.metadata ->> 'order_count')::integer AS order_count,"
        " (c.metadata ->> 'completed_order_count')::integer AS completed_order_count,"
        " c.acquisition_date, c.last_interaction_date"
        " FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id",
    )
    return {one.pop("external_id"): one for one in found}


@pytest.fixture(scope="module")
def server():
    with DemoServer(recorded_store()) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    server.log.clear()
    return make_connection(database, org_id, base_url=server.url)


@pytest.fixture(scope="module")
def after_first_sync(make_database, migrated_template, server):
    """The database after one sync, what the sync said, and the calls it made."""
    url = make_database(migrated_template)
    with Database.open(settings_for(url)) as database:
        make_organization(database, "acme")
        server.log.clear()
        shop = make_connection(database, base_url=server.url)
        sync = run_sync(database, shop, server)
        yield database, shop, sync, list(server.requests)


class TestFirstSync:
    def test_given_the_recordings_when_synced_then_every_row_is_what_pandas_computes(
        self, after_first_sync, recordings
    ):
        database, _, sync, _ = after_first_sync

        assert applied_rows(database) == expected_rows(recordings, "all_orders", "customer")
        assert sync.outcome.created == 1000
        assert sync.verdict.agree is True

    def test_given_the_first_sync_then_at_most_41_calls_and_probes(self, after_first_sync):
        _, _, _, requests = after_first_sync

        assert len(requests) <= 41 + MOST_PROBES

    def test_given_a_sync_then_counters_lines_records_and_audit_agree(self, after_first_sync):
        database, _, sync, _ = after_first_sync

        numbers = row(
            database,
            "SELECT (SELECT count(*) FROM customer) AS customers,"
            " (SELECT count(*) FROM sync_record) AS records,"
            " (SELECT count(*) FROM sync_line) AS lines,"
            " (SELECT count(*) FROM sync_activity WHERE line_no IS NOT NULL) AS audited,"
            " (SELECT count(DISTINCT line_no) FROM sync_activity) AS audited_lines",
        )
        assert set(numbers.values()) == {1000}
        found = status(database, sync.queue)
        assert (found["state"], found["done_count"], found["failed_count"]) == ("done", 1000, 0)
        assert (found["created_count"], found["is_action_required"]) == (1000, False)

    def test_given_both_rules_then_the_sync_reports_by_how_much_they_differ(
        self, after_first_sync, recordings
    ):
        _, _, sync, _ = after_first_sync
        customers, orders = recordings
        read = customers.index[customers["role"] == "customer"]

        reported = (
            sync.enqueued.lifetime_value_all_orders,
            sync.enqueued.lifetime_value_paid_net,
        )
        assert reported == tuple(
            sum(
                (
                    value
                    for value in figures_of(orders, rule)["value"].reindex(read)
                    if isinstance(value, Decimal)
                ),
                Decimal(0),
            )
            for rule in ("all_orders", "paid_net")
        )

    def test_given_names_encoded_by_wordpress_then_no_entity_is_left(self, after_first_sync):
        database, _, _, _ = after_first_sync

        assert (
            rows(database, "SELECT name FROM customer WHERE name ~ '&(amp|lt|gt|#[0-9]+);'") == []
        )


class TestCertificate:
    def test_given_the_recordings_then_the_digest_is_what_python_makes_of_them(
        self, after_first_sync, recorded_customers
    ):
        database, _, sync, _ = after_first_sync
        figures = order_figures(database)
        salt = CUSTOMERS.hash_salt("all_orders")

        made = Digest.of(
            (str(one["id"]), content_hash(salt, one | figures.get(str(one["id"]), {})))
            for one in recorded_customers
        )

        kept = status(database, sync.queue)["certificate"]
        assert (kept["holds"], kept["theirs_count"], made.count) == (True, 1000, 1000)
        assert kept["theirs_digest"] == kept["ours_digest"] == str(made)

    def test_given_a_sync_when_verified_then_both_sides_agree_and_no_row_has_drifted(
        self, after_first_sync
    ):
        database, shop, sync, _ = after_first_sync

        proof = verify(database, shop, CUSTOMERS)

        assert (proof.agree, proof.counts) == (True, {})
        assert proof.theirs_digest == status(database, sync.queue)["certificate"]["theirs_digest"]


@pytest.fixture(scope="module")
def recorded_customers():
    """Customers as the store lists them, with the fields that are asked for."""
    listed = read_compressed(LISTINGS_FILE)["customers"]
    fields = CUSTOMERS.listing.fields
    return [{name: one[name] for name in fields} for one in listed if one["role"] == "customer"]


def order_figures(database):
    """What a record gets of its orders, by the customer's id."""
    by_customer = {}
    for one in rows(database, "SELECT * FROM sync_order_figure WHERE customer_id > 0"):
        by_customer.setdefault(str(one["customer_id"]), []).append(one)
    return {
        customer_id: {"order_figures": figures_as_json(orders)}
        for customer_id, orders in by_customer.items()
    }


def figures_as_json(orders):
    paid = [one for one in orders if one["status"] in ("processing", "completed")]
    created = [one["created_utc"] for one in orders]
    return {
        "count": len(orders),
        "completed": sum(one["status"] == "completed" for one in orders),
        "total": sum((one["total"] for one in orders), Decimal(0)),
        "net": sum((one["total"] - one["refunded"] for one in paid), Decimal(0)),
        "first": min(created).isoformat(),
        "last": max(created).isoformat(),
    }


def content_hash(salt, record):
    return str(
        uuid.UUID(md5((salt + as_jsonb(record)).encode(), usedforsecurity=False).hexdigest())
    )


def as_jsonb(value):
    """A value as PostgreSQL writes a jsonb: shorter keys first."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return "{" + ", ".join(f"{as_jsonb(key)}: {as_jsonb(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_jsonb, value)) + "]"
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


class TestSecondSync:
    def test_given_nothing_changed_when_synced_again_then_no_line_and_at_most_11_calls(
        self, after_first_sync, server
    ):
        database, shop, _, _ = after_first_sync
        server.log.clear()

        again = run_sync(database, shop, server)

        assert (again.enqueued.lines, again.enqueued.unchanged) == (0, 1000)
        assert len(server.requests) <= 11 + MOST_PROBES
        assert status(database, again.queue)["state"] == "done"
        assert again.verdict.agree is True


def test_given_role_all_when_synced_then_all_1028_accounts_are_what_pandas_computes(
    database, org_id, server, recordings
):
    shop = make_connection(database, base_url=server.url, options={"customer_role": "all"})

    sync = run_sync(database, shop, server)

    assert sync.outcome.created == 1028
    assert applied_rows(database) == expected_rows(recordings, "all_orders", "all")


def test_given_the_rule_paid_net_when_synced_then_every_row_is_what_pandas_computes(
    database, shop, server, recordings
):
    run_sync(database, shop, server, lifetime_value_rule="paid_net")

    assert applied_rows(database) == expected_rows(recordings, "paid_net", "customer")
