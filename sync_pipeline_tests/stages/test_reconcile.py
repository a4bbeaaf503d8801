"""Reconcile: whether both sides agree, and where not."""

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue import actions
from sync_pipeline.queue.attention import needing_attention
from sync_pipeline.queue.filters import Filters
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert
from sync_pipeline.stages.verdict import judge
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    queue_settings,
    row,
    rows,
    run_sync,
    status,
    store,
)


def counts(**changes):
    nothing = dict.fromkeys(("n_theirs", "n_ours", "n_lost", "n_missing", "n_failed", "n_extra"), 0)
    return nothing | {"missing_ids": [], "extra_ids": [], "has_pages": True} | changes


def judged(*, is_complete=True, is_filtered=False, total=5, scanned=5, **changes):
    row = counts(**changes)
    return judge(
        row, total=total, scanned=scanned, is_complete=is_complete, is_filtered=is_filtered
    )


class TestJudge:
    def test_given_equal_sets_and_a_proof_then_both_sides_agree(self):
        verdict = judged(n_theirs=5, n_ours=5)

        assert (verdict.agree, verdict.in_words) == (True, "both sides agree: 5 records")

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"n_missing": 2, "missing_ids": ["1", "2"]}, "2 missing here"),
            ({"n_extra": 3, "extra_ids": ["7"]}, "3 no longer in the store"),
            ({"n_lost": 1}, "1 deleted here by hand"),
            ({"n_missing": 1, "n_extra": 1}, "1 missing here, 1 no longer in the store"),
        ],
    )
    def test_given_a_difference_then_it_is_said_in_words(self, changes, words):
        verdict = judged(**changes)

        assert verdict.agree is False
        assert verdict.in_words == f"both sides differ: {words}"

    @pytest.mark.parametrize("is_complete", [False, None])
    def test_given_no_proof_then_equal_sets_are_no_agreement(self, is_complete):
        assert judged(n_theirs=4, n_ours=4, is_complete=is_complete).agree is False

    def test_given_an_incomplete_scan_then_how_much_was_read(self):
        verdict = judged(is_complete=False, total=5, scanned=4)

        assert verdict.in_words == "both sides differ: 4 of 5 records were read"

    def test_given_a_scan_without_proof_then_the_words_still_say_why(self):
        assert judged(is_complete=None).in_words == (
            "both sides differ: nothing proves that all were read"
        )

    def test_given_pages_that_are_purged_then_nothing_is_said_about_either_side(self):
        verdict = judged(n_ours=9, n_extra=9, extra_ids=["1"], has_pages=False)

        assert (verdict.agree, verdict.extra, verdict.missing) == (None, 0, 0)
        assert verdict.in_words == "its pages are purged: the next sync compares both sides"

    def test_given_a_filter_then_nothing_is_said_about_the_rest(self):
        verdict = judged(n_extra=900, extra_ids=["1"], is_filtered=True, is_complete=None)

        assert (verdict.agree, verdict.extra, verdict.extra_ids) == (None, 0, ())
        assert "nothing to compare" in verdict.in_words


@pytest.fixture
def server():
    with DemoServer(store([customer(n) for n in range(1, 31)])) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url)


