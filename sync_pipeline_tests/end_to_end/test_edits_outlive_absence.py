"""What a person put into a row outlives that its record is gone, returns or changes hands."""

import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline.queue.conflicts import Chosen, Decision, resolve
from sync_pipeline.stages.changes import apply_changes
from sync_pipeline_tests.factories import (
    customer,
    make_connection,
    queue_settings,
    row,
    rows,
    run_sync,
    status,
    store,
)
from sync_pipeline_tests.queue.conflicts.conftest import conflicts
from sync_pipeline_tests.undoing import edit, take_back

CUSTOMERS_MADE = 30
ROLES = 5  # change at once, without a person


class Shop:
    """A served store, its connection, and whole syncs of it."""

    def __init__(self, database, server, **options):
        self.database, self.server = database, server
        self.connection = make_connection(database, base_url=server.url, options=options)

    def sync(self, times=1):
        for _ in range(times):
            synced = run_sync(self.database, self.connection, self.server)
        return synced

    def change(self, customer_id, **values):
        """Changed in the store, or there again."""
        self.server.store.put_customer({**self.server.store.customer(customer_id), **values})

    def lose(self, customer_id):
        """Deleted in the store, and believed; what it was."""
        lost = dict(self.server.store.customer(customer_id))
        self.server.store.delete_customer(customer_id)
        self.sync(2)
        return lost

    def row(self, customer_id=5):
        return row(
            self.database,
            "SELECT c.* FROM customer AS c WHERE email = %s",
            f"c{customer_id}@example.test",
        )

    def decide(self, verb):
        settings = queue_settings()
        made = resolve(self.database, Chosen(), Decision(verb), by="ann", settings=settings)
        return apply_changes(self.database, made.queue_ids, settings)


@pytest.fixture
def server():
    with DemoServer(store([customer(n) for n in range(1, CUSTOMERS_MADE + 1)])) as server:
        yield server


@pytest.fixture
def shop(database, server):
    shop = Shop(database, server)
    shop.sync()
    return shop


class TestTags:
    def test_given_a_tag_of_ours_when_the_record_is_gone_and_back_then_the_tag_is_there(
        self, database, shop
    ):
        edit(database, "tags = tags || 'vip'::text", 5)

        lost = shop.lose(5)
        assert shop.row()["tags"] == ["woocommerce", "vip", "deleted-in-woocommerce"]
        shop.server.store.put_customer(lost)
        shop.sync()

        assert shop.row()["tags"] == ["woocommerce", "vip"]

    def test_given_a_deletion_that_was_taken_back_when_the_record_changes_then_the_tag_is_there(
        self, database, shop
    ):
        edit(database, "tags = tags || 'vip'::text", 5)
        lost = dict(shop.server.store.customer(5))
        shop.server.store.delete_customer(5)
        deleting = shop.sync(2)

        take_back(database, deleting.queue)
        shop.server.store.put_customer(lost | {"first_name": "Zed"})
        shop.sync()

        assert (shop.row()["name"], shop.row()["tags"]) == ("Zed Number 5", ["woocommerce", "vip"])


@pytest.mark.parametrize("policy", ["archive", "delete"])
class TestEditedAndGone:
    def test_given_a_question_when_the_record_is_back_as_it_was_then_nobody_is_asked_any_more(
        self, database, server, policy
    ):
        shop = Shop(database, server, deletion_policy={"customers": policy})
        shop.sync()
        edit(database, "phone = 'HAND'", 5)
        lost = shop.lose(5)
        (asked,) = conflicts(database)
        assert asked["message"] == "to be deleted, but edited here: phone"

        server.store.put_customer(lost)
        shop.sync()

        (settled,) = conflicts(database, "resolved")
        assert settled["resolution"] == "the store has the record again"
        assert shop.row()["phone"] == "HAND"

    def test_given_a_decision_to_let_go_when_the_record_came_back_since_then_the_row_stays(
        self, database, server, policy
    ):
        shop = Shop(database, server, deletion_policy={"customers": policy})
        shop.sync()
        edit(database, "phone = 'HAND'", 5)
        shop.lose(5)
        # Shown by a window beside, between the question and the answer.
        with database.organization("acme") as conn:
            conn.execute("UPDATE sync_record SET absence_count = 0")

        shop.decide("source")

        assert shop.row()["phone"] == "HAND"
        assert conflicts(database) == []


class TestAnotherRole:
    def test_given_a_dispute_when_its_record_is_listed_no_more_then_the_question_stays(
        self, database, shop
    ):
        edit(database, "name = 'HAND'", 5)
        shop.change(5, first_name="Store")
        # Beside one that was never applied.
        shop.server.store.put_customer(customer(40, email="max@") | {"_links": {}})
        shop.sync()

        shop.change(5, role="subscriber")
        shop.sync(2)

        assert [one["external_id"] for one in conflicts(database)] == ["5", "40"]

    def test_given_many_of_another_role_when_all_are_deleted_at_once_then_a_person_is_asked(
        self, database, shop
    ):
        ids = range(1, 2 * ROLES + 1)
        for first in (1, ROLES + 1):
            for customer_id in range(first, first + ROLES):
                shop.change(customer_id, role="subscriber")
            shop.sync(2)
        for customer_id in ids:
            shop.server.store.delete_customer(customer_id)

        refused = shop.sync(2).queue

        standing = status(database, refused)
        assert (standing["state"], standing["deleted_count"]) == ("partial", 0)
        assert f"{2 * ROLES} of {CUSTOMERS_MADE} customers" in standing["action_required_reason"]
        assert row(database, "SELECT count(*) AS n FROM customer")["n"] == CUSTOMERS_MADE


class TestAnotherAccount:
    def test_given_a_row_that_was_taken_over_when_skipped_then_the_next_change_asks_again(
        self, database, shop
    ):
        shop.lose(5)
        edit(database, "phone = 'HAND'", 5)
        anew = customer(99, email="c5@example.test")
        anew["billing"] |= {"phone": "99"}
        shop.server.store.put_customer(anew | {"_links": {}})
        shop.sync()

        shop.decide("skip")
        shop.server.store.edit_customer(99, first_name="Changed")
        shop.sync()

        assert shop.row()["phone"] == "HAND"
        assert [one["external_id"] for one in conflicts(database)] == ["99"]

    def test_given_a_row_that_was_taken_over_when_ours_is_taken_then_later_edits_stay_too(
        self, database, shop
    ):
        shop.lose(5)
        edit(database, "phone = 'HAND'", 5)
        anew = customer(99, email="c5@example.test")
        anew["billing"] |= {"phone": "99"}
        shop.server.store.put_customer(anew | {"_links": {}})
        shop.sync()
        with database.organization("acme") as conn:
            conn.execute("UPDATE customer SET status = 'vip' WHERE email = 'c5@example.test'")

        shop.decide("target")

        assert (shop.row()["phone"], shop.row()["status"]) == ("HAND", "vip")
        assert rows(database, "SELECT FROM sync_conflict WHERE state = 'open'") == []
