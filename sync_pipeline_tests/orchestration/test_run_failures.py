from collections.abc import Iterator

import dagster as dg
import pytest

from sync_pipeline.orchestration.resource import SyncResource, provided
from sync_pipeline.orchestration.run_failures import lost_in_words, note_loss
from sync_pipeline.orchestration.tags import failure_tags
from sync_pipeline.queue.heartbeat import announce, working
from sync_pipeline.queue.queues import begin
from sync_pipeline_tests.factories import make_connection, make_queue, rows, status


@pytest.fixture
def own_instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def failed_run(instance, **tags):
    run = dg.DagsterRun(
        job_name="sync_customers",
        status=dg.DagsterRunStatus.FAILURE,
        tags={name.replace("__", "/"): value for name, value in tags.items()},
    )
    return instance.add_run(run)


def noted(database):
    return [
        one["message"]
        for one in rows(
            database, "SELECT message FROM sync_activity WHERE activity_type = 'run_failed'"
        )
    ]


def note(instance, database, run, message="killed"):
    with provided(database):
        return note_loss(instance, SyncResource(), run, message)


class TestNoteLoss:
    def test_given_a_run_that_died_then_its_queue_says_so_once_and_is_tried_again(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        run = failed_run(own_instance, sync__queue_id=str(queue.id))
        begin(database, queue, run_id=run.run_id)

        first = note(own_instance, database, run)
        again = note(own_instance, database, run)

        assert (first, again) == (True, False)
        (message,) = noted(database)
        assert message.startswith(f"Run {run.run_id} failed: killed Tried again in ")
        assert status(database, queue)["failure_count"] == 1
        assert status(database, queue)["last_error_code"] == "run.worker_lost"

    def test_given_a_failure_that_the_run_noted_itself_then_it_is_not_noted_twice(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        run = failed_run(own_instance, sync__queue_id=str(queue.id))
        own_instance.add_run_tags(run.run_id, failure_tags(run.run_id, "queue.stopped"))

        assert note(own_instance, database, run) is False
        assert noted(database) == []

    def test_given_a_run_that_was_executed_again_and_died_then_its_own_failure_is_noted(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        first = failed_run(own_instance, sync__queue_id=str(queue.id))
        tags = failure_tags(first.run_id, "woocommerce.store_unavailable")
        again = own_instance.add_run(
            dg.DagsterRun(
                job_name="sync_customers",
                status=dg.DagsterRunStatus.FAILURE,
                tags=first.tags | tags,
                parent_run_id=first.run_id,
                root_run_id=first.run_id,
            )
        )
        begin(database, queue, run_id=again.run_id)

        assert note(own_instance, database, again) is True
        assert status(database, queue)["last_error_code"] == "run.worker_lost"

    def test_given_a_run_over_all_that_died_after_a_failure_it_noted_then_the_one_in_hand_says_so(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        run = failed_run(own_instance, sync__queue_id=str(queue.id), sync__entity="all")
        own_instance.add_run_tags(run.run_id, failure_tags(run.run_id, "throttle.waits"))
        begin(database, queue, run_id=run.run_id)
        announce(database, queue)

        first = note(own_instance, database, run)
        again = note(own_instance, database, run)

        assert (first, again) == (True, False)
        assert status(database, queue)["last_error_code"] == "run.worker_lost"
        assert len(noted(database)) == 1

    def test_given_a_run_over_all_that_ended_by_itself_then_its_last_queue_is_not_blamed(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        run = failed_run(own_instance, sync__queue_id=str(queue.id), sync__entity="all")
        begin(database, queue, run_id=run.run_id)
        with working(database, queue):
            pass

        assert note(own_instance, database, run, "A check of another asset failed.") is False
        assert noted(database) == []
        assert status(database, queue)["failure_count"] == 0

    @pytest.mark.parametrize(
        "tags", [{}, {"sync__queue_id": "11111111-1111-1111-1111-111111111111"}]
    )
    def test_given_a_run_without_a_queue_of_ours_then_nothing_happens(
        self, own_instance, database, tags
    ):
        assert note(own_instance, database, failed_run(own_instance, **tags)) is False


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("", "Its process is gone."),
        ("This run has been marked as failed from outside the execution context.",
         "Its process is gone."),
        ("Exceeded  maximum\nruntime.", "Exceeded maximum runtime."),
    ],
)  # fmt: skip
def test_a_loss_is_said_in_one_sentence(message, words):
    assert lost_in_words("r1", message) == f"Run r1 failed: {words}"


def test_given_a_message_with_a_secret_then_it_is_not_said():
    words = lost_in_words("r1", "GET https://shop.example/?consumer_secret=cs_abc failed")

    assert "cs_abc" not in words
    assert "shop.example" in words
