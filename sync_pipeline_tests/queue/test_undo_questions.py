"""What an undo asks about, for somebody changed it since: until when, and what an answer does."""

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue import actions
from sync_pipeline.queue.conflicts.choosing import Chosen
from sync_pipeline.queue.conflicts.deciding import Decision
from sync_pipeline.queue.conflicts.resolving import resolve
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    queue_settings,
    row,
)
from sync_pipeline_tests.undoing import conflicts, edit, record, take_back


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


class TestQuestions:
    def test_given_a_conflict_of_an_undo_when_a_later_sync_applies_the_record_then_it_stays_open(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(database, shop, [customer(1, last_name="Theirs")])
        edit(database, "name = 'By Hand'", 1)
        take_back(database, queue)

        apply_records(database, shop, [customer(1, last_name="Theirs", email="new@example.test")])

        ours = row(database, "SELECT name, email FROM customer")
        assert ours == {"name": "By Hand", "email": "new@example.test"}
        (conflict,) = conflicts(database)
        assert conflict["details"]["fields"]["name"]["theirs"] == "Ann Number 1"

    def test_given_an_undo_that_asks_when_it_is_taken_back_then_nobody_is_asked_any_more(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(
            database, shop, [customer(1, last_name="Theirs", email="new@example.test")]
        )
        edit(database, "name = 'By Hand'", 1)
        undone = take_back(database, queue)

        take_back(database, undone)

        ours = row(database, "SELECT name, email FROM customer")
        assert ours == {"name": "By Hand", "email": "new@example.test"}
        assert conflicts(database) == []

    def test_given_an_undo_that_asks_when_its_row_was_made_again_then_nobody_is_asked_any_more(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(database, shop, [customer(1, last_name="Theirs")])
        edit(database, "name = 'By Hand'", 1)
        take_back(database, queue)
        with database.organization("acme") as conn:
            conn.execute("DELETE FROM customer")

        apply_records(database, shop, [customer(1, last_name="New")])

        assert row(database, "SELECT name FROM customer")["name"] == "Ann New"
        assert conflicts(database) == []

    def test_given_an_undo_that_asks_when_edited_back_and_retried_then_nobody_is_asked_any_more(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(database, shop, [customer(1, last_name="Theirs")])
        edit(database, "name = 'By Hand'", 1)
        undone = take_back(database, queue)
        edit(database, "name = 'Ann Theirs'", 1)

        actions.retry(database, str(undone.id), by="Mia", reason="it is as it was")
        upsert(database, find_queue(database, str(undone.id)), CUSTOMERS, queue_settings())

        assert row(database, "SELECT name FROM customer")["name"] == "Ann Number 1"
        assert conflicts(database) == []

    @pytest.mark.parametrize(
        ("verb", "name"), [("source", "Ann Number 1"), ("target", "By Hand"), ("skip", "By Hand")]
    )
    def test_given_a_conflict_of_an_undo_when_decided_after_a_later_sync_then_only_its_field_moves(
        self, database, shop, verb, name
    ):
        apply_records(database, shop, [customer(1)])
        queue, _ = apply_records(
            database, shop, [customer(1, last_name="Theirs", email="first@example.test")]
        )
        edit(database, "name = 'By Hand'", 1)
        take_back(database, queue)
        apply_records(
            database, shop, [customer(1, last_name="Theirs", email="second@example.test")]
        )
        base = record(database)["base"]

        made = resolve(
            database, Chosen(connection="shop"), Decision(verb), by="Mia",
            settings=queue_settings(),
        )  # fmt: skip
        for queue_id in made.queue_ids:
            upsert(database, find_queue(database, str(queue_id)), CUSTOMERS, queue_settings())

        ours = row(database, "SELECT name, email FROM customer")
        assert ours == {"name": name, "email": "second@example.test"}
        assert record(database)["base"] == base
        assert conflicts(database) == []
        apply_records(database, shop, [customer(1, last_name="Theirs", email="third@example.test")])
        ours = row(database, "SELECT name, email FROM customer")
        assert ours == {"name": name, "email": "third@example.test"}
