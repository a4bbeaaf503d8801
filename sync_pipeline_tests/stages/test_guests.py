"""Guests: who they are, what changes them, and who takes over whose row."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync_pipeline.demo import DemoServer
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.stages import enqueue as enqueue_module
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.guests import Chosen, chosen
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    end_extract,
    full_order,
    land_records,
    make_connection,
    make_queue,
    open_store,
    quick_source_settings,
    row,
    rows,
    run_sync,
    store,
)

ANN, BOB = "guest:ann@shop.test", "guest:bob@shop.test"


def by(order_id, email, total="10.00", *, day=None, **changes):
    """An order of a guest, on a day of February: the later ids are the newer ones."""
    moment = f"2026-02-{day or order_id:02}T04:05:06"
    billing = {
        "email": email,
        "first_name": f"Ann{order_id}",
        "last_name": "Guest",
        "company": "",
        "phone": f"0{order_id}",
        "address_1": f"{order_id} Side St",
        "city": "Berlin",
    }
    dates = {"date_created_gmt": moment, "date_modified_gmt": moment}
    return full_order(order_id, total=total, status="completed", billing=billing, **dates) | changes


# One account; Ann ordered twice without one, in different letters, Bob once.
ACCOUNTS = [customer(1)]
LISTED = [
    full_order(1, customer_id=1, total="5.00"),
    by(2, "Ann@shop.test"),
    by(3, "ann@SHOP.test ", "20.00"),
    by(4, "bob@shop.test", "7.00", status="processing"),
]


@pytest.fixture
def server():
    with DemoServer(store(ACCOUNTS, LISTED)) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url, options={"include_guests": True})


@pytest.fixture
def first(database, shop):
    """The first sync of the customers, without its calls."""
    apply_records(database, shop, ACCOUNTS, LISTED)


def put(server, record):
    """An order that the store takes now, newer than all before."""
    later = (datetime.now(UTC) + timedelta(seconds=1)).replace(tzinfo=None, microsecond=0)
    dates = dict.fromkeys(("date_created_gmt", "date_modified_gmt"), later.isoformat())
    server.store.put_order(record | dates | {"_links": {}})


def people(database):
    """What we hold of each live record, by its id in the store."""
    found = rows(
        database,
        "SELECT r.external_id, r.local_id, c.name, c.email, c.phone, c.lifetime_value AS value,"
        " c.status, c.tags, c.address ->> 'street' AS street"
        " FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id"
        " WHERE r.entity = 'customers' AND r.tombstoned_at IS NULL",
    )
    return {one.pop("external_id"): one for one in found}


def changed(database, sync):
    found = rows(
        database,
        "SELECT external_id FROM sync_line WHERE queue_no = %s ORDER BY 1",
        sync.queue.queue_no,
    )
    return [one["external_id"] for one in found]


def said(database, sync, activity_type):
    return [
        one["message"]
        for one in rows(
            database,
            "SELECT message FROM sync_activity WHERE queue_no = %s AND activity_type = %s",
            sync.queue.queue_no,
            activity_type,
        )
    ]


class TestWhoTheyAre:
    def test_given_two_spellings_of_an_e_mail_then_one_record_as_the_newest_order_says(
        self, database, shop, server
    ):
        first = run_sync(database, shop, server)

        found = people(database)
        assert set(found) == {"1", ANN, BOB}
        ann = found[ANN]
        assert (ann["name"], ann["email"], ann["phone"], ann["street"]) == (
            "Ann3 Guest",
            "ann@SHOP.test",
            "03",
            "3 Side St",
        )
        assert (ann["value"], ann["status"], found[BOB]["status"]) == (30, "active", "prospect")
        assert ann["tags"] == ["woocommerce", "active", "guest"]
        assert first.verdict.in_words == "both sides agree: 3 records"
        assert (first.enqueued.scanned, first.enqueued.guests) == (1, 2)

    def test_given_no_option_then_no_guest_and_nothing_is_kept_of_them(
        self, database, org_id, server
    ):
        plain = make_connection(database, org_id, base_url=server.url)

        sync = run_sync(database, plain, server)

        assert set(people(database)) == {"1"}
        assert sync.verdict.in_words == "both sides agree: 1 records"
        kept = row(
            database,
            "SELECT count(*) AS n FROM sync_order_figure"
            " WHERE guest_email IS NOT NULL OR billing IS NOT NULL",
        )
        assert kept["n"] == 0

    def test_given_orders_without_an_e_mail_then_they_count_for_nobody_and_it_is_said(
        self, database, shop, server
    ):
        for order_id, email in (
            (5, ""),
            (6, "no e-mail"),
            (7, "a@b@c.test"),
            (8, "x" * 300 + "@y.z"),
        ):
            put(server, by(order_id, email))

        sync = run_sync(database, shop, server)

        assert set(people(database)) == {"1", ANN, BOB}
        assert sync.outcome.failed == 0
        assert said(database, sync, "guests_without_email") == [
            "4 orders of guests name no e-mail and count for nobody"
        ]

    def test_given_names_as_they_were_typed_then_nothing_is_decoded(self, database, shop, server):
        record = by(9, "amp@shop.test")
        put(server, record | {"billing": record["billing"] | {"first_name": "A&amp;B"}})

        run_sync(database, shop, server)

        assert people(database)["guest:amp@shop.test"]["name"] == "A&amp;B Guest"

    def test_given_the_view_of_lines_then_a_guest_has_no_number(self, database, first):
        found = rows(
            database,
            "SELECT external_id, woo_customer_id FROM woo_customer_sync_queue_line ORDER BY 1",
        )

        assert [one["woo_customer_id"] for one in found] == [1, None, None]


class TestWhatChangesThem:
    def test_given_nothing_new_then_no_line(self, database, shop, server, first):
        again = run_sync(database, shop, server).enqueued

        assert (again.lines, again.unchanged) == (0, 3)

    @pytest.mark.parametrize("is_fed", [False, True])
    def test_given_a_guest_who_orders_again_then_exactly_that_record(
        self, database, shop, server, first, is_fed
    ):
        put(server, by(12, "ANN@shop.test", "0.50"))
        if is_fed:
            run_sync(database, shop, server, entity=ORDERS)

        sync = run_sync(database, shop, server)

        assert changed(database, sync) == [ANN]
        ann = people(database)[ANN]
        assert (ann["value"], ann["name"]) == (Decimal("30.50"), "Ann12 Guest")

    def test_given_a_guest_whose_orders_are_gone_then_it_is_no_longer_in_the_store(
        self, database, shop, server, first
    ):
        server.store.delete_order(4)

        verdict = run_sync(database, shop, server).verdict

        assert (verdict.extra_ids, verdict.agree) == ((BOB,), False)

    def test_given_an_order_that_gets_another_e_mail_then_its_money_goes_along(
        self, database, shop, server, first
    ):
        server.store.edit_order(3, billing={"email": "bob@shop.test"})

        run_sync(database, shop, server)

        assert {name: people(database)[name]["value"] for name in (ANN, BOB)} == {ANN: 10, BOB: 27}

    def test_given_a_row_deleted_here_by_hand_then_it_is_made_again(
        self, database, shop, server, first
    ):
        with database.owner() as conn:
            conn.execute("DELETE FROM customer WHERE id = %s", (people(database)[ANN]["local_id"],))
        assert run_sync(database, shop, server).verdict.lost == 1

        run_sync(database, shop, server)

        assert people(database)[ANN]["value"] == 30


class TestAccounts:
    def test_given_a_guest_who_has_an_account_then_its_orders_count_for_that(
        self, database, shop, server
    ):
        put(server, by(12, "C1@example.TEST", "4.00"))

        run_sync(database, shop, server)

        assert set(people(database)) == {"1", ANN, BOB}
        assert people(database)["1"]["value"] == 9

    def test_given_a_guest_who_registers_then_the_account_takes_over_its_row(
        self, database, shop, server, first
    ):
        run_sync(database, shop, server, entity=ORDERS)
        before = people(database)[ANN]["local_id"]
        server.store.put_customer(customer(2, email="ann@shop.test") | {"_links": {}})

        sync = run_sync(database, shop, server)

        found = people(database)
        assert set(found) == {"1", "2", BOB}
        assert (found["2"]["local_id"], found["2"]["value"]) == (before, 30)
        assert "guest" not in found["2"]["tags"]
        assert (sync.outcome.created, sync.outcome.failed) == (0, 0)
        assert sync.verdict.in_words == "both sides agree: 3 records"
        assert said(database, sync, "guests_settled") == [
            "1 guests have an account now, which takes over their record"
        ]
        owners = rows(
            database, "SELECT customer_id FROM sales_order WHERE external_id IN ('2', '3')"
        )
        assert [one["customer_id"] for one in owners] == [before, before]
        assert run_sync(database, shop, server).enqueued.lines == 0

    @pytest.mark.parametrize("filters", [Filters(external_id="2"), Filters(limit=5)])
    def test_given_a_guest_who_registers_when_a_part_is_synced_then_the_account_finds_its_row(
        self, database, shop, server, first, filters
    ):
        before = people(database)[ANN]["local_id"]
        server.store.put_customer(customer(2, email="ann@shop.test") | {"_links": {}})

        assert run_sync(database, shop, server, filters=filters).outcome.failed == 0

        found = people(database)
        assert set(found) == {"1", "2", BOB}
        assert (found["2"]["local_id"], found["2"]["value"]) == (before, 30)

    def test_given_an_account_that_leaves_its_e_mail_to_the_guest_it_was_then_each_has_a_row(
        self, database, shop, server, first
    ):
        server.store.put_customer(customer(2, email="ann@shop.test") | {"_links": {}})
        run_sync(database, shop, server)
        before = people(database)["2"]["local_id"]
        server.store.edit_customer(2, email="other@shop.test")

        sync = run_sync(database, shop, server)

        found = people(database)
        assert found["2"]["local_id"] == before != found[ANN]["local_id"]
        assert (found["2"]["value"], found[ANN]["value"]) == (0, 30)
        assert (sync.outcome.failed, sync.verdict.agree) == (0, True)

    def test_given_tables_that_nobody_analyzed_then_accounts_and_guests_are_joined_as_sets(
        self, database, shop
    ):
        with database.organization("acme") as conn:
            conn.execute(statement("enqueue/as_sets"))
            plan = conn.execute(
                "EXPLAIN " + statement(CUSTOMERS.guests.settle),
                {
                    "queue_no": 1,
                    "connection_id": shop.connection_id,
                    "entity": "customers",
                    "own_listing": "customers",
                    "sweep_listing": "customers:ids",
                    "answers_listing": "customers:answers",
                    "is_swept": False,
                    "is_proven": True,
                },
            ).fetchall()

        text = "\n".join(one["QUERY PLAN"] for one in plan)
        # Pages are unnested by such a loop, and nothing else.
        assert text.count("Nested Loop") == text.count("jsonb_array_elements") == 3, text

    def test_given_a_deleted_account_then_the_guest_takes_over_its_row(
        self, database, shop, server, first
    ):
        server.store.edit_order(1, billing={"email": "c1@example.test"})
        before = people(database)["1"]["local_id"]
        server.store.delete_customer(1)

        looked = run_sync(database, shop, server)
        assert (set(people(database)), looked.verdict.waiting) == ({"1", ANN, BOB}, 1)
        sync = run_sync(database, shop, server)

        found = people(database)
        assert set(found) == {"guest:c1@example.test", ANN, BOB}
        assert found["guest:c1@example.test"]["local_id"] == before
        assert (sync.verdict.agree, sync.outcome.failed) == (True, 0)

    def test_given_a_guest_that_failed_when_it_registers_then_nothing_is_open_of_it(
        self, database, shop, server
    ):
        record = by(12, "long@shop.test")
        put(server, record | {"billing": record["billing"] | {"phone": "0" * 101}})
        assert run_sync(database, shop, server).outcome.failed == 1
        server.store.put_customer(customer(2, email="long@shop.test") | {"_links": {}})

        assert run_sync(database, shop, server).verdict.agree is True
        assert rows(database, "SELECT * FROM sync_conflict WHERE state = 'open'") == []

    def test_given_an_account_of_another_role_now_then_it_keeps_its_row_and_its_guest_orders(
        self, database, shop, server, first
    ):
        put(server, by(12, "c1@example.test", "4.00"))
        server.store.edit_customer(1, role="subscriber")

        sync = run_sync(database, shop, server)

        assert set(people(database)) == {"1", ANN, BOB}
        assert (sync.verdict.extra_ids, sync.outcome.failed) == (("1",), 0)

    def test_given_another_role_and_no_order_of_its_own_then_no_guest_takes_its_row(
        self, database, shop, server, first
    ):
        server.store.edit_order(1, customer_id=0, billing={"email": "c1@example.test"})
        run_sync(database, shop, server)
        server.store.edit_customer(1, role="subscriber")

        run_sync(database, shop, server)
        sync = run_sync(database, shop, server)

        assert set(people(database)) == {"1", ANN, BOB}
        assert (sync.verdict.elsewhere, sync.verdict.agree) == (1, True)

    def test_given_an_account_that_leaves_an_e_mail_then_the_guest_of_that_gets_a_row(
        self, database, shop, server, first
    ):
        put(server, by(12, "c1@example.test", "4.00"))
        run_sync(database, shop, server)
        server.store.edit_customer(1, email="new@example.test")

        sync = run_sync(database, shop, server)

        found = people(database)
        assert (found["1"]["value"], found["guest:c1@example.test"]["value"]) == (5, 4)
        assert (sync.outcome.failed, sync.verdict.agree) == (0, True)


class TestOrders:
    def test_given_orders_before_their_guests_then_the_reference_is_filled_in(
        self, database, shop, server
    ):
        run_sync(database, shop, server, entity=ORDERS)
        run_sync(database, shop, server)

        found = rows(
            database,
            "SELECT o.external_id, r.external_id AS person FROM sales_order AS o"
            " JOIN sync_record AS r ON r.local_id = o.customer_id ORDER BY 1",
        )
        assert [one["person"] for one in found] == ["1", ANN, ANN, BOB]

    def test_given_a_known_guest_then_its_next_order_names_it_at_once(
        self, database, shop, server, first
    ):
        put(server, by(12, "Bob@shop.test"))

        run_sync(database, shop, server, entity=ORDERS)

        assert (
            row(database, "SELECT customer_id FROM sales_order WHERE external_id = '12'")[
                "customer_id"
            ]
            == people(database)[BOB]["local_id"]
        )

    def test_given_references_then_unresolved_guests_are_found_by_their_index(self, database, shop):
        with database.organization("acme") as conn:
            conn.execute("SET LOCAL enable_seqscan = off")
            plan = conn.execute(
                "EXPLAIN " + statement("references/guests"),
                {"connection_id": shop.connection_id},
            ).fetchall()

        text = "\n".join(one["QUERY PLAN"] for one in plan)
        assert "sales_order_unresolved_guest_idx" in text
        assert "sync_record_local_idx" in text


class TestOption:
    def test_given_guests_wanted_later_then_all_orders_are_read_again_once(
        self, database, org_id, server
    ):
        plain = make_connection(database, org_id, base_url=server.url)
        run_sync(database, plain, server)
        options = {"include_guests": True}
        shop = make_connection(database, org_id, base_url=server.url, options=options)
        server.log.clear()
        run_sync(database, shop, server)
        asked = [one.query for one in server.requests if one.path.endswith("/orders")]
        assert not any("modified_after" in str(one) for one in asked)
        assert set(people(database)) == {"1", ANN, BOB}
        server.log.clear()

        again = run_sync(database, shop, server)

        asked = [one.query for one in server.requests if one.path.endswith("/orders")]
        assert (len(asked), "modified_after" in str(asked[0])) == (2, True)
        assert again.enqueued.lines == 0

    def test_given_guests_not_wanted_any_more_then_they_are_forgotten_and_both_sides_agree(
        self, database, org_id, server, first
    ):
        plain = make_connection(database, org_id, base_url=server.url)

        sync = run_sync(database, plain, server)

        assert sync.verdict.in_words == "both sides agree: 1 records"
        kept = row(
            database,
            "SELECT count(*) AS n FROM sync_order_figure WHERE coalesce(guest_email, billing::text)"
            " IS NOT NULL",
        )
        assert kept["n"] == 0

    def test_given_a_guest_who_registers_when_guests_are_not_wanted_then_the_account_has_its_row(
        self, database, org_id, server, first
    ):
        before = people(database)[ANN]["local_id"]
        plain = make_connection(database, org_id, base_url=server.url)
        server.store.put_customer(customer(2, email="ann@shop.test") | {"_links": {}})

        sync = run_sync(database, plain, server)

        assert (sync.outcome.failed, sync.verdict.agree) == (0, True)
        assert people(database)["2"]["local_id"] == before

    def test_given_guests_forgotten_by_a_sync_that_proves_nothing_then_they_are_read_when_wanted(
        self, database, org_id, server, first
    ):
        plain = make_connection(database, org_id, base_url=server.url)
        queue = make_queue(database, plain)
        land_records(database, queue, "customers", [customer(1)])
        land_records(database, queue, "orders", [full_order(1, customer_id=1, total="5.00")])
        end_extract(database, queue, scanned=1, is_complete=False)
        enqueue(database, queue, CUSTOMERS)

        found = row(database, "SELECT salt FROM sync_watermark WHERE listing = 'orders'")
        assert found["salt"] is None

    def test_given_orders_asked_for_before_the_option_then_no_guest_until_they_are_read_with_it(
        self, database, org_id, server
    ):
        plain = make_connection(database, org_id, base_url=server.url)
        queue = make_queue(database, plain)
        with open_store(server) as source:
            extract(database, queue, plain, CUSTOMERS, source, quick_source_settings())
        make_connection(database, org_id, base_url=server.url, options={"include_guests": True})

        made = enqueue(database, queue, CUSTOMERS)

        assert (made.lines, made.guests) == (1, 0)
        found = row(database, "SELECT salt FROM sync_watermark WHERE listing = 'orders'")
        assert found["salt"] is None


class TestFilters:
    @pytest.mark.parametrize(
        ("filters", "whom"),
        [
            (Filters(), Chosen()),
            (Filters(email=" Ann@shop.test "), Chosen("ann@shop.test")),
            (Filters(external_id="guest:Ann@shop.test"), Chosen("ann@shop.test")),
            (Filters(external_id="7"), None),
            (Filters(limit=5), None),
            (Filters(limit=5, email="ann@shop.test"), None),
        ],
    )
    def test_given_filters_then_guests_only_where_it_is_known_who_has_an_account(
        self, filters, whom
    ):
        assert chosen(CUSTOMERS.guests, filters) == whom

    @pytest.mark.parametrize("filters", [{"email": "ANN@shop.test"}, {"external_id": ANN}])
    def test_given_one_guest_then_that_record_alone(self, database, shop, server, filters):
        sync = run_sync(database, shop, server, filters=Filters(**filters))

        assert changed(database, sync) == [ANN]
        assert people(database)[ANN]["value"] == 30

    def test_given_an_id_that_has_an_account_by_now_then_the_account(
        self, database, shop, server, first
    ):
        server.store.put_customer(customer(2, email="ann@shop.test") | {"_links": {}})

        sync = run_sync(database, shop, server, filters=Filters(external_id=ANN))

        assert changed(database, sync) == ["2"]
        assert set(people(database)) == {"1", "2", BOB}


def test_given_a_process_that_died_between_the_guests_and_the_end_then_every_line_once(
    database, shop, server, monkeypatch
):
    queue = make_queue(database, shop)
    with open_store(server) as source:
        extract(database, queue, shop, CUSTOMERS, source, quick_source_settings())

    def die(*_):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(enqueue_module, "_move_on", die)
        with pytest.raises(SystemExit):
            enqueue(database, queue, CUSTOMERS)
    # A guest more, and first of all by e-mail: places of those that landed must not move.
    put(server, by(12, "aaa@shop.test"))
    run_sync(database, shop, server, entity=ORDERS)

    made = enqueue(database, queue, CUSTOMERS)

    assert (made.lines, made.guests) == (3, 2)
    assert run_sync(database, shop, server).queue.queue_no == queue.queue_no
    assert run_sync(database, shop, server).enqueued.lines == 1


_NUMBERS = count(1)
_EMAILS = st.sampled_from(["a@x.test", "A@X.test", "b@x.test", "c2@x.test", " ", "none"])


@given(
    orders=st.lists(
        st.tuples(st.integers(0, 2), _EMAILS, st.decimals(0, 900, places=2)), max_size=12
    )
)
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_given_any_orders_then_accounts_and_guests_share_all_money_that_has_a_person(
    database, org_id, orders
):
    name = f"shop{next(_NUMBERS)}"
    shop = make_connection(database, org_id, name, options={"include_guests": True})
    accounts = [customer(1, email="b@x.test"), customer(2, email="C2@x.test")]
    listed = [
        by(n, email, str(total), day=1, customer_id=owner)
        for n, (owner, email, total) in enumerate(orders, 1)
    ]
    # So that there is a watermark however few there are.
    listed.append(by(999, "a@x.test", "1.00", day=1, customer_id=0))

    apply_records(database, shop, accounts, listed)

    expected = defaultdict(Decimal)
    mail = {"b@x.test": "1", "c2@x.test": "2"}
    for one in listed:
        email = one["billing"]["email"].strip().lower()
        if one["customer_id"]:
            expected[str(one["customer_id"])] += Decimal(one["total"])
        elif "@" in email:
            expected[mail.get(email, f"guest:{email}")] += Decimal(one["total"])
    found = rows(
        database,
        "SELECT r.external_id, c.lifetime_value AS value FROM sync_record AS r"
        " JOIN customer AS c ON c.id = r.local_id WHERE r.connection_id = %s",
        shop.connection_id,
    )
    assert {one["external_id"]: one["value"] for one in found} == {"1": 0, "2": 0} | expected
