"""Verify: both sides held against each other again, and exactly what differs."""

import pytest
from psycopg import sql

from sync_pipeline.demo import DemoServer
from sync_pipeline.demo.auth import DEMO_KEY, DEMO_SECRET
from sync_pipeline.entities import CUSTOMERS, ORDERS
from sync_pipeline.queue import actions
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.proof import Reading, as_sets, compare, count_drift
from sync_pipeline.stages.reading_anew import read_anew
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.verification import verify
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    full_order,
    make_connection,
    quick_source_settings,
    rows,
    run_sync,
    status,
    store,
)
from sync_pipeline_tests.queue.test_plans import nodes


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def synced(database, shop):
    """The queue of a sync of thirty customers."""
    queue, _ = apply_records(database, shop, [customer(n) for n in range(1, 31)])
    reconcile(database, queue, CUSTOMERS)
    return queue


def by_hand(database, statement, *values):
    with database.owner() as conn:
        conn.execute(statement, list(values))


def found(proof):
    return sorted((one.kind, one.external_id, one.field) for one in proof.first_ones)


class TestAgreement:
    def test_given_a_sync_then_both_sides_agree_by_the_digest_of_its_certificate(
        self, database, shop, synced
    ):
        proof = verify(database, shop, CUSTOMERS)

        made = status(database, synced)["certificate"]
        assert (proof.agree, proof.counts, proof.reading_id) == (True, {}, str(synced.id))
        assert proof.theirs_digest == proof.ours_digest == made["theirs_digest"]
        assert (proof.theirs_count, proof.source_total) == (30, 30)

    def test_given_a_verification_then_nothing_was_written(self, database, shop, synced):
        before = (
            rows(database, "SELECT * FROM sync_queue"),
            rows(database, "SELECT * FROM sync_record"),
        )

        verify(database, shop, CUSTOMERS)

        assert before == (
            rows(database, "SELECT * FROM sync_queue"),
            rows(database, "SELECT * FROM sync_record"),
        )

    def test_given_no_pages_then_the_stores_side_is_not_known(self, database, shop, synced):
        by_hand(database, "DELETE FROM sync_page")

        proof = verify(database, shop, CUSTOMERS)

        assert (proof.agree, proof.reading_id, proof.theirs_digest) == (None, None, None)

    def test_given_no_pages_then_rows_changed_by_hand_are_found_all_the_same(
        self, database, shop, synced
    ):
        by_hand(database, "DELETE FROM sync_page")
        by_hand(database, "UPDATE customer SET phone = '1' WHERE email = 'c7@example.test'")

        proof = verify(database, shop, CUSTOMERS)

        assert (proof.agree, found(proof)) == (False, [("drift", "7", "phone")])

    def test_given_another_connection_then_its_records_are_not_compared(
        self, database, shop, synced, org_id
    ):
        other = make_connection(database, org_id, name="other")
        apply_records(database, other, [customer(900)])

        assert verify(database, shop, CUSTOMERS).agree is True
        assert verify(database, other, CUSTOMERS).theirs_count == 1


