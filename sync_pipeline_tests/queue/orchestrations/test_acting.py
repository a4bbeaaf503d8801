"""Actions on an orchestration act on each of its queues, and change nothing the second time."""

import pytest

from sync_pipeline.queue.actions import QueueBusyError, cancel, resume
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.orchestrations import (
    acting,
    activities_of,
    cancel_orchestration,
    orchestration_status,
    pause_orchestration,
    resume_orchestration,
    retry_orchestration,
    start_orchestration,
)
from sync_pipeline_tests.factories import make_connection, rows
from sync_pipeline_tests.queue.orchestrations.making import SETTINGS, put, queue_numbers, start

WHO = {"by": "ann", "reason": "the shop moves"}


@pytest.fixture
def shop(database):
    return make_connection(database, "acme", name="shop")


@pytest.fixture
def made(database, shop):
    """All five entities; products are done, customers in work, the rest was not begun."""
    orchestration = start(database)
    numbers = queue_numbers(database, orchestration)
    put(database, numbers["products"], "done")
    put(database, numbers["customers"], "processing")
    return orchestration


def told(database, orchestration):
    return [
        one.activity_type for one in activities_of(database, "acme", orchestration.orchestration_no)
    ]


class TestPause:
    def test_given_queues_begun_and_not_begun_then_all_that_is_open_is_paused(self, database, made):
        result = pause_orchestration(database, made.id, **WHO)

        assert (result.changed_queues, result.left_queues, result.is_paused) == (4, 1, True)
        assert result.message == "Paused: 4 queues; 1 needed nothing or are over."
        assert {
            row["entity"]: row["is_paused"]
            for row in rows(database, "SELECT entity, is_paused FROM sync_queue")
        } == {
            "customers": True, "products": False, "orders": True, "inventory": True,
            "payments": True,
        }  # fmt: skip

    def test_given_the_same_again_then_nothing_changes_and_nothing_is_audited(self, database, made):
        pause_orchestration(database, made.id, **WHO)
        before = told(database, made)

        again = pause_orchestration(database, made.id, **WHO)

        assert (again.changed, again.is_paused) == (False, True)
        assert told(database, made) == before

    def test_then_those_that_depend_on_others_are_paused_before_them(
        self, database, made, monkeypatch
    ):
        asked = []
        monkeypatch.setitem(
            acting._ACTIONS, "pause", lambda _, queue_id, **__: asked.append(queue_id) or _busy()
        )
        result = pause_orchestration(database, made.id, **WHO)

        numbers = queue_numbers(database, made)
        by_id = {
            str(row["id"]): row["queue_no"]
            for row in rows(database, "SELECT id, queue_no FROM sync_queue")
        }
        assert [by_id[queue_id] for queue_id in asked] == list(reversed(numbers.values()))
        assert len(result.problems) == 5
        assert "could not be paused, try again: shop payments: a worker keeps it" in result.message


def _busy():
    raise QueueBusyError("a worker keeps it")


class TestResume:
    def test_given_a_pause_then_all_of_it_goes_on_and_who_said_so_is_kept(self, database, made):
        pause_orchestration(database, made.id, **WHO)

        result = resume_orchestration(database, made.id, by="bob")

        assert (result.changed_queues, result.is_paused) == (4, False)
        audit = activities_of(database, "acme", made.orchestration_no)
        assert [(one.activity_type, one.message) for one in audit[1:]] == [
            ("orchestration_paused", "orchestration paused by ann: the shop moves"),
            ("orchestration_resumed", "orchestration resumed by bob"),
        ]
        assert audit[1].details["by"] == "ann"

    def test_given_one_queue_resumed_alone_then_the_whole_is_not_paused(self, database, made):
        pause_orchestration(database, made.id, **WHO)
        (orders,) = rows(database, "SELECT id FROM sync_queue WHERE entity = 'orders'")

        resume(database, str(orders["id"]), by="bob")

        assert not orchestration_status(database, made)["is_paused"]


class TestCancel:
    def test_given_open_queues_then_they_are_cancelled_and_what_is_done_stays(self, database, made):
        result = cancel_orchestration(database, made.id, **WHO)

        status = orchestration_status(database, made)
        assert (result.state, result.changed_queues) == ("cancelled", 4)
        assert (status["n_done"], status["n_cancelled"]) == (1, 4)
        assert status["cancelled_at"] is not None
        assert told(database, made)[1:] == ["orchestration_cancelled", "orchestration_finished"]

    def test_given_that_it_is_over_then_there_is_nothing_to_cancel(self, database, shop):
        made = start(database, entities=["products"])
        put(database, queue_numbers(database, made)["products"], "done")

        result = cancel_orchestration(database, made.id, **WHO)

        assert (result.changed, result.state) == (False, "done")
        assert result.message == "Nothing to do: it is done: of 1 queues 1 done."
        assert orchestration_status(database, made)["cancelled_at"] is None

    def test_given_that_it_was_cancelled_then_the_same_request_starts_another(self, database, made):
        cancel_orchestration(database, made.id, **WHO)

        _, is_new = start_orchestration(database, "acme", settings=SETTINGS, created_by="ann")

        assert is_new


