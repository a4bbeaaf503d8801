"""The certificate of a sync: what it proves, what it does not, and why."""

from dataclasses import replace

import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline.entities import CUSTOMERS, ORDERS
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import begin
from sync_pipeline.stages.digests import Digest
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    end_extract,
    full_order,
    land_records,
    make_connection,
    make_queue,
    queue_settings,
    row,
    rows,
    run_sync,
    status,
    store,
)

SAID = "SELECT status, message, details FROM sync_activity WHERE activity_type = 'certificate'"


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


def certified(database, queue, entity=CUSTOMERS):
    """The certificate of a queue whose lines are applied."""
    reconcile(database, queue, entity)
    return status(database, queue)["certificate"]


def digest_of_ours(database):
    return Digest.of(
        (one["external_id"], str(one["content_hash"]))
        for one in rows(
            database,
            "SELECT external_id, content_hash FROM sync_record WHERE tombstoned_at IS NULL",
        )
    )


class TestWhole:
    def test_given_a_sync_then_its_numbers_and_one_digest_of_both_sides(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(n) for n in range(1, 9)])

        made = certified(database, queue)

        assert (made["scope"], made["holds"], made["is_explained"]) == ("whole", True, True)
        assert (made["source_total"], made["scanned"], made["distinct"]) == (8, 8, 8)
        assert (made["created"], made["updated"], made["unchanged"], made["failed"]) == (8, 0, 0, 0)
        assert made["theirs_digest"] == made["ours_digest"] == str(digest_of_ours(database))
        assert made["theirs_count"] == made["ours_count"] == 8

    def test_given_a_sync_then_its_activity_says_it_once(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(1)])

        made = certified(database, queue)
        certified(database, queue)

        said = row(database, SAID)
        assert (said["status"], said["message"]) == ("success", made["verdict"])
        assert said["details"] == made

    def test_given_the_same_store_again_then_the_same_digest(self, database, shop):
        first, _ = apply_records(database, shop, [customer(n) for n in range(1, 9)])
        before = certified(database, first)
        second, _ = apply_records(database, shop, [customer(n) for n in range(8, 0, -1)])

        made = certified(database, second)

        assert (made["unchanged"], made["created"]) == (8, 0)
        assert made["theirs_digest"] == before["theirs_digest"]

    def test_given_a_record_that_failed_then_it_does_not_hold_and_says_why(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(1), customer(2, email="bad")])

        made = certified(database, queue)

        assert (made["holds"], made["is_explained"]) == (False, True)
        assert made["differences"] == {"missing": {"failed": 1}}
        assert "1 missing here (failed, with a reason)" in made["verdict"]
        assert made["conflicted"] == 1

    def test_given_content_that_is_not_what_was_applied_then_nobody_knows_why(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(n) for n in range(1, 9)])
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_record SET content_hash = gen_random_uuid() WHERE external_id = '3'"
            )

        made = certified(database, queue)

        assert (made["holds"], made["is_explained"]) == (False, False)
        assert made["differences"] == {"changed": {"unknown": 1}}
        assert made["theirs_digest"] != made["ours_digest"]
        assert row(database, SAID)["status"] == "error"

    def test_given_a_record_that_left_the_store_then_it_is_gone_there(self, database, shop):
        apply_records(database, shop, [customer(1), customer(2)])
        queue, _ = apply_records(database, shop, [customer(1)])

        made = certified(database, queue)

        assert (made["holds"], made["is_explained"]) == (False, True)
        assert made["differences"] == {"extra": {"gone": 1}}
        assert (made["theirs_count"], made["ours_count"]) == (1, 2)

    def test_given_a_row_deleted_here_by_hand_then_that_is_the_reason(self, database, shop):
        apply_records(database, shop, [customer(1), customer(2)])
        queue, _ = apply_records(database, shop, [customer(1), customer(2)])
        with database.owner() as conn:
            conn.execute("DELETE FROM customer WHERE email = 'c2@example.test'")

        made = certified(database, queue)

        assert (made["holds"], made["differences"]) == (False, {"changed": {"lost": 1}})

    def test_given_a_record_that_landed_twice_then_it_counts_once(self, database, shop):
        queue = make_queue(database, shop)
        land_records(database, queue, "customers", [customer(1), customer(2)])
        land_records(database, queue, "customers", [customer(2), customer(3)], offset=2)
        land_records(database, queue, "orders", [])
        end_extract(database, queue, scanned=3)
        enqueue(database, queue, CUSTOMERS)
        upsert(database, queue, CUSTOMERS, queue_settings())

        made = certified(database, queue)

        assert (made["theirs_count"], made["holds"]) == (3, True)

    def test_given_a_later_sync_that_applied_a_record_then_it_is_not_compared(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(1), customer(2)])
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_record SET content_hash = gen_random_uuid(), applied_at = now(),"
                " applied_queue_no = 900 WHERE external_id = '2'"
            )

        made = certified(database, queue)

        assert (made["holds"], made["set_aside"], made["theirs_count"]) == (True, {"later": 1}, 1)

    def test_given_another_version_of_the_mapping_by_then_then_like_is_compared_with_like(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [customer(1), customer(2)])
        newer = replace(CUSTOMERS, projection=ORDERS.projection)

        assert certified(database, queue, newer)["holds"] is True

    def test_given_pages_that_are_purged_then_what_was_proven_stays(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(1)])
        made = certified(database, queue)
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_page")

        assert certified(database, queue) == made

    def test_given_purged_pages_and_no_certificate_then_nothing_is_proven(self, database, shop):
        queue, _ = apply_records(database, shop, [customer(1)])
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_page")

        made = certified(database, queue)

        assert (made["scope"], made["holds"], made["theirs_count"]) == ("purged", None, 0)
        assert made["verdict"].startswith("proves nothing: ")