class TestReconcile:
    def test_given_a_sync_then_the_verdict_is_kept_with_the_queue_and_in_its_activity(
        self, database, shop, server
    ):
        sync = run_sync(database, shop, server)

        kept = row(database, "SELECT reconciliation FROM sync_queue_status")["reconciliation"]
        assert (kept["agree"], kept["total"], kept["scanned"], kept["distinct"]) == (
            True,
            30,
            30,
            30,
        )
        said = row(
            database,
            "SELECT status, message, details FROM sync_activity WHERE activity_type = 'reconciled'",
        )
        assert (said["status"], said["message"]) == ("success", sync.verdict.in_words)
        assert said["details"]["total"] == 30

    def test_given_a_failed_record_then_missing_and_known_to_have_failed(
        self, database, shop, server
    ):
        server.store.edit_customer(5, email="bad")

        verdict = run_sync(database, shop, server).verdict

        assert (verdict.agree, verdict.missing, verdict.failed) == (False, 1, 1)
        assert verdict.missing_ids == ("5",)

    def test_given_a_record_deleted_in_the_store_then_it_is_extra_here(
        self, database, shop, server
    ):
        run_sync(database, shop, server)
        server.store.delete_customer(5)

        verdict = run_sync(database, shop, server).verdict

        assert (verdict.agree, verdict.extra, verdict.extra_ids) == (False, 1, ("5",))

    def test_given_a_filtered_sync_after_a_whole_one_then_no_verdict(self, database, shop, server):
        run_sync(database, shop, server)

        assert run_sync(database, shop, server, filters=Filters(limit=3)).verdict.agree is None

    def test_given_more_than_twenty_missing_then_the_first_twenty_by_number(
        self, database, shop, server
    ):
        for n in range(1, 31):
            server.store.edit_customer(n, email="bad")

        verdict = run_sync(database, shop, server).verdict

        assert verdict.missing_ids == tuple(str(n) for n in range(1, 21))
        assert verdict.missing == 30

    def test_given_a_row_deleted_here_by_hand_then_it_is_said_and_the_next_sync_makes_it_again(
        self, database, shop, server
    ):
        run_sync(database, shop, server)
        with database.owner() as conn:
            conn.execute("DELETE FROM customer WHERE email = 'c5@example.test'")

        noticed = run_sync(database, shop, server)
        mended = run_sync(database, shop, server)

        assert (noticed.verdict.agree, noticed.verdict.lost) == (False, 1)
        assert mended.verdict.agree is True
        assert (mended.outcome.created, mended.outcome.failed) == (1, 0)
        assert len(rows(database, "SELECT * FROM customer")) == 30

    def test_given_a_swept_listing_then_the_sweep_counts_and_not_the_pages(
        self, database, shop, server
    ):
        server.faults = [Fault("delete_customer", path="/customers$", nth=1, record_id=5, times=1)]

        verdict = run_sync(
            database, shop, server, source_settings={"page_records": 10, "max_parallel_requests": 1}
        ).verdict

        assert verdict.agree is True

    def test_given_another_store_of_the_organization_then_its_records_are_not_counted(
        self, database, shop, server, org_id
    ):
        run_sync(database, shop, server)
        with DemoServer(store([customer(n) for n in range(500, 510)])) as second:
            other = make_connection(database, org_id, name="second", base_url=second.url)
            verdict = run_sync(database, other, second).verdict

        assert (verdict.agree, verdict.ours, verdict.extra) == (True, 10, 0)

    def test_given_a_verdict_when_reconciled_again_then_the_same_and_said_once(
        self, database, shop, server
    ):
        sync = run_sync(database, shop, server)

        assert reconcile(database, sync.queue, CUSTOMERS) == sync.verdict
        said = "SELECT count(*) AS n FROM sync_activity WHERE activity_type = 'reconciled'"
        assert row(database, said)["n"] == 1

    def test_given_pages_were_purged_when_reconciled_again_then_the_first_verdict_stays(
        self, database, shop, server
    ):
        sync = run_sync(database, shop, server)
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_page")

        assert reconcile(database, sync.queue, CUSTOMERS).is_purged

        kept = row(database, "SELECT reconciliation FROM sync_queue_status")["reconciliation"]
        assert (kept["agree"], kept["distinct"]) == (True, 30)

    def test_given_pages_were_purged_before_any_verdict_then_that_is_kept_and_said_once(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [customer(1)])
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_page")

        reconcile(database, queue, CUSTOMERS)
        reconcile(database, queue, CUSTOMERS)

        kept = row(database, "SELECT reconciliation FROM sync_queue_status")["reconciliation"]
        assert (kept["agree"], kept["is_purged"]) == (None, True)
        said = row(database, "SELECT message FROM sync_activity WHERE activity_type = 'reconciled'")
        assert "its pages are purged" in said["message"]

    @pytest.mark.parametrize("had_verdict", [True, False])
    def test_given_a_purged_queue_when_retried_then_one_run_is_asked_for_and_nothing_after_it(
        self, database, shop, had_verdict
    ):
        queue, _ = apply_records(database, shop, [customer(1), customer(2, email="bad")])
        if had_verdict:
            reconcile(database, queue, CUSTOMERS)
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_page")

        actions.retry(database, str(queue.id), by="ann")
        asked = needing_attention(database, ["customers"])
        upsert(database, queue, CUSTOMERS, queue_settings())
        reconcile(database, queue, CUSTOMERS)
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET finished_at = now() - interval '2 minutes'")

        assert [(one.queue_id, one.stage) for one in asked] == [(str(queue.id), "apply")]
        assert needing_attention(database, ["customers"]) == []

    def test_given_a_queue_with_its_pages_when_retried_then_both_sides_are_compared_again(
        self, database, shop
    ):
        queue, _ = apply_records(database, shop, [customer(1), customer(2, email="bad")])
        reconcile(database, queue, CUSTOMERS)

        actions.retry(database, str(queue.id), by="ann")

        found = status(database, queue)
        assert (found["reconciliation"], found["certificate"]) == (None, None)

    def test_given_an_empty_store_then_both_sides_agree(self, database, org_id):
        with DemoServer(store([])) as empty:
            shop = make_connection(database, org_id, base_url=empty.url)

            verdict = run_sync(database, shop, empty).verdict

        assert (verdict.agree, verdict.is_purged, verdict.ours) == (True, False, 0)