class TestDifferences:
    def test_given_one_of_each_then_exactly_these(self, database, shop, synced):
        by_hand(
            database,
            "UPDATE customer SET company = 'Mine', phone = '1' WHERE email = 'c7@example.test'",
        )
        by_hand(database, "DELETE FROM customer WHERE email = 'c8@example.test'")
        by_hand(database, "DELETE FROM sync_record WHERE external_id = '9'")
        by_hand(
            database,
            "UPDATE sync_record SET content_hash = gen_random_uuid() WHERE external_id = '5'",
        )
        by_hand(database, "UPDATE sync_record SET external_id = '77' WHERE external_id = '10'")

        proof = verify(database, shop, CUSTOMERS)

        assert proof.counts == {"missing": 2, "changed": 1, "extra": 1, "lost": 1, "drift": 1}
        assert found(proof) == [
            ("changed", "5", None),
            ("drift", "7", "company"),
            ("drift", "7", "phone"),
            ("extra", "77", None),
            ("lost", "8", None),
            ("missing", "10", None),
            ("missing", "9", None),
        ]
        edited = next(one for one in proof.first_ones if one.field == "company")
        assert (edited.theirs, edited.ours) == ("null", '"Mine"')

    def test_given_a_record_edited_in_the_store_and_not_applied_then_it_waits(
        self, database, shop, synced
    ):
        records = [customer(n) for n in range(1, 31)]
        records[3] = customer(4, first_name="Eve")
        fill_queue(database, shop, records)

        proof = verify(database, shop, CUSTOMERS)

        assert found(proof) == [("changed", "4", None)]
        assert proof.reasons == {"draft": 1}

    def test_given_an_edit_whose_sync_was_cancelled_then_the_record_differs_for_no_known_reason(
        self, database, shop, synced
    ):
        records = [customer(n) for n in range(1, 31)]
        records[3] = customer(4, first_name="Eve")
        queue = fill_queue(database, shop, records)
        actions.cancel(database, str(queue.id), by="ann")

        proof = verify(database, shop, CUSTOMERS)

        assert (found(proof), proof.reasons) == ([("changed", "4", None)], {})

    def test_given_a_row_deleted_here_that_reconcile_noticed_then_it_is_told_once(
        self, database, shop, synced
    ):
        by_hand(database, "DELETE FROM customer WHERE email = 'c8@example.test'")
        reconcile(database, synced, CUSTOMERS)

        assert found(verify(database, shop, CUSTOMERS)) == [("lost", "8", None)]

    def test_given_a_record_that_failed_then_it_is_missing_for_a_known_reason(self, database, shop):
        apply_records(database, shop, [customer(1), customer(2, email="bad")])

        proof = verify(database, shop, CUSTOMERS)

        assert (found(proof), proof.reasons) == ([("missing", "2", None)], {"failed": 1})

    def test_given_many_then_all_are_told_and_some_are_kept(self, database, shop, synced):
        by_hand(database, "UPDATE customer SET company = 'Mine', phone = '1'")
        told = []

        proof = verify(database, shop, CUSTOMERS, on_difference=told.append, most=3)

        assert proof.counts == {"drift": 30}
        assert (len(told), len(proof.first_ones)) == (60, 6)

    def test_given_some_of_each_kind_then_they_are_kept_in_the_order_of_their_ids(
        self, database, shop, synced
    ):
        by_hand(database, "UPDATE customer SET phone = '1'")

        proof = verify(database, shop, CUSTOMERS, most=30)

        assert [int(one.external_id) for one in proof.first_ones] == list(range(1, 31))

    def test_given_records_of_before_there_was_a_base_then_they_have_not_drifted(
        self, database, shop, synced
    ):
        by_hand(database, "UPDATE sync_record SET base = NULL")
        by_hand(database, "UPDATE customer SET company = 'Mine'")

        assert verify(database, shop, CUSTOMERS).agree is True

    def test_given_a_column_that_was_not_mapped_then_it_has_not_drifted(
        self, database, shop, synced
    ):
        by_hand(database, "UPDATE sync_record SET base = base - 'segment'")

        assert verify(database, shop, CUSTOMERS).agree is True


class TestReferences:
    def test_given_orders_before_their_customers_then_what_was_filled_in_is_no_drift(
        self, database, shop
    ):
        apply_records(database, shop, [full_order(1, customer_id=3)], entity=ORDERS)
        apply_records(database, shop, [customer(3)])
        (order,) = rows(database, "SELECT customer_id FROM sales_order")

        assert order["customer_id"] is not None
        assert verify(database, shop, ORDERS).agree is True

    def test_given_a_reference_changed_by_hand_then_it_is_drift(self, database, shop):
        apply_records(database, shop, [customer(3)])
        apply_records(database, shop, [full_order(1, customer_id=3)], entity=ORDERS)
        by_hand(database, "UPDATE sales_order SET customer_id = gen_random_uuid()")

        assert found(verify(database, shop, ORDERS)) == [("drift", "1", "customer_id")]


