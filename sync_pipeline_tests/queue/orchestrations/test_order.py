"""When the queues of an orchestration get a run: in their order, but never held by a person."""

import pytest

from sync_pipeline.queue.actions import pause
from sync_pipeline.queue.attention import needing_attention, needs_run
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.situations import situations
from sync_pipeline_tests.factories import make_connection, row
from sync_pipeline_tests.queue.orchestrations.making import SETTINGS, put, queue_numbers, start


@pytest.fixture
def shop(database):
    return make_connection(database, "acme", name="shop")


def attended(database):
    return {one.entity: one for one in needing_attention(database, ["customers"])}


def startable(database):
    """Entities that would get a run now."""
    now = row(database, "SELECT now() AS utc")["utc"]
    return {one.entity for one in attended(database).values() if needs_run(one, now)}


def test_given_nothing_begun_then_only_what_depends_on_nothing_gets_a_run(database, shop):
    made = start(database)

    found = attended(database)
    assert startable(database) == {"customers", "products"}
    assert {one.orchestration_id for one in found.values()} == {made.id}
    assert {one.is_orchestration_begun for one in found.values()} == {False}


def test_given_that_what_comes_before_is_done_then_the_next_gets_a_run(database, shop):
    numbers = queue_numbers(database, start(database))
    put(database, numbers["products"], "done")
    assert startable(database) == {"customers", "inventory"}

    put(database, numbers["customers"], "failed")

    assert startable(database) == {"orders", "inventory"}
    assert attended(database)["orders"].is_orchestration_begun


@pytest.mark.parametrize("held", ["paused", "needs a person"])
def test_given_that_what_comes_before_waits_for_a_person_then_the_rest_goes_on(
    database, shop, held
):
    made = start(database, entities=["customers", "orders"])
    if held == "paused":
        customers = row(database, "SELECT id FROM sync_queue WHERE entity = 'customers'")
        pause(database, str(customers["id"]), by="ann")
    else:
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_queue SET is_action_required = true WHERE queue_no = %s",
                [queue_numbers(database, made)["customers"]],
            )

    assert startable(database) == {"orders"}


@pytest.mark.parametrize(("failures", "then"), [(2, set()), (3, {"orders"})])
def test_given_that_what_comes_before_failed_three_times_in_a_row_then_the_rest_goes_on(
    database, shop, failures, then
):
    numbers = queue_numbers(database, start(database, entities=["customers", "orders"]))
    with database.owner() as conn:
        conn.execute("UPDATE sync_queue SET updated_at = now() - interval '1 h'")
        conn.execute(
            "UPDATE sync_queue SET process_count = 1, failure_count = %s,"
            " retry_at = now() + interval '9 min' WHERE queue_no = %s",
            [failures, numbers["customers"]],
        )

    assert startable(database) == then
    assert (stuck(database)["orders"] > 3000) == bool(then)


def test_given_that_what_comes_before_was_refused_then_the_rest_does_not_wait(database, shop):
    open_queue(database, shop, "customers", settings=SETTINGS, filters=Filters(limit=1))

    start(database, entities=["customers", "orders"])

    assert startable(database) == {"customers", "orders"}


def test_given_a_queue_that_was_begun_elsewhere_and_is_joined_then_it_is_begun(database, shop):
    standing, _ = open_queue(database, shop, "products", settings=SETTINGS)
    put(database, standing.queue_no, "processing")

    start(database)

    found = attended(database)
    assert found["customers"].is_orchestration_begun
    assert found["products"].orchestration_id is None


def test_given_another_connection_of_it_that_was_begun_then_this_one_is_not(database, shop):
    make_connection(database, "acme", name="store")
    made = start(database, entities=["products"])
    put(database, queue_numbers(database, made, "store")["products"], "processing")

    begun = {
        one.connection: one.is_orchestration_begun
        for one in needing_attention(database, ["products"])
    }

    assert begun == {"shop": False, "store": True}


def test_given_what_comes_before_is_worked_for_an_hour_then_what_waits_is_not_stuck(database, shop):
    numbers = queue_numbers(database, start(database, entities=["customers", "orders"]))
    with database.owner() as conn:
        conn.execute(
            "UPDATE sync_queue SET created_at = now() - interval '1 h',"
            " updated_at = now() - interval '1 h'"
        )
    assert stuck(database)["orders"] == 0
    assert stuck(database)["customers"] > 3000

    with database.owner() as conn:
        conn.execute(
            "UPDATE sync_queue SET stage = 'finished', finished_at = now() - interval '10 min'"
            " WHERE queue_no = %s",
            [numbers["customers"]],
        )

    assert 590 < stuck(database)["orders"] < 700


def stuck(database):
    """For how long nobody has worked on what is due, by entity."""
    with database.control() as conn:
        return {one.entity: one.stuck_seconds for one in situations(conn)}
