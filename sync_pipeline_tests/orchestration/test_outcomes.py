"""How runs end, and what they leave with their queue: against a store on loopback."""

import pytest

from sync_pipeline.demo import Fault
from sync_pipeline.orchestration import assets
from sync_pipeline.orchestration.launch import launch_sync, resume_queue
from sync_pipeline.queue.failures import Failure, record_failure
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline_tests.factories import row, rows, status
from sync_pipeline_tests.orchestration.conftest import (
    connect_shop,
    failure_of,
    materialize,
    metadata_of,
    newest_queue,
)


def run_of(instance, result):
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    return run


def failures_noted(database):
    return rows(
        database, "SELECT message, details FROM sync_activity WHERE activity_type = 'run_failed'"
    )


class TestFailures:
    def test_given_a_store_that_is_down_then_the_queue_says_why_and_when_it_goes_on(
        self, instance, database, shop, connection
    ):
        shop.faults = [Fault("unavailable")]

        failed = materialize(instance, database)

        found = status(database, newest_queue(database))
        assert (found["failure_count"], found["is_action_required"]) == (1, False)
        assert found["last_error_code"] == "woocommerce.store_unavailable"
        assert found["retry_at"] is not None
        assert found["is_processing"] is False
        (noted,) = failures_noted(database)
        assert noted["details"]["run_id"] == failed.run_id
        tags = run_of(instance, failed).tags
        assert tags["sync/failure_code"] == "woocommerce.store_unavailable"

    def test_given_a_store_that_recovers_then_nothing_of_the_failure_is_left(
        self, instance, database, shop, connection
    ):
        shop.faults = [Fault("unavailable")]
        materialize(instance, database)
        shop.faults = []

        assert materialize(instance, database).success

        found = status(database, newest_queue(database))
        assert (found["failure_count"], found["retry_at"]) == (0, None)
        assert found["last_error_code"] is None
        assert found["is_processing"] is False

    def test_given_a_key_that_is_refused_then_a_person_is_told_what_to_do(
        self, instance, database, shop, connection, monkeypatch
    ):
        monkeypatch.setenv("SHOP_SECRET", "cs_" + "0" * 40)

        failure = failure_of(materialize(instance, database))

        found = status(database, newest_queue(database))
        assert found["is_action_required"] is True
        assert found["retry_at"] is None
        assert failure.description in found["action_required_reason"]

    def test_given_an_error_nobody_foresaw_then_it_is_noted_and_tried_again(
        self, instance, database, connection, monkeypatch
    ):
        def broken(*_):
            raise KeyError("id")

        monkeypatch.setattr(assets, "enqueue", broken)

        assert not materialize(instance, database).success

        found = status(database, newest_queue(database))
        assert found["last_error_code"] == "sync.unexpected"
        assert found["last_error"] == "Unexpected error: KeyError: 'id'"
        assert found["retry_at"] is not None

    def test_given_a_stage_that_fails_in_each_run_then_waits_grow_and_the_tenth_asks_for_a_person(
        self, instance, database, connection, monkeypatch
    ):
        def broken(*_):
            raise KeyError("id")

        monkeypatch.setattr(assets, "upsert", broken)
        counts, waits, flags = [], [], []
        for _ in range(10):
            assert not materialize(instance, database).success
            found = status(database, newest_queue(database))
            counts.append(found["failure_count"])
            flags.append(found["is_action_required"])
            waits.append(found["retry_at"] and found["retry_at"] - found["last_process_date"])

        assert counts == list(range(1, 11))
        assert flags == [False] * 9 + [True]
        assert waits[:7] == sorted(set(waits[:7]))
        assert waits[9] is None

    def test_given_a_paused_queue_then_the_run_ends_in_words_and_nothing_failed(
        self, instance, database, connection
    ):
        queue, _ = open_queue(database, connection, "customers", settings=QueueSettings())
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET is_paused = true")

        result = materialize(instance, database)

        failure = failure_of(result)
        assert "was paused" in failure.description
        assert f"sync-pipeline resume {queue.id}" in failure.description
        assert failures_noted(database) == []
        assert status(database, queue)["failure_count"] == 0
        assert run_of(instance, result).tags["sync/failure_code"] == "queue.stopped"


class TestQueueOfARun:
    def test_given_the_id_of_an_open_queue_then_the_run_goes_on_with_it(
        self, instance, database, connection
    ):
        queue, _ = open_queue(
            database, connection, "customers", settings=QueueSettings(batch_size=7)
        )

        result = materialize(instance, database, config={"queue_id": str(queue.id)})

        assert result.success
        assert metadata_of(result, "reconciled")["queue_id"] == str(queue.id)
        assert status(database, queue)["state"] == "done"

    def test_given_a_queue_that_was_never_compared_then_the_run_compares(
        self, instance, database, connection
    ):
        materialize(instance, database, ["pages", "queue", "applied"])
        queue = newest_queue(database)

        result = materialize(instance, database, config={"queue_id": str(queue.id)})

        assert result.success
        assert status(database, queue)["reconciliation"]["agree"] is True
        assert newest_queue(database).id == queue.id

    def test_given_a_queue_of_another_connection_then_the_run_says_so(
        self, instance, database, shop, connection
    ):
        other = connect_shop(database, shop.url, "other")
        queue, _ = open_queue(database, other, "customers", settings=QueueSettings())

        failure = failure_of(materialize(instance, database, config={"queue_id": str(queue.id)}))

        assert failure.metadata["code"].value == "input.wrong_queue"
        assert "Start it for the partition other." in failure.description

    def test_given_a_finished_sync_when_everything_is_wanted_then_all_orders_are_read_again(
        self, instance, database, shop, connection
    ):
        launch_sync(instance, database, "shop", "customers")
        before = len(shop.requests)

        report = launch_sync(
            instance, database, "shop", "customers", is_full=True, created_by="ann"
        )

        kept = row(
            database, "SELECT is_full, created_by FROM sync_queue WHERE id = %s", report.queue_id
        )
        assert kept == {"is_full": True, "created_by": "ann"}
        assert report.success
        asked = [str(request) for request in shop.requests[before:]]
        assert not any("modified_after" in request for request in asked)

    def test_given_a_queue_that_waits_for_a_person_when_resumed_then_it_is_worked_to_its_end(
        self, instance, database, connection
    ):
        queue, _ = open_queue(database, connection, "customers", settings=QueueSettings())
        wrong = Failure("store.auth", "The key is refused.", is_permanent=True)
        record_failure(database, queue, wrong, QueueSettings(), run_id=None)

        report = resume_queue(instance, database, str(queue.id))

        assert (report.success, report.is_new, report.queue_id) == (True, False, str(queue.id))
        assert report.state == "done"
        assert report.status["is_action_required"] is False
        assert find_queue(database, str(queue.id)).last_dagster_run_id == report.run_id


@pytest.mark.parametrize("stage", ["extract", "enqueue", "upsert"])
def test_given_a_run_then_it_holds_the_lease_of_its_queue_through_all_stages(
    stage, instance, database, connection, monkeypatch
):
    doing = getattr(assets, stage)
    seen = []

    def looked_at(*args):
        seen.append(status(database, newest_queue(database))["is_processing"])
        return doing(*args)

    monkeypatch.setattr(assets, stage, looked_at)

    assert materialize(instance, database).success
    assert seen == [True]
