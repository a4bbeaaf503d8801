"""What is listed no more: when that is believed, what is asked, and what becomes of our rows."""

from types import SimpleNamespace

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.entities.deletion import Deletion, policy_of
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.errors import InputError, SyncError
from sync_pipeline.queue.filters import Filters
from sync_pipeline.stages.believing import (
    Absence,
    believed_at_most,
    counts_absences,
    limit_percent_of,
    refusal,
)
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline_tests.factories import (
    customer,
    make_connection,
    open_store,
    quick_source_settings,
    row,
    rows,
    run_sync,
    status,
    store,
)

WHOLE = Coverage(scanned=30, total=30, is_complete=True)


def queue_of(**filters):
    return SimpleNamespace(filters=Filters(**filters), connection="shop", entity="customers")


class TestDecisions:
    """Pure: when a reading may tell, how much of it is believed, what an answer means."""

    @pytest.mark.parametrize(
        ("known", "limit_percent", "most"),
        [(1000, 5, 50), (1028, 5, 51), (20, 5, 5), (3, 5, 5), (1000, 0, 0), (1000, 100, 1000)],
    )
    def test_given_a_limit_then_a_share_and_a_few_in_any_case(self, known, limit_percent, most):
        assert believed_at_most(known, limit_percent) == most

    def test_given_too_many_missing_then_the_reason_says_how_many_and_what_to_do(self):
        absence = Absence(1028, 617, limit_percent=5, is_believed=False)

        assert refusal(queue_of(), CUSTOMERS, absence) == (
            "617 of 1,028 customers are missing from the store's answer (60 %), more than "
            "deletion_limit_percent = 5: nothing was deleted, what is there was applied. Look at "
            "the store; if they are really gone, allow it once: sync-pipeline sync shop --entity "
            "customers --deletion-limit-percent 100"
        )

    @pytest.mark.parametrize(
        "reading",
        [
            Coverage(scanned=30, total=30, is_complete=False),
            Coverage(scanned=30, total=30, is_complete=None),
            Coverage(scanned=3, total=3, is_complete=True, store_total=30),
        ],
    )
    def test_given_a_part_or_no_proof_then_nobody_is_absent(self, reading):
        assert counts_absences(queue_of(), WHOLE)
        assert not counts_absences(queue_of(), reading)

    @pytest.mark.parametrize(
        "filters",
        [{"limit": 3}, {"external_id": "5"}, {"replay": True}, {"resolves": True}],
    )
    def test_given_no_whole_sync_then_nobody_is_absent(self, filters):
        assert not counts_absences(queue_of(**filters), WHOLE)

    def test_given_a_limit_of_this_sync_then_it_goes_before_the_connections_and_the_usual_one(self):
        settings = quick_source_settings(deletion_limit_percent=7)
        plain, own = (
            SimpleNamespace(options={}),
            SimpleNamespace(name="shop", options={"deletion_limit_percent": 9}),
        )

        assert limit_percent_of(queue_of(), plain, settings) == 7
        assert limit_percent_of(queue_of(), own, settings) == 9
        assert limit_percent_of(queue_of(deletion_limit_percent=100), own, settings) == 100
        with pytest.raises(InputError):
            limit_percent_of(
                queue_of(),
                SimpleNamespace(name="shop", options={"deletion_limit_percent": "much"}),
                settings,
            )

    @pytest.mark.parametrize(
        ("record", "meaning"),
        [
            (None, ("deleted", "")),
            ({"id": 1, "status": "trash"}, ("trashed", "trash")),
            ({"id": 1, "status": "publish"}, ("elsewhere", "publish")),
            ({"id": 1}, ("elsewhere", "")),
        ],
    )
    def test_given_an_answer_then_only_the_stores_no_is_a_deletion(self, record, meaning):
        assert Deletion().meaning(record) == meaning

    def test_given_a_policy_that_is_none_then_it_is_refused(self):
        assert policy_of("archive") == "archive"
        with pytest.raises(InputError):
            policy_of("burn")


@pytest.fixture
def server():
    with DemoServer(store([customer(n) for n in range(1, 31)])) as running:
        yield running


@pytest.fixture
def shop(database, org_id, server):
    return make_connection(database, org_id, base_url=server.url)


@pytest.fixture
def synced(database, shop, server):
    """A store that was read once; how to sync it again, and what that asked."""
    run_sync(database, shop, server)

    def again(connection=shop, **options):
        server.log.clear()
        return run_sync(database, connection, server, **options)

    return again


