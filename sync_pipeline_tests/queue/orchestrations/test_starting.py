"""Starting orchestrations: what is opened, joined, refused, and what a key means."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from sync_pipeline.entities import ENTITIES
from sync_pipeline.errors import InputError, UnknownConnectionError, UnknownEntityError
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.orchestrations import (
    KeyReusedError,
    activities_of,
    items_of,
    orchestration_status,
)
from sync_pipeline.queue.orchestrations.choosing import entities_of
from sync_pipeline_tests.factories import make_connection, rows
from sync_pipeline_tests.queue.orchestrations.making import (
    SETTINGS,
    put,
    queue_numbers,
    start,
    start_both,
)

ALL = ["customers", "products", "orders", "inventory", "payments"]


@pytest.fixture
def shop(database):
    return make_connection(database, "acme", name="shop")


def test_what_others_depend_on_comes_first():
    for place, entity in enumerate(ENTITIES):
        before = {one.name for one in ENTITIES[:place] if one.system == entity.system}

        assert set(entity.depends_on) <= before


class TestStart:
    def test_given_a_connection_then_a_queue_of_each_entity_is_open_after_those_it_depends_on(
        self, database, shop
    ):
        made = start(database)

        numbers = queue_numbers(database, made)
        stored = rows(database, "SELECT entity, depends_on, orchestration_no FROM sync_queue")
        assert list(numbers) == list(made.entities) == ALL
        assert {one["entity"]: one["depends_on"] for one in stored} == {
            entity.name: [numbers[name] for name in entity.depends_on]
            for entity in entities_of("woocommerce")
        }
        assert {one["orchestration_no"] for one in stored} == {made.orchestration_no}

    def test_given_several_connections_then_only_those_of_the_organization_are_meant(
        self, database, shop
    ):
        make_connection(database, "acme", name="store")
        make_connection(database, "globex", name="other")

        made = start(database, entities=["orders", "customers"])

        assert [(item.connection, item.entity) for item in items_of(database, made)] == [
            ("shop", "customers"),
            ("shop", "orders"),
            ("store", "customers"),
            ("store", "orders"),
        ]

    def test_given_an_open_queue_then_it_is_joined_and_waits_no_longer(self, database, shop):
        standing, _ = open_queue(database, shop, "products", settings=SETTINGS)
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET retry_at = now() + interval '1 h'")

        made = start(database)

        numbers = queue_numbers(database, made)
        (orders,) = rows(database, "SELECT depends_on FROM sync_queue WHERE entity = 'orders'")
        (joined,) = rows(
            database, "SELECT retry_at, orchestration_no FROM sync_queue WHERE entity = 'products'"
        )
        assert numbers["products"] == standing.queue_no
        assert standing.queue_no in orders["depends_on"]
        assert (joined["retry_at"], joined["orchestration_no"]) == (None, None)

    def test_given_an_open_sync_with_a_filter_then_its_entity_is_refused_and_the_rest_goes_on(
        self, database, shop
    ):
        open_queue(database, shop, "orders", settings=SETTINGS, filters=Filters(limit=3))

        made = start(database)

        refused = [item for item in items_of(database, made) if item.refusal]
        status = orchestration_status(database, made)
        assert [(item.entity, item.queue_no) for item in refused] == [("orders", None)]
        assert "with other settings" in refused[0].refusal
        assert (status["n_queues"], status["n_refused"], status["state"]) == (4, 1, "draft")
        assert [one.activity_type for one in activities_of(database, "acme", 1)] == [
            "orchestration_started",
            "item_refused",
        ]

    @pytest.mark.parametrize(
        ("asked", "error"),
        [
            ({"connections": ["nope"]}, UnknownConnectionError),
            ({"connections": ["other"]}, UnknownConnectionError),
            ({"entities": ["cats"]}, UnknownEntityError),
            ({"entities": []}, InputError),
            ({"systems": ["odoo"]}, UnknownConnectionError),
            ({"systems": ["odoo", "woocommerce"]}, UnknownConnectionError),
            ({"idempotency_key": " "}, InputError),
            ({"idempotency_key": "k" * 201}, InputError),
        ],
    )
    def test_given_what_there_is_not_then_it_is_refused_and_nothing_is_opened(
        self, database, shop, asked, error
    ):
        make_connection(database, "globex", name="other")

        with pytest.raises(error):
            start(database, **asked)

        assert rows(database, "SELECT FROM sync_queue") == []
        assert rows(database, "SELECT FROM sync_orchestration") == []


class TestSameAgain:
    def test_given_an_unfinished_one_of_the_same_request_then_it_is_joined(self, database, shop):
        first, is_new = start_both(database, connections=["shop"])

        again, is_again_new = start_both(database, connections=["shop"])

        assert (is_new, is_again_new, again) == (True, False, first)

    def test_given_one_that_is_finished_then_another_is_made(self, database, shop):
        first = start(database, entities=["products"])
        put(database, queue_numbers(database, first)["products"], "done")

        again, is_new = start_both(database, entities=["products"])

        assert is_new
        assert again.id != first.id

    def test_given_a_connection_more_then_another_is_made_over_all(self, database, shop):
        start(database, entities=["products"])
        make_connection(database, "acme", name="store")

        again, is_new = start_both(database, entities=["products"])

        assert is_new
        assert [item.connection for item in items_of(database, again)] == ["shop", "store"]

    def test_given_two_starts_at_once_then_it_is_one_orchestration(self, database, shop):
        for key in (None, "k1"):
            with ThreadPoolExecutor(4) as pool:
                made = list(
                    pool.map(lambda _, key=key: start_both(database, idempotency_key=key), range(4))
                )

            assert len({orchestration.id for orchestration, _ in made}) == 1
        assert len(rows(database, "SELECT FROM sync_queue")) == len(ALL)


class TestKey:
    def test_given_its_key_again_then_the_first_answer_comes_finished_or_not(self, database, shop):
        first = start(database, entities=["products"], idempotency_key="k1")
        put(database, queue_numbers(database, first)["products"], "done")

        again, is_new = start_both(database, entities=["products"], idempotency_key="k1")

        assert (again.id, is_new) == (first.id, False)

    def test_given_the_key_again_then_queues_that_waited_for_a_person_go_on(self, database, shop):
        start(database, entities=["products"], idempotency_key="k1")
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET is_action_required = true")

        start(database, entities=["products"], idempotency_key="k1")

        (queue,) = rows(database, "SELECT is_action_required FROM sync_queue")
        assert not queue["is_action_required"]

    @pytest.mark.parametrize(
        "other",
        [{"entities": ["orders"]}, {"is_full": True}, {"connections": ["shop"]}],
    )
    def test_given_the_key_with_another_request_then_it_is_refused(self, database, shop, other):
        start(database, idempotency_key="k1")

        with pytest.raises(KeyReusedError):
            start(database, **{"idempotency_key": "k1"} | other)

    def test_given_the_same_words_in_another_order_then_it_is_the_same_request(
        self, database, shop
    ):
        first = start(database, entities=["orders", "products"], idempotency_key="k1")

        again = start(database, entities=["products", "orders"], idempotency_key="k1")

        assert again.id == first.id

    def test_given_a_day_later_then_the_key_may_be_used_anew(self, database, shop):
        first = start(database, entities=["products"], idempotency_key="k1")
        put(database, queue_numbers(database, first)["products"], "done")
        with database.owner() as conn:
            conn.execute("UPDATE sync_idempotency_log SET created_at = now() - interval '25 h'")

        again, is_new = start_both(database, entities=["orders"], idempotency_key="k1")

        assert is_new
        assert again.id != first.id

    def test_given_the_key_in_another_organization_then_it_is_another_key(self, database, shop):
        make_connection(database, "globex", name="other")
        start(database, idempotency_key="k1")

        _, is_new = start_both(database, "globex", idempotency_key="k1")

        assert is_new
