"""What change lines do: instructions about rows of ours, each with what must stand there before."""

from uuid import uuid4

import pytest
from psycopg import errors
from psycopg.types.json import Jsonb

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_beside
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    queue_settings,
    row,
    rows,
    status,
)

NO_HASH = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def change(database, shop):
    """Apply instructions, one a record, as a queue of their own."""

    def changed(**instructions):
        settings = queue_settings()
        with database.organization("acme") as conn:
            queue, _ = open_beside(
                conn, shop, "customers", filters=Filters(resolves=True), settings=settings,
                created_by="tester",
            )  # fmt: skip
            for number, (external_id, one) in enumerate(instructions.items(), start=1):
                conn.execute(
                    "INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash,"
                    " payload) VALUES (%s, %s, 'acme', %s, %s, %s)",
                    [queue.queue_no, number, external_id[1:], NO_HASH, Jsonb({"_change": one})],
                )
            conn.execute(
                statement("enqueue/batches"),
                {"queue_no": queue.queue_no, "org_id": "acme", "batch_size": 2},
            )
            conn.execute(
                "UPDATE sync_batch SET operation = 'change' WHERE queue_no = %s", [queue.queue_no]
            )
        upsert(database, queue, CUSTOMERS, settings)
        return queue

    return changed


def record(database, customer_id=1):
    return row(database, "SELECT * FROM sync_record WHERE external_id = %s", str(customer_id))


def ours(database):
    # As one value: a plan that is kept for a connection must not change its columns.
    found = rows(database, "SELECT to_jsonb(c) AS contents FROM customer AS c ORDER BY email")
    return [one["contents"] for one in found]


def audit(database, queue):
    return rows(
        database,
        "SELECT activity_type, before, after, details FROM sync_activity"
        " WHERE queue_no = %s AND line_no IS NOT NULL ORDER BY line_no",
        queue.queue_no,
    )


def instruction(database, action, customer_id=1, **parts):
    local_id = str(record(database, customer_id)["local_id"])
    return {"action": action, "local_id": local_id, "by": "Mia", "why": "asked for", **parts}


class TestUpdate:
    def test_given_what_was_expected_then_it_is_written_and_audited(self, database, shop, change):
        apply_records(database, shop, [customer(1)])

        queue = change(
            _1=instruction(
                database, "update", expect={"name": "Ann Number 1"}, values={"name": "Anna"},
                base={"name": "Eve"}, is_whole=True,
            )
        )  # fmt: skip

        assert ours(database)[0]["name"] == "Anna"
        assert record(database)["base"]["name"] == "Eve"
        (told,) = audit(database, queue)
        assert (told["before"], told["after"]) == ({"name": "Ann Number 1"}, {"name": "Anna"})
        assert told["details"]["by"] == "Mia"
        assert status(database, queue)["state"] == "done"

    def test_given_a_row_that_moved_when_it_is_all_or_nothing_then_nothing_is_written(
        self, database, shop, change
    ):
        apply_records(database, shop, [customer(1)])

        queue = change(
            _1=instruction(
                database, "update", is_whole=True,
                expect={"name": "Somebody", "phone": None}, values={"name": "Anna", "phone": "1"},
            )
        )  # fmt: skip

        assert (ours(database)[0]["name"], ours(database)[0]["phone"]) == ("Ann Number 1", None)
        assert rows(database, "SELECT error_code FROM sync_line WHERE state = 'failed'") == [
            {"error_code": "change.moved"}
        ]
        assert status(database, queue)["state"] == "failed"

    def test_given_a_field_that_moved_when_the_rest_may_go_then_that_field_is_a_conflict(
        self, database, shop, change
    ):
        apply_records(database, shop, [customer(1)])

        queue = change(
            _1=instruction(
                database, "update",
                expect={"name": "Somebody", "phone": None}, values={"name": "Anna", "phone": "1"},
                base={"name": "Anna", "phone": "1"},
            )
        )  # fmt: skip

        assert (ours(database)[0]["name"], ours(database)[0]["phone"]) == ("Ann Number 1", "1")
        (conflict,) = rows(database, "SELECT * FROM sync_conflict")
        assert conflict["details"]["fields"] == {
            "name": {"base": "Somebody", "ours": "Ann Number 1", "theirs": "Anna"}
        }
        base = record(database)["base"]
        assert (base["name"], base["phone"]) == ("Ann Number 1", "1")
        assert status(database, queue)["failed_count"] == 1

    def test_given_the_same_change_twice_then_the_second_finds_it_done(
        self, database, shop, change
    ):
        apply_records(database, shop, [customer(1)])
        wanted = {"expect": {"name": "Ann Number 1"}, "values": {"name": "Anna"}, "is_whole": True}
        change(_1=instruction(database, "update", **wanted))

        queue = change(_1=instruction(database, "update", **wanted))

        assert status(database, queue)["unchanged_count"] == 1