def asked_alone(server):
    """Ids that were asked for one by one."""
    paths = (entry.path for entry in server.requests)
    return sorted(path.rpartition("/")[2] for path in paths if path[-1].isdigit())


def record_of(database, external_id):
    return row(
        database,
        "SELECT absence_count, elsewhere_as, tombstone_reason, local_id FROM sync_record"
        " WHERE external_id = %s",
        external_id,
    )


def row_of(database, external_id):
    """Our row of a record, live or not; None: there is none."""
    found = rows(
        database,
        "SELECT c.* FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id"
        " WHERE r.external_id = %s",
        external_id,
    )
    return found[0] if found else None


class TestTwoLooks:
    """Absent twice in a row, and the store says so: then, and not before."""

    def test_given_one_deleted_then_it_is_counted_asked_for_and_marked_in_that_order(
        self, database, server, synced
    ):
        server.store.delete_customer(5)

        first = synced()
        assert (asked_alone(server), record_of(database, "5")["absence_count"]) == ([], 1)
        assert (first.verdict.agree, first.verdict.waiting) == (False, 1)
        assert status(database, first.queue)["deleted_count"] == 0

        second = synced()
        assert asked_alone(server) == ["5"]
        assert record_of(database, "5")["tombstone_reason"] == "deleted"
        assert "deleted-in-woocommerce" in row_of(database, "5")["tags"]
        counters = status(database, second.queue)
        assert (counters["deleted_count"], counters["unchanged_count"]) == (1, 29)
        assert second.verdict.in_words == "both sides agree: 29 records; 1 were taken for deleted"

        third = synced()
        assert (asked_alone(server), third.enqueued.lines, third.verdict.agree) == ([], 0, True)

    def test_given_it_is_back_between_two_looks_then_it_was_absent_once_again(
        self, database, server, synced
    ):
        gone = server.store.customer(5)
        for is_there in (False, True, False):
            if is_there:
                server.store.put_customer(gone)
            else:
                server.store.delete_customer(5)
            synced()

        assert record_of(database, "5")["absence_count"] == 1
        assert record_of(database, "5")["tombstone_reason"] is None

    def test_given_another_role_then_it_is_no_deletion_and_is_told(self, database, server, synced):
        server.store.edit_customer(5, role="subscriber")
        synced()

        told = synced()

        kept = record_of(database, "5")
        assert (kept["elsewhere_as"], kept["absence_count"]) == ("subscriber", 0)
        assert (asked_alone(server), told.verdict.agree, told.verdict.elsewhere) == ([], True, 1)
        said = row(
            database,
            "SELECT message FROM sync_activity WHERE activity_type = 'absences_found'"
            " AND queue_no = %s",
            told.queue.queue_no,
        )
        assert said["message"] == ("1 there, but not listed: they have another role or status now")
        server.store.edit_customer(5, role="customer")
        assert synced().verdict.in_words == "both sides agree: 30 records"
        assert record_of(database, "5")["elsewhere_as"] is None

    def test_given_a_record_that_cannot_be_served_then_it_stays(self, database, server, synced):
        with database.owner() as conn:
            conn.execute(
                "UPDATE customer SET tags = tags || '{deleted-in-woocommerce}'"
                " WHERE email = 'c6@example.test'"
            )
        server.store.delete_customer(5)
        server.store.delete_customer(6)
        synced()
        server.faults = [Fault("server_error", path="/customers/5$")]

        synced(source_settings={"max_attempts": 2})

        assert record_of(database, "5")["tombstone_reason"] is None
        assert record_of(database, "6")["tombstone_reason"] == "deleted"
        # Somebody had marked it by hand before.
        assert row_of(database, "6")["tags"].count("deleted-in-woocommerce") == 1
        server.faults = []
        synced()
        assert record_of(database, "5")["tombstone_reason"] == "deleted"

    def test_given_answers_that_are_not_the_stores_no_then_the_extract_stops_and_goes_on(
        self, database, server, synced
    ):
        server.store.delete_customer(5)
        server.store.delete_customer(6)
        synced()
        for action, values in (("no_route", {}), ("captcha", {"status": 403}), ("unavailable", {})):
            server.faults = [Fault(action, path="/customers/6$", **values)]

            with pytest.raises(SyncError):
                synced(source_settings={"max_attempts": 1})

            assert record_of(database, "6")["absence_count"] == 2
            assert rows(database, "SELECT FROM sync_record WHERE tombstoned_at IS NOT NULL") == []
        server.faults = []
        assert synced().verdict.tombstoned == 2


