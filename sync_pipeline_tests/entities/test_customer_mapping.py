"""What a WooCommerce customer becomes: the projection alone, record by record."""

import html
import json
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.statements import statement
from sync_pipeline_tests.factories import apply_records, customer, make_connection, row, rows

# Only what a projection is promised to find in `line`.
_LINES = """
WITH line AS MATERIALIZED (
    SELECT ordinality::integer AS line_no, item ->> 'id' AS external_id,
        md5(item::text)::uuid AS content_hash, 0::smallint AS error_count, item AS payload
    FROM jsonb_array_elements(%(records)s::jsonb) WITH ORDINALITY AS given (item, ordinality)
)
"""


@pytest.fixture
def project(database, org_id):
    """Rows of the projection, in the order of the records."""

    def run(*records, rule="all_orders"):
        query = f"{_LINES} SELECT * FROM ({statement(CUSTOMERS.projection)}) AS p ORDER BY line_no"
        values = {"records": json.dumps(records), "lifetime_value_rule": rule, "org_id": org_id}
        return rows_of(query, values)

    def rows_of(query, values):
        with database.organization(org_id) as conn:
            return [dict(one) for one in conn.execute(query, values).fetchall()]

    return run


def figures(completed=0, total="0", net="0", count=None, **dates):
    return {
        "count": completed if count is None else count,
        "completed": completed,
        "total": float(total),
        "net": float(net),
        "first": dates.get("first"),
        "last": dates.get("last"),
    }


def billing(**changes):
    return customer()["billing"] | changes


class TestName:
    @pytest.mark.parametrize(
        ("record", "name"),
        [
            (customer(first_name="Ann", last_name="Lee"), "Ann Lee"),
            (customer(first_name="  Ann ", last_name=" Lee  "), "Ann Lee"),
            (customer(first_name="", last_name="Lee"), "Lee"),
            (customer(first_name="Ann", last_name=""), "Ann"),
            (customer(first_name=" ", last_name="", billing=billing(company=" Acme ")), "Acme"),
            (customer(first_name=None, last_name=None), "c1@example.test"),
            (customer(first_name="", last_name="", email=" x@y.zz "), "x@y.zz"),
        ],
    )
    def test_given_names_then_first_and_last_else_company_else_email(self, project, record, name):
        assert [one["name"] for one in project(record)] == [name]

    @pytest.mark.parametrize(
        ("encoded", "name"),
        [
            ("Ay&amp;e", "Ay&e"),
            ("&amp;lt;", "&lt;"),
            ("&amp;amp;", "&amp;"),
            ("O&#039;Brien &quot;Bob&quot;", 'O\'Brien "Bob"'),
            ("&lt;b&gt;", "<b>"),
            ("&#x1F389;", "🎉"),
            ("Smith & Sons", "Smith & Sons"),
            ("a&b;c", "a&b;c"),
            ("&#0;&#xD800;&#9999999;", "&#0;&#xD800;&#9999999;"),
            ("two\nlines &amp; more\n&amp;", "two\nlines & more\n&"),
        ],
    )
    def test_given_html_in_a_name_then_it_is_decoded_exactly_once(self, project, encoded, name):
        (one,) = project(customer(first_name=encoded, last_name=""))

        assert (one["error_code"], one["name"]) == (None, name)

    def test_given_html_in_billing_then_it_stays_because_billing_is_raw(self, project):
        (one,) = project(customer(billing=billing(company="A &amp; B", city="K&amp;ln")))

        assert (one["company"], one["address"]["city"]) == ("A &amp; B", "K&amp;ln")


class TestPlainFields:
    def test_given_empty_phone_and_company_then_null(self, project):
        (one,) = project(customer(billing=billing(phone=" ", company="")))

        assert (one["phone"], one["company"]) == (None, None)

    def test_given_phone_and_company_then_trimmed(self, project):
        (one,) = project(customer(billing=billing(phone=" +49 30 1 ", company=" Acme ")))

        assert (one["phone"], one["company"]) == ("+49 30 1", "Acme")

    def test_given_an_email_in_mixed_case_then_it_is_kept_and_its_key_is_lower(self, project):
        (one,) = project(customer(email=" Ann.Lee@Example.TEST "))

        assert (one["email"], one["match_key"]) == ("Ann.Lee@Example.TEST", "ann.lee@example.test")

    def test_given_an_address_then_its_five_parts(self, project):
        (one,) = project(customer(billing=billing(address_2=" Flat 2 ", state="BE")))

        assert one["address"] == {
            "street": "1 Main St, Flat 2",
            "city": "Berlin",
            "state": "BE",
            "postal_code": "10115",
            "country": "DE",
        }

    @pytest.mark.parametrize("empty", [[], {}, None])
    def test_given_no_billing_as_php_writes_it_then_an_empty_address(self, project, empty):
        (one,) = project(customer(billing=empty))

        assert one["error_code"] is None
        assert set(one["address"].values()) == {""}

    def test_given_account_fields_then_metadata_keeps_them(self, project):
        (one,) = project(
            customer(7, role="subscriber") | {"order_figures": figures(completed=2, count=5)}
        )

        assert one["metadata"] == {
            "woocommerce_id": "7",
            "username": "c7",
            "role": "subscriber",
            "date_created": "2026-01-02T03:04:05",
            "order_count": 5,
            "completed_order_count": 2,
        }


