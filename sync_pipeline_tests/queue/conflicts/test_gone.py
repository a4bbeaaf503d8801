"""Deciding about records that are gone there and were edited here, and about what an undo left."""

import pytest
from psycopg.types.json import Jsonb

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.conflicts import one_of, show_conflict
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_beside
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import queue_settings, row, rows
from sync_pipeline_tests.queue.conflicts.conftest import conflicts, ours, record

NO_HASH = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def instruct(database, shop):
    """Apply one instruction about customer 1, as a deletion or an undo makes it."""

    def instructed(**parts):
        settings = queue_settings()
        known = row(database, "SELECT local_id FROM sync_record")
        change = {"local_id": str(known["local_id"]), "is_whole": False, "by": "sync", **parts}
        with database.organization("acme") as conn:
            queue, _ = open_beside(
                conn, shop, "customers", filters=Filters(resolves=True), settings=settings,
                created_by="tester",
            )  # fmt: skip
            conn.execute(
                "INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash,"
                " payload) VALUES (%s, 1, 'acme', '1', %s, %s)",
                [queue.queue_no, NO_HASH, Jsonb({"_change": change})],
            )
            conn.execute(
                statement("enqueue/batches"),
                {"queue_no": queue.queue_no, "org_id": "acme", "batch_size": 2},
            )
        upsert(database, queue, CUSTOMERS, settings)

    return instructed


@pytest.fixture
def gone(database, sync, edit, instruct):
    """Customer 1 was deleted there after somebody edited its phone here."""
    sync(record(phone="1"))
    edit(phone="here")
    with database.organization("acme") as conn:
        conn.execute("UPDATE sync_record SET absence_count = 2")
    instruct(action="delete", policy="archive", tombstone="deleted", expect={"phone": "1"})


def tombstone(database):
    return row(database, "SELECT tombstone_reason FROM sync_record")["tombstone_reason"]


class TestDeletion:
    def test_given_the_store_is_right_then_our_row_goes_by_the_policy(self, database, gone, decide):
        shown = show_conflict(database, str(conflicts(database)[0]["id"]))
        _, (changed,) = decide("source", version=shown.conflict.version)

        assert shown.is_deletion
        assert [(one.name, one.ours, one.is_disputed) for one in shown.sides] == [
            ("phone", "here", True)
        ]
        assert (changed.state, tombstone(database)) == ("done", "deleted")
        assert rows(database, "SELECT FROM customer") == []
        archived = row(database, "SELECT contents ->> 'phone' AS phone FROM sync_archive")
        assert archived["phone"] == "here"

    def test_given_we_are_right_then_our_row_stays_and_nobody_asks_again(
        self, database, gone, decide
    ):
        decide("target")

        assert (ours(database)["phone"], tombstone(database)) == ("here", "deleted")
        assert conflicts(database) == []

    def test_given_ours_was_kept_when_the_record_comes_back_then_it_finds_its_row(
        self, database, gone, decide, sync
    ):
        decide("target")

        sync(record(phone="1", company="Back"))

        assert (ours(database)["phone"], ours(database)["company"]) == ("here", "Back")
        assert tombstone(database) is None

    def test_when_skipped_then_the_record_is_as_it_was(self, database, gone, decide):
        decide("skip")

        assert (ours(database)["phone"], tombstone(database)) == ("here", None)
        assert len(conflicts(database, "skipped")) == 1

    def test_given_a_record_that_is_gone_then_it_has_no_fields_to_choose_from(
        self, database, gone, decide
    ):
        resolving, _ = decide("fields", fields=("phone",))

        assert (resolving.n_left, resolving.queue_ids) == (1, ())
        assert len(conflicts(database)) == 1

    def test_given_another_edit_here_since_then_the_newest_row_is_what_is_decided_about(
        self, database, gone, decide, edit
    ):
        edit(phone="here again")

        decide("source")

        archived = row(database, "SELECT contents ->> 'phone' AS phone FROM sync_archive")
        assert archived["phone"] == "here again"


class TestUndo:
    @pytest.fixture
    def left(self, sync, edit, instruct):
        """An undo wants phone 1 and company Old; somebody changed the phone since."""
        sync(record(phone="2", company="New"))
        edit(phone="here")
        instruct(
            action="update",
            expect={"phone": "2", "company": "New"},
            values={"phone": "1", "company": "Old"},
            base={"phone": "1", "company": "Old"},
        )

    @pytest.mark.parametrize(("verb", "phone"), [("source", "1"), ("target", "here")])
    def test_given_a_field_that_moved_then_its_former_value_or_the_edit_is_taken(
        self, database, left, decide, edit, verb, phone
    ):
        edit(status="vip")  # somebody works on

        _, (changed,) = decide(verb, one_of([conflicts(database)[0]["id"]]))

        assert changed.state == "done"
        only = ours(database)
        assert (only["phone"], only["company"], only["status"]) == (phone, "Old", "vip")
        assert conflicts(database) == []
