"""The same queue taken back again: the same revert, or one of what the queue did since."""

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue import actions
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.queue.reverting import revert
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    queue_settings,
    status,
)
from sync_pipeline_tests.undoing import table, take_back


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


class TestAgain:
    def test_given_the_same_queue_twice_then_it_is_the_same_revert(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(1)])
        first = take_back(database, queue)

        second = revert(
            database, find_queue(database, str(queue.id)), by="Ben", settings=queue_settings()
        )

        assert (second.is_new, second.queue.id) == (False, first.id)

    def test_given_a_queue_that_was_retried_since_then_what_it_did_then_is_taken_back_as_well(
        self, database, shop
    ):
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        kept = table(database)[0]["name"]
        queue, _ = apply_records(
            database, shop, [customer(1), customer(2, email="taken@x.test")], max_retries=0
        )
        first = take_back(database, queue)
        with database.owner() as conn:
            conn.execute("UPDATE customer SET email = 'free@x.test' WHERE email = 'taken@x.test'")
        actions.retry(database, str(queue.id), by="Mia", reason="the e-mail is free")
        upsert(database, find_queue(database, str(queue.id)), CUSTOMERS, queue_settings())
        assert len(table(database)) == 2

        second = take_back(database, queue)

        assert second.id != first.id
        assert status(database, second)["total_count"] == 1
        assert [one["name"] for one in table(database)] == [kept]
        assert take_back(database, queue).id == second.id

    def test_given_a_revert_that_is_not_finished_when_asked_again_then_it_is_that_one(
        self, database, shop
    ):
        """Worked again meanwhile, what is left of the queue has a revert of its own."""
        apply_records(database, shop, [customer(9, email="taken@x.test")])
        queue, _ = apply_records(
            database, shop, [customer(1), customer(2, email="taken@x.test")], max_retries=0
        )
        whole = {"by": "Mia", "settings": queue_settings()}
        first = revert(database, find_queue(database, str(queue.id)), **whole)
        with database.owner() as conn:
            conn.execute("UPDATE customer SET email = 'free@x.test' WHERE email = 'taken@x.test'")
        actions.retry(database, str(queue.id), by="Mia", reason="the e-mail is free")
        upsert(database, find_queue(database, str(queue.id)), CUSTOMERS, queue_settings())

        again = revert(database, find_queue(database, str(queue.id)), **whole)

        assert (again.is_new, again.queue.id) == (False, first.queue.id)
        upsert(database, first.queue, CUSTOMERS, queue_settings())
        rest = take_back(database, queue)
        assert rest.id != first.queue.id
        assert len(table(database)) == 1
