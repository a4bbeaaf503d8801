"""Why a record is as it is: what is gathered, and what is concluded."""

from typing import Any

import pytest

from sync_pipeline.demo.server import DemoServer
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.story import UnknownRecordError, reasons
from sync_pipeline.queue.story import gather as explain
from sync_pipeline.sources.connections import Connection
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    run_sync,
    store,
)


def why(database: Database, connection: Connection, external_id: str = "7") -> str:
    return " ".join(reasons(explain(database, connection, CUSTOMERS, external_id)))


def change_our_row(database: Database, statement: str, **values: Any) -> None:
    with database.owner() as conn:
        conn.execute(statement, values)


class TestReasons:
    def test_given_a_new_record_when_explained_then_a_sync_created_our_row(
        self, database: Database
    ):
        shop = make_connection(database)
        queue, _ = apply_records(database, shop, [customer(7)])

        words = why(database, shop)

        assert "which a sync created for it" in words
        assert f"Its last line created our row in queue {queue.id}" in words

    def test_given_a_row_that_was_there_before_when_explained_then_it_was_matched(
        self, database: Database, org_id: str
    ):
        change_our_row(
            database,
            "INSERT INTO customer (org_id, name, email) VALUES ('acme', 'Old', 'C7@example.test')",
        )
        shop = make_connection(database)
        apply_records(database, shop, [customer(7)])

        words = why(database, shop)

        assert "was matched by its key" in words
        assert "Its last line changed our row" in words

    def test_given_a_record_that_fails_when_explained_then_its_error_and_conflict_are_named(
        self, database: Database
    ):
        shop = make_connection(database)
        apply_records(database, shop, [customer(7, email="no address")])

        words = why(database, shop)

        assert "It is none of our rows" in words
        assert "Its last line failed (validation." in words
        assert "An open conflict waits for a person: ValidationError" in words

    def test_given_a_failure_after_a_success_when_explained_then_our_row_is_the_older(
        self, database: Database
    ):
        shop = make_connection(database)
        apply_records(database, shop, [customer(7)])
        apply_records(database, shop, [customer(7, email="no address")])

        assert "our row still holds what was applied before" in why(database, shop)

    def test_given_a_failure_that_was_mended_when_explained_then_no_conflict_is_open(
        self, database: Database
    ):
        shop = make_connection(database)
        apply_records(database, shop, [customer(7, email="no address")])
        apply_records(database, shop, [customer(7)])

        story = explain(database, shop, CUSTOMERS, "7")

        assert [one.state for one in story.conflicts] == ["resolved"]
        assert [line.state for line in story.lines] == ["failed", "done"]
        assert not any("conflict" in sentence for sentence in reasons(story))

    def test_given_a_line_that_waits_when_explained_then_it_says_so(self, database: Database):
        shop = make_connection(database)
        fill_queue(database, shop, [customer(7)])

        assert "waits to be applied (state draft)" in why(database, shop)

    def test_given_our_row_deleted_by_hand_when_explained_then_it_says_so(self, database: Database):
        shop = make_connection(database)
        apply_records(database, shop, [customer(7)])
        change_our_row(database, "DELETE FROM customer")

        assert "Somebody deleted our row" in why(database, shop)

    def test_given_our_row_changed_by_hand_when_explained_then_it_says_when(
        self, database: Database
    ):
        shop = make_connection(database)
        apply_records(database, shop, [customer(7)])
        change_our_row(database, "UPDATE customer SET name = 'Mine', updated_at = now()")

        assert "changed by something else" in why(database, shop)

    def test_given_later_syncs_that_found_it_unchanged_when_explained_then_they_are_counted(
        self, database: Database
    ):
        with DemoServer(store([customer(7), customer(8)])) as server:
            shop = make_connection(database, base_url=server.url)
            for _ in range(3):
                run_sync(database, shop, server)

        words = why(database, shop)

        assert "2 whole syncs came after that" in words
        assert "the record was as before" in words

    def test_given_a_record_the_store_lists_no_more_when_explained_then_it_says_so(
        self, database: Database
    ):
        with DemoServer(store([customer(7), customer(8)])) as server:
            shop = make_connection(database, base_url=server.url)
            run_sync(database, shop, server)
            server.store.delete_customer(7)
            run_sync(database, shop, server)

        assert "the store no longer lists the record" in why(database, shop)


class TestGathering:
    def test_given_a_record_nobody_met_when_explained_then_it_is_unknown(self, database: Database):
        shop = make_connection(database)

        with pytest.raises(UnknownRecordError, match="ever met customers 7"):
            explain(database, shop, CUSTOMERS, "7")

    def test_given_two_connections_when_explained_then_each_has_its_own_story(
        self, database: Database
    ):
        shop, other = make_connection(database), make_connection(database, name="other")
        apply_records(database, shop, [customer(7)])

        with pytest.raises(UnknownRecordError):
            explain(database, other, CUSTOMERS, "7")
        assert len(explain(database, shop, CUSTOMERS, "7").lines) == 1