class TestFigures:
    @pytest.mark.parametrize(
        ("completed", "total", "segment"),
        [
            (0, "50000.01", "enterprise"),
            (0, "50000.00", "mid_market"),
            (0, "20000.01", "mid_market"),
            (0, "20000.00", "smb"),
            (51, "0", "mid_market"),
            (50, "0", "smb"),
            (0, "5000.01", "smb"),
            (0, "5000.00", "individual"),
            (11, "0", "smb"),
            (10, "0", "startup"),
            (3, "0", "startup"),
            (2, "5000.00", "individual"),
            (0, "0", "individual"),
        ],
    )
    def test_given_value_and_orders_at_an_edge_then_the_segment(
        self, project, completed, total, segment
    ):
        (one,) = project(customer() | {"order_figures": figures(completed, total)})

        assert one["segment"] == segment

    def test_given_no_order_at_all_then_nought_prospect_and_no_dates(self, project):
        (one,) = project(customer())

        assert (one["lifetime_value"], one["segment"]) == (0, "individual")
        assert (one["status"], one["tags"]) == ("prospect", ["woocommerce"])
        assert (one["acquisition_date"], one["last_interaction_date"]) == (None, None)

    def test_given_orders_but_none_completed_then_still_a_prospect(self, project):
        (one,) = project(customer() | {"order_figures": figures(0, "10", count=3)})

        assert (one["status"], one["tags"]) == ("prospect", ["woocommerce"])

    def test_given_a_high_value_and_a_completed_order_then_both_tags(self, project):
        (one,) = project(customer() | {"order_figures": figures(1, "20000.01")})

        assert (one["status"], one["tags"]) == ("active", ["woocommerce", "high-value", "active"])

    def test_given_the_rule_then_all_orders_or_paid_net(self, project):
        record = customer() | {"order_figures": figures(1, total="60000", net="4999.99")}

        (old,) = project(record)
        (net,) = project(record, rule="paid_net")

        assert (old["lifetime_value"], old["segment"]) == (60000, "enterprise")
        assert (net["lifetime_value"], net["segment"]) == (Decimal("4999.99"), "individual")


BAD = [
    ("validation.email_missing", customer(1, email="")),
    ("validation.email_missing", customer(2, email=None)),
    ("validation.email_missing", {k: v for k, v in customer(3).items() if k != "email"}),
    ("validation.email_invalid", customer(4, email="nobody")),
    ("validation.email_invalid", customer(5, email="a@b")),
    ("validation.email_invalid", customer(6, email="a b@c.de")),
    ("validation.email_invalid", customer(7, email="a@@b.de")),
    ("validation.wrong_type", customer(8, email=12)),
    ("validation.wrong_type", customer(9, email=["a@b.de"])),
    ("validation.wrong_type", customer(10, first_name={"a": 1})),
    ("validation.wrong_type", customer(11, last_name=3)),
    ("validation.wrong_type", customer(12, billing="Berlin")),
    ("validation.wrong_type", customer(13, billing=[1])),
    ("validation.wrong_type", customer(14, billing=billing(company=5))),
    ("validation.wrong_type", customer(15, billing=billing(phone=["1"]))),
    ("validation.too_long", customer(16, email="a" * 250 + "@b.de")),
    ("validation.too_long", customer(17, first_name="a" * 501)),
    ("validation.too_long", customer(18, billing=billing(company="a" * 501))),
    ("validation.too_long", customer(19, billing=billing(phone="1" * 101))),
    ("validation.date_invalid", customer(20, date_created_gmt="yesterday")),
    ("validation.date_invalid", customer(21, date_created_gmt="2026-13-01T00:00:00")),
    ("validation.unstorable", customer(22, first_name="nul \x00 here")),
    ("validation.unstorable", customer(23, last_name="half \ud83d pair")),
]