class TestCancelOfWhatOthersWant:
    def test_given_a_queue_that_was_started_alone_then_it_goes_on_and_it_is_said(
        self, database, shop
    ):
        standing, _ = open_queue(database, shop, "products", settings=SETTINGS)
        made = start(database, entities=["products", "payments"])

        result = cancel_orchestration(database, made.id, **WHO)

        assert states(database) == {"products": "draft", "payments": "cancelled"}
        assert (result.changed_queues, result.left_queues) == (1, 0)
        assert result.kept == ("shop products (a sync of its own)",)
        assert "1 go on, for somebody else asked for them too: shop products" in result.message
        put(database, standing.queue_no, "done")
        assert orchestration_status(database, made)["state"] == "cancelled"

    def test_given_two_orchestrations_over_a_queue_then_the_last_to_be_cancelled_cancels_it(
        self, database, shop
    ):
        first = start(database, entities=["products", "payments"])
        second = start(database, entities=["products"])

        left = cancel_orchestration(database, first.id, **WHO)
        between = states(database)
        cancel_orchestration(database, second.id, **WHO)

        assert left.kept == (f"shop products (orchestration {second.id})",)
        assert between == {"products": "draft", "payments": "cancelled"}
        assert states(database) == {"products": "cancelled", "payments": "cancelled"}

    def test_given_all_of_it_wanted_elsewhere_then_the_same_again_changes_nothing(
        self, database, shop
    ):
        open_queue(database, shop, "products", settings=SETTINGS)
        made = start(database, entities=["products"])
        assert cancel_orchestration(database, made.id, **WHO).changed
        before = told(database, made)

        again = cancel_orchestration(database, made.id, **WHO)

        assert (again.changed, len(again.kept), told(database, made)) == (False, 1, before)


def states(database):
    """State of each queue by entity."""
    found = rows(database, "SELECT entity, state FROM sync_queue_status")
    return {one["entity"]: one["state"] for one in found}


class TestRetry:
    @pytest.fixture
    def failed(self, database, shop):
        """Products and orders ended with failed lines."""
        made = start(database, entities=["products", "orders", "payments"])
        numbers = queue_numbers(database, made)
        for entity in ("products", "orders"):
            put(database, numbers[entity], "failed")
            with database.owner() as conn:
                conn.execute(
                    "INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash,"
                    " state, payload) SELECT %s, n, 'acme', n::text, md5('a')::uuid, 'failed', '{}'"
                    " FROM generate_series(1, 2) AS n",
                    [numbers[entity]],
                )
        put(database, numbers["payments"], "done")
        return made

    def test_given_failed_queues_then_they_are_open_again_in_their_order(self, database, failed):
        result = retry_orchestration(database, failed.id, **WHO)

        assert (result.changed_queues, result.left_queues, result.state) == (2, 1, "processing")
        assert told(database, failed)[-1] == "orchestration_retried"

    def test_given_another_open_sync_of_an_entity_then_that_is_said_and_the_rest_is_retried(
        self, database, failed, shop
    ):
        open_queue(database, shop, "orders", settings=SETTINGS, filters=Filters(limit=1))

        result = retry_orchestration(database, failed.id, **WHO)

        assert result.changed_queues == 1
        assert "Another sync of shop orders is open" in result.problems[0]

    def test_given_a_paused_orchestration_then_what_is_retried_is_held_as_well(
        self, database, shop
    ):
        made = start(database, entities=["products", "payments"])
        numbers = queue_numbers(database, made)
        pause_orchestration(database, made.id, **WHO)
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_queue SET is_paused = false WHERE queue_no = %s", [numbers["products"]]
            )
            conn.execute(
                "INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash,"
                " state, payload) VALUES (%s, 1, 'acme', '1', md5('a')::uuid, 'failed', '{}')",
                [numbers["products"]],
            )
        put(database, numbers["products"], "failed")

        result = retry_orchestration(database, made.id, **WHO)

        assert (result.changed_queues, result.is_paused) == (1, True)

    def test_given_a_queue_that_was_cancelled_then_it_is_left(self, database, failed):
        (products,) = rows(database, "SELECT id FROM sync_queue WHERE entity = 'payments'")
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_queue SET stage = 'apply', finished_at = NULL WHERE id = %s",
                [products["id"]],
            )
        cancel(database, str(products["id"]), by="ann")

        result = retry_orchestration(database, failed.id, **WHO)

        assert (result.changed_queues, result.left_queues) == (2, 1)