class TestDrift:
    @pytest.mark.parametrize(("is_full", "drifted"), [(True, 1), (False, None)])
    def test_given_a_row_changed_by_hand_then_only_a_full_sync_looks_for_it(
        self, database, shop, is_full, drifted
    ):
        records = [customer(n) for n in range(1, 4)]
        apply_records(database, shop, records)
        with database.owner() as conn:
            conn.execute("UPDATE customer SET company = 'Mine' WHERE email = 'c2@example.test'")
        queue, _ = open_queue(
            database, shop, "customers", settings=queue_settings(), is_full=is_full
        )
        begin(database, queue, run_id=None)
        land_records(database, queue, "customers", records)
        land_records(database, queue, "orders", [])
        end_extract(database, queue, scanned=3)
        enqueue(database, queue, CUSTOMERS)
        upsert(database, queue, CUSTOMERS, queue_settings())

        made = certified(database, queue)

        assert (made["drifted"], made["holds"]) == (drifted, True)


class TestParts:
    @pytest.fixture
    def server(self):
        records = [full_order(n) for n in range(1, 21)]
        with DemoServer(store([customer(n) for n in range(1, 11)], records)) as running:
            yield running

    def test_given_a_filter_then_it_proves_nothing_about_the_whole(self, database, org_id, server):
        shop = make_connection(database, org_id, base_url=server.url)

        sync = run_sync(database, shop, server, filters=Filters(limit=3))

        made = status(database, sync.queue)["certificate"]
        assert (made["scope"], made["holds"], made["theirs_count"]) == ("part", None, 3)
        assert made["verdict"].startswith("proves nothing about the whole")

    def test_given_changes_then_those_by_digest_and_the_rest_by_count(
        self, database, org_id, server
    ):
        shop = make_connection(database, org_id, base_url=server.url)
        run_sync(database, shop, server, entity=ORDERS)
        server.store.edit_order(4, status="completed")

        sync = run_sync(database, shop, server, entity=ORDERS)

        made = status(database, sync.queue)["certificate"]
        assert (made["scope"], made["holds"], made["updated"]) == ("changes", True, 1)
        assert made["verdict"].endswith("the rest of 20 by count")

    def test_given_orders_that_came_in_meanwhile_then_their_customers_are_not_compared(
        self, database, org_id, server
    ):
        shop = make_connection(database, org_id, base_url=server.url)
        run_sync(database, shop, server)
        sync = run_sync(database, shop, server)
        server.store.edit_order(4, customer_id=3)

        run_sync(database, shop, server, entity=ORDERS)

        made = certified(database, sync.queue)
        assert (made["holds"], made["set_aside"]) == (True, {"figures moved": 1})