class TestBadRecords:
    @pytest.mark.parametrize(
        "record", [customer(date_created_gmt=None), customer(date_created_gmt="")]
    )
    def test_given_no_date_of_creation_then_that_is_fine(self, project, record):
        assert [one["error_code"] for one in project(record)] == [None]

    def test_given_the_longest_values_that_are_allowed_then_they_are_fine(self, project):
        record = customer(
            email="a" * 249 + "@b.de",
            first_name="é" * 500,
            last_name="",
            billing=billing(company="b" * 500, phone="1" * 100),
        )

        assert [one["error_code"] for one in project(record)] == [None]

    def test_given_bad_records_among_good_ones_then_each_fails_alone_with_its_code(
        self, database, org_id
    ):
        connection = make_connection(database, org_id)
        good = [customer(100 + number) for number in range(10)]

        queue, outcome = apply_records(database, connection, [*(r for _, r in BAD), *good])

        assert (outcome.created, outcome.failed) == (len(good), len(BAD))
        lines = rows(
            database,
            "SELECT external_id, error_code, error_message FROM sync_line_status"
            " WHERE queue_no = %s AND state = 'failed'",
            queue.queue_no,
        )
        found = {one["external_id"]: one["error_code"] for one in lines}
        assert found == {str(record["id"]): code for code, record in BAD}
        assert all(one["error_message"] for one in lines)

    def test_given_bad_records_then_each_has_a_conflict_and_a_line_of_audit(self, database, org_id):
        connection = make_connection(database, org_id)

        queue, _ = apply_records(database, connection, [record for _, record in BAD])

        conflicts = rows(
            database,
            "SELECT external_id, conflict_type, strategy, state, details ->> 'code' AS code"
            " FROM sync_conflict",
        )
        assert {c["external_id"]: c["code"] for c in conflicts} == {
            str(record["id"]): code for code, record in BAD
        }
        assert {(c["conflict_type"], c["state"]) for c in conflicts} == {
            ("ValidationError", "open")
        }
        audit = row(
            database,
            "SELECT count(*) AS n, count(DISTINCT line_no) AS n_lines FROM sync_activity"
            " WHERE queue_no = %s AND activity_type = 'record_failed' AND status = 'error'",
            queue.queue_no,
        )
        assert (audit["n"], audit["n_lines"]) == (len(BAD), len(BAD))

    def test_given_a_long_text_in_a_message_then_it_is_cut(self, project):
        (one,) = project(customer(date_created_gmt="x" * 10_000))

        assert len(one["error_message"]) < 150


_words = st.text("aé🎉 &;#lt39amp", max_size=12)
_encoded = st.lists(
    st.sampled_from(
        ["&amp;", "&lt;", "&gt;", "&quot;", "&#039;", "&#65;", "&#x41;", "x", " ", "#"]
    ),
    max_size=8,
).map("".join)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.lists(st.tuples(_encoded, _encoded, _words), min_size=1, max_size=30))
def test_any_names_become_what_a_browser_would_show(project, names):
    records = [
        customer(n + 1, first_name=first, last_name=last, billing=billing(company=company))
        for n, (first, last, company) in enumerate(names)
    ]

    found = [one["name"] for one in project(*records)]

    assert found == [expected_name(record) for record in records]


def expected_name(record):
    parts = [html.unescape(record[part]).strip(" ") for part in ("first_name", "last_name")]
    return (
        " ".join(part for part in parts if part)
        or record["billing"]["company"].strip(" ")
        or record["email"]
    )


_money = st.decimals(0, 60_000, places=2)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases=st.lists(st.tuples(_money, st.integers(0, 60)), min_size=1, max_size=30))
def test_any_figures_get_the_segment_of_the_contract(project, cases):
    records = [
        customer(n + 1) | {"order_figures": figures(completed, str(total))}
        for n, (total, completed) in enumerate(cases)
    ]

    found = [(one["segment"], one["status"], one["lifetime_value"]) for one in project(*records)]

    assert found == [
        (expected_segment(total, completed), "active" if completed else "prospect", total)
        for total, completed in cases
    ]


def expected_segment(total, completed):
    if total > 50_000:
        return "enterprise"
    if total > 20_000 or completed > 50:
        return "mid_market"
    if total > 5_000 or completed > 10:
        return "smb"
    return "startup" if completed > 2 else "individual"


def guest(**changes):
    """A guest's record, as it is made of its newest order."""
    return (
        customer("guest:ann@shop.test", email="Ann@Shop.test", username=None, role="guest")
        | {"date_created_gmt": None}
        | changes
    )


class TestGuests:
    def test_given_a_guest_then_it_is_matched_by_its_e_mail_and_tagged(self, project):
        (one,) = project(guest() | {"order_figures": figures(3, "20000.01", count=4)})

        assert (one["error_code"], one["match_key"]) == (None, "ann@shop.test")
        assert (one["email"], one["segment"], one["status"]) == (
            "Ann@Shop.test",
            "mid_market",
            "active",
        )
        assert one["tags"] == ["woocommerce", "high-value", "active", "guest"]
        assert (one["metadata"]["woocommerce_id"], one["metadata"]["role"]) == (None, "guest")

    def test_given_names_then_a_guest_s_are_as_they_were_typed_and_an_account_s_are_decoded(
        self, project
    ):
        names = {"first_name": "A&amp;B", "last_name": "&lt;C&gt;"}

        assert [one["name"] for one in project(guest(**names), customer(1, **names))] == [
            "A&amp;B &lt;C&gt;",
            "A&B <C>",
        ]

    def test_given_no_name_then_the_company_or_the_e_mail(self, project):
        nobody = guest(first_name="", last_name=None)
        company = nobody | {"billing": billing(company="Ann & Co")}

        assert [one["name"] for one in project(nobody, company)] == ["Ann@Shop.test", "Ann & Co"]