class TestReadings:
    @pytest.fixture
    def server(self):
        orders = [full_order(n) for n in range(1, 6)]
        with DemoServer(store([customer(n) for n in range(1, 6)], orders)) as running:
            yield running

    @pytest.fixture
    def served(self, database, org_id, server):
        return make_connection(database, org_id, base_url=server.url)

    def test_given_changes_after_a_whole_reading_then_what_they_brought_counts(
        self, database, served, server
    ):
        whole = run_sync(database, served, server, entity=ORDERS).queue
        server.store.edit_order(4, status="completed")
        run_sync(database, served, server, entity=ORDERS)

        proof = verify(database, served, ORDERS)

        assert (proof.agree, proof.reading_id) == (True, str(whole.id))
        assert proof.ours_digest != status(database, whole)["certificate"]["ours_digest"]

    def test_given_edits_in_the_store_when_read_anew_then_they_are_found_and_nothing_is_left(
        self, database, served, server, monkeypatch
    ):
        monkeypatch.setenv("SHOP_KEY", DEMO_KEY)
        monkeypatch.setenv("SHOP_SECRET", DEMO_SECRET)
        run_sync(database, served, server)
        server.store.edit_customer(2, first_name="Eve")
        server.store.delete_customer(3)
        before = (
            rows(database, "SELECT * FROM sync_record"),
            rows(database, "SELECT * FROM customer"),
        )

        with read_anew(
            database, served, CUSTOMERS, by="ann", settings=quick_source_settings()
        ) as reading:
            proof = verify(database, served, CUSTOMERS, reading=reading)

        assert found(proof) == [("changed", "2", None), ("extra", "3", None)]
        assert verify(database, served, CUSTOMERS).agree is True
        after = (
            rows(database, "SELECT * FROM sync_record"),
            rows(database, "SELECT * FROM customer"),
        )
        assert after == before
        assert status(database, reading)["state"] == "cancelled"


class Explaining:
    """A connection that keeps the plan of everything it is asked."""

    def __init__(self, conn):
        self._conn = conn
        self.plans = []

    def execute(self, query, values=None):
        explain = sql.SQL("EXPLAIN (FORMAT JSON) ")
        if isinstance(query, sql.Composed):
            (found,) = self._conn.execute(explain + query, values).fetchone().values()
            self.plans.append(list(nodes(found[0]["Plan"])))
        return self._conn.execute(query, values)


class TestPlans:
    def test_given_tables_that_were_never_analyzed_then_no_loop_looks_a_record_up(
        self, database, shop, synced
    ):
        with database.organization("acme") as conn:
            explaining = Explaining(conn)
            as_sets(conn)
            compare(explaining, CUSTOMERS, reading_of(database, shop, synced))
            count_drift(explaining, CUSTOMERS, shop.connection_id)

        joined = [[one for one in plan if "Join" in one["Node Type"]] for plan in explaining.plans]
        looped = [one for plan in explaining.plans for one in plan if is_loop(one)]
        assert [bool(joins) for joins in joined] == [True, True]
        # What a page or a base holds is unfolded beside it; nothing is looked up.
        assert {inner(one) for one in looped} == {"Function Scan"}


def is_loop(node):
    return node["Node Type"] == "Nested Loop"


def inner(loop):
    (kind,) = [one["Node Type"] for one in loop["Plans"] if one["Parent Relationship"] == "Inner"]
    return kind


def reading_of(database, shop, queue):
    (read,) = rows(
        database,
        "SELECT extract_note, created_at FROM sync_queue WHERE queue_no = %s",
        queue.queue_no,
    )
    return Reading(
        queue_no=queue.queue_no,
        queue_nos=(queue.queue_no,),
        connection_id=shop.connection_id,
        found=Coverage(**read["extract_note"]["records"]),
        salt=read["extract_note"]["salt"],
        read_at=read["created_at"],
        is_whole=True,
    )