class TestLimit:
    def test_given_most_are_missing_then_nothing_is_counted_until_a_person_allows_it(
        self, database, server, synced
    ):
        for customer_id in range(1, 19):
            server.store.customers.remove(customer_id)
        server.store.edit_customer(30, last_name="Present")

        refused = synced()

        counters = status(database, refused.queue)
        assert (counters["state"], counters["is_action_required"]) == ("partial", True)
        assert counters["action_required_reason"].startswith(
            "18 of 30 customers are missing from the store's answer (60 %), more than "
            "deletion_limit_percent = 5: nothing was deleted"
        )
        assert refused.verdict.in_words == (
            "both sides differ: 18 no longer in the store, more is missing than is believed at once"
        )
        assert rows(database, "SELECT FROM sync_record WHERE absence_count > 0") == []
        assert row_of(database, "30")["name"] == "Ann Present"

        allowed = Filters(deletion_limit_percent=100)
        first, second = synced(filters=allowed), synced(filters=allowed)

        assert (first.verdict.waiting, second.verdict.tombstoned) == (18, 18)
        assert status(database, second.queue)["state"] == "done"
        said = rows(
            database,
            "SELECT message FROM sync_activity WHERE activity_type = 'deletion_limit_set'",
        )
        assert {one["message"] for one in said} == {
            "sync-pipeline allows that 100 % of customers are gone"
        }


class TestPolicies:
    def test_given_archive_then_whole_rows_go_and_one_that_was_edited_here_is_for_a_person(
        self, database, org_id, server, synced
    ):
        before = row_of(database, "6")
        strict = make_connection(
            database,
            org_id,
            base_url=server.url,
            options={"deletion_policy": {"customers": "archive"}},
        )
        with database.owner() as conn:
            conn.execute("UPDATE customer SET phone = '030 1' WHERE email = 'c5@example.test'")
        server.store.delete_customer(5)
        server.store.delete_customer(6)

        synced(strict)
        decided = synced(strict)

        assert (row_of(database, "5")["phone"], row_of(database, "6")) == ("030 1", None)
        kept = row(database, "SELECT local_id, contents FROM sync_archive")
        assert (kept["local_id"], kept["contents"]["email"]) == (before["id"], "c6@example.test")
        found = row(database, "SELECT conflict_type, external_id, details FROM sync_conflict")
        assert (found["conflict_type"], found["external_id"]) == ("DataMismatch", "5")
        assert found["details"]["fields"].keys() == {"phone"}
        assert status(database, decided.queue)["state"] == "partial"


class TestWhatIsNoDeletion:
    def test_given_two_accounts_made_one_then_the_other_takes_the_row_over(
        self, database, server, synced
    ):
        before = row_of(database, "5")
        server.store.customers.remove(5)
        server.store.put_customer(customer(31, email="C5@example.test") | {"_links": {}})

        synced(max_retries=0)
        merged = synced()

        assert record_of(database, "5")["tombstone_reason"] == "merged"
        assert merged.verdict.agree
        assert row_of(database, "31")["id"] == before["id"]
        assert "deleted-in-woocommerce" not in row_of(database, "31")["tags"]

    def test_given_an_account_made_anew_and_one_back_with_a_new_address_then_both_find_their_rows(
        self, database, server, synced
    ):
        before, moved, back = (
            row_of(database, "5"),
            row_of(database, "6"),
            server.store.customer(6),
        )
        server.store.delete_customer(5)
        server.store.delete_customer(6)
        synced(), synced()

        server.store.put_customer(customer(31, email="c5@example.test") | {"_links": {}})
        server.store.put_customer(back | {"email": "new@example.test"})
        again = synced()

        now = row_of(database, "31")
        assert (now["id"], now["tags"]) == (before["id"], before["tags"])
        assert record_of(database, "5")["tombstone_reason"] == "deleted"
        now = row_of(database, "6")
        assert (now["id"], now["email"]) == (moved["id"], "new@example.test")
        assert "deleted-in-woocommerce" not in now["tags"]
        assert record_of(database, "6")["tombstone_reason"] is None
        assert again.verdict.in_words == "both sides agree: 30 records"


def test_given_the_source_then_one_record_is_read_and_a_missing_one_is_none(server):
    listing = CUSTOMERS.listing
    with open_store(server) as source:
        assert source.read_one(listing, "5")["email"] == "c5@example.test"
        assert source.read_one(listing, "99") is None