class TestDelete:
    @pytest.mark.parametrize("policy", ["keep", "archive", "delete"])
    def test_given_a_policy_then_the_row_stays_marked_or_goes(self, database, shop, change, policy):
        apply_records(database, shop, [customer(1), customer(2)])

        queue = change(
            _1=instruction(
                database, "delete", policy=policy, expect={"name": "Ann Number 1"},
                values={"status": "gone"}, tombstone="deleted",
            )
        )  # fmt: skip

        left = [(one["email"], one["status"]) for one in ours(database)]
        kept = [("c1@example.test", "gone")] if policy == "keep" else []
        assert left == [*kept, ("c2@example.test", "prospect")]
        archived = rows(database, "SELECT contents ->> 'email' AS email FROM sync_archive")
        assert archived == ([{"email": "c1@example.test"}] if policy == "archive" else [])
        assert record(database)["tombstone_reason"] == "deleted"
        assert status(database, queue)["deleted_count"] == 1
        (told,) = audit(database, queue)
        assert told["activity_type"] == "record_deleted"
        assert told["before"]["email"] == "c1@example.test"

    def test_given_an_edit_here_then_it_is_disputed_and_not_lost(self, database, shop, change):
        apply_records(database, shop, [customer(1)])

        change(
            _1=instruction(
                database, "delete", policy="delete", expect={"name": "Not that"},
                tombstone="deleted",
            )
        )  # fmt: skip

        assert len(ours(database)) == 1
        assert record(database)["tombstoned_at"] is None
        (conflict,) = rows(database, "SELECT * FROM sync_conflict")
        assert conflict["details"]["code"] == "conflict.edited_here"


class TestCreate:
    def test_given_a_row_that_went_then_it_is_back_under_its_key_with_columns_of_the_companys_own(
        self, database, shop, change
    ):
        apply_records(database, shop, [customer(1)])
        with database.owner() as conn:
            conn.execute(
                "ALTER TABLE customer ADD COLUMN IF NOT EXISTS loyalty_points integer,"
                " ADD COLUMN IF NOT EXISTS number bigint GENERATED ALWAYS AS IDENTITY"
            )
        with database.organization("acme") as conn:
            conn.execute("UPDATE customer SET loyalty_points = 7")
        before = ours(database)
        queue = change(
            _1=instruction(database, "delete", policy="archive", tombstone="reverted", expect={})
        )
        contents = audit(database, queue)[0]["before"]

        change(_1=instruction(database, "create", values=contents))

        assert ours(database) == before
        assert record(database)["tombstoned_at"] is None
        assert row(database, "SELECT restored_at IS NOT NULL AS yes FROM sync_archive")["yes"]

    def test_given_a_row_of_another_organization_or_no_table_then_nothing_is_put_back(
        self, database, shop
    ):
        put_back = (
            "SELECT sync_restore_rows(%s, jsonb_build_array(to_jsonb(c) || %s)) FROM customer c"
        )
        apply_records(database, shop, [customer(1)])
        other = {"id": str(uuid4()), "email": "other@example.test", "org_id": "globex"}

        for target, refusal in (
            ("customer", errors.InsufficientPrivilege),
            ("customer; DROP TABLE customer", errors.SyntaxError),
        ):
            with pytest.raises(refusal), database.organization("acme") as conn:
                conn.execute(put_back, [target, Jsonb(other)])
        assert len(ours(database)) == 1


class TestConflict:
    def test_given_a_decision_then_the_conflict_says_who_and_why(self, database, shop, change):
        apply_records(database, shop, [customer(1)])
        with database.organization("acme") as conn:
            conn.execute("UPDATE customer SET name = 'Anna'")
        apply_records(database, shop, [customer(1, first_name="Eve")])
        (conflict,) = rows(database, "SELECT * FROM sync_conflict")

        change(
            _1=instruction(
                database, "update", conflict_no=conflict["conflict_no"], is_whole=True,
                expect={"name": "Anna"}, values={"name": "Eve Number 1"},
                **conflict["details"]["settles"],
            )
        )  # fmt: skip
        queue, _ = apply_records(database, shop, [customer(1, first_name="Eve")])

        (conflict,) = rows(database, "SELECT * FROM sync_conflict")
        assert (conflict["state"], conflict["resolved_by"]) == ("resolved", "Mia")
        assert ours(database)[0]["name"] == "Eve Number 1"
        assert status(database, queue)["total_count"] == 0
