"""What each decision makes of both sides, and what no decision does."""

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.errors import InputError
from sync_pipeline.queue.conflicts import (
    Chosen,
    ConflictMovedError,
    Decision,
    DecisionUnfitError,
    ValueInvalidError,
    list_conflicts,
    one_of,
    resolve,
    show_conflict,
)
from sync_pipeline.queue.story.gathering import gather
from sync_pipeline.queue.story.reasons import reasons
from sync_pipeline.stages.changes import apply_changes
from sync_pipeline_tests.factories import customer, queue_settings, row, rows, status
from sync_pipeline_tests.queue.conflicts.conftest import conflicts, ours, record


def known(database, customer_id=1):
    return row(database, "SELECT * FROM sync_record WHERE external_id = %s", str(customer_id))


def told(database, customer_id=1):
    only = ours(database, customer_id)
    return only["phone"], only["company"], only["status"]


DECISIONS = {
    1: (Decision("source"), "there"),
    2: (Decision("target"), "here"),
    3: (Decision("fields", ("phone",)), "there"),
    4: (Decision("fields", (), {"phone": "typed"}), "typed"),
    5: (Decision("fields", ("email",), {"phone": "typed"}), "typed"),
    6: (Decision("source", (), {"phone": "typed"}), "typed"),
    7: (Decision("skip"), "here"),
}


class TestDecisions:
    def test_given_disputes_when_decided_then_the_field_has_it_the_rest_is_merged_and_all_is_quiet(
        self, database, sync, edit, decide
    ):
        sync(*(record(number) for number in DECISIONS))
        for number in DECISIONS:
            edit(number, phone="here", status="vip")
        theirs = [record(number, phone="there", company="Acme") for number in DECISIONS]
        sync(*theirs)

        for number, (decision, _) in DECISIONS.items():
            (one,) = list_conflicts(database, Chosen(external_id=str(number)))
            decide(
                decision.verb, one_of([one.id]), fields=decision.fields, values=decision.values,
                reason="they called",
            )  # fmt: skip
        again = sync(*theirs)

        # The company came from there, the status stays as it was edited here; but for the skipped.
        assert {number: told(database, number) for number in DECISIONS} == {
            number: (phone, None if decision.verb == "skip" else "Acme", "vip")
            for number, (decision, phone) in DECISIONS.items()
        }
        assert rows(database, "SELECT FROM sync_line WHERE queue_no = %s", again.queue_no) == []
        resolved = conflicts(database, "resolved")
        assert {one["resolved_by"] for one in resolved} == {"ann"}
        assert all(one["resolution"].endswith(": they called") for one in resolved)
        assert all(one["resolution_queue_no"] for one in resolved)
        assert len(conflicts(database, "skipped")) == 1

    def test_given_ours_was_kept_then_it_stays_until_they_edit_that_field_again(
        self, database, dispute, decide, sync
    ):
        dispute()
        decide("target")

        sync(record(phone="there", company="New"))

        assert told(database) == ("here", "New", "vip")
        assert conflicts(database) == []

        sync(record(phone="elsewhere", company="New"))

        (conflict,) = conflicts(database)
        assert list(conflict["details"]["fields"]) == ["phone"]

    def test_when_skipped_then_nothing_changes_and_a_new_content_is_held_against_the_old_base(
        self, database, dispute, decide, sync
    ):
        dispute()
        base = known(database)["base"]

        decide("skip")

        assert told(database) == ("here", None, "vip")
        assert known(database)["base"] == base
        (skipped,) = conflicts(database, "skipped")
        assert (skipped["strategy"], skipped["resolved_by"]) == ("Skip", "ann")
        sync(record(phone="elsewhere", company="Acme"))
        assert [one["message"] for one in conflicts(database)] == [
            "changed here and there since the last sync: phone"
        ]

    def test_given_many_when_all_are_decided_then_one_queue_of_the_entity_applies_them(
        self, database, sync, edit, decide
    ):
        numbers = range(1, 8)
        sync(*(record(number) for number in numbers))
        for number in numbers:
            edit(number, phone="here")
        sync(*(record(number, phone="there") for number in numbers))

        resolving, (changed,) = decide("source", Chosen(connection="shop", field="phone"))

        assert (resolving.n_queued, changed.done_count) == (7, 7)
        assert {ours(database, number)["phone"] for number in numbers} == {"there"}

    def test_when_applied_then_the_audit_says_who_why_and_what_changed_and_once_is_enough(
        self, database, dispute, decide
    ):
        dispute()
        conflict_id = conflicts(database)[0]["id"]

        decide("source", reason="they called")
        resolving, changed = decide("target", one_of([conflict_id]))

        assert (resolving.queue_ids, changed) == ((), [])
        assert ours(database)["phone"] == "there"
        audit = row(
            database,
            "SELECT before, after, details FROM sync_activity WHERE activity_type ="
            " 'record_updated' ORDER BY activity_no DESC LIMIT 1",
        )
        assert audit["before"] == {"phone": "here", "company": None}
        assert audit["after"] == {"phone": "there", "company": "Acme"}
        assert audit["details"]["by"] == "ann"
        assert audit["details"]["why"] == "the store's values were taken: they called"


class TestVersion:
    def test_given_an_edit_here_since_it_was_shown_then_it_is_refused_and_shown_anew(
        self, database, dispute, decide, edit
    ):
        dispute()
        conflict_id = conflicts(database)[0]["id"]
        shown = show_conflict(database, str(conflict_id))
        edit(phone="here again")

        with pytest.raises(ConflictMovedError) as refused:
            decide("source", version=shown.conflict.version)

        assert refused.value.code == "conflict.moved"
        assert ours(database)["phone"] == "here again"
        again = show_conflict(database, str(conflict_id))
        assert again.conflict.version > shown.conflict.version
        assert again.sides[0].ours == "here again"

    def test_given_the_record_changed_there_since_it_was_shown_then_it_is_refused(
        self, database, dispute, decide, sync
    ):
        dispute()
        shown = show_conflict(database, str(conflicts(database)[0]["id"]))
        sync(record(phone="elsewhere", company="Acme"))

        with pytest.raises(ConflictMovedError):
            decide("source", version=shown.conflict.version)

        assert ours(database)["phone"] == "here"

    def test_given_an_edit_between_decision_and_application_then_the_edit_stays_and_it_is_open(
        self, database, shop, dispute, edit
    ):
        dispute()
        resolving = resolve(
            database, Chosen(), Decision("source"), by="ann", settings=queue_settings()
        )
        edit(phone="late")

        (changed,) = apply_changes(database, resolving.queue_ids, queue_settings())

        assert (changed.state, changed.failed_count) == ("failed", 1)
        assert changed.failures[0].error_code == "change.moved"
        assert ours(database)["phone"] == "late"
        (conflict,) = conflicts(database)
        shown = show_conflict(database, str(conflict["id"]))
        assert (shown.sides[0].ours, shown.sides[0].theirs) == ("late", "there")
        assert (shown.conflict.decided_by, shown.conflict.is_being_resolved) == ("ann", False)
        told = reasons(gather(database, shop, CUSTOMERS, "1"))
        assert "(what ann decided was not applied)" in told[-1]

    def test_given_a_sync_between_decision_and_application_then_the_old_decision_is_refused(
        self, database, dispute, sync
    ):
        dispute()
        resolving = resolve(
            database, Chosen(), Decision("source"), by="ann", settings=queue_settings()
        )
        sync(record(phone="here", company="Acme"))  # both sides agree

        (changed,) = apply_changes(database, resolving.queue_ids, queue_settings())

        assert changed.failures[0].error_code == "change.moved"
        assert told(database) == ("here", "Acme", "vip")
        assert conflicts(database) == []


class TestTwice:
    def test_given_it_is_being_applied_when_seen_or_decided_again_then_it_is_as_it_was_decided(
        self, database, dispute, edit
    ):
        dispute()
        first = resolve(database, Chosen(), Decision("source"), by="ann", settings=queue_settings())

        edit(phone="late")
        show_conflict(database, str(conflicts(database)[0]["id"]))
        second = resolve(
            database, Chosen(), Decision("target"), by="bob", settings=queue_settings()
        )

        assert conflicts(database)[0]["version"] == 1
        assert second.queue_ids == first.queue_ids
        assert second.n_queued == 0
        queues = rows(database, "SELECT FROM sync_queue WHERE filters ? 'resolves'")
        assert len(queues) == 1


class TestRefusals:
    def test_given_what_cannot_be_then_it_is_refused_with_the_reason_and_nothing_is_done(
        self, database, dispute, decide
    ):
        dispute()

        for values, refusal, words in (
            (
                {"lifetime_value": "much"},
                ValueInvalidError,
                "invalid input syntax for type numeric",
            ),
            ({"name": ""}, ValueInvalidError, "name cannot be nothing"),
            ({"address": "{"}, ValueInvalidError, "address takes JSON"),
            ({"colour": "red"}, InputError, "no field colour"),
        ):
            with pytest.raises(refusal, match=words):
                decide("fields", values=values)

        assert len(conflicts(database)) == 1
        assert rows(database, "SELECT FROM sync_queue WHERE filters ? 'resolves'") == []

    def test_given_values_of_lists_objects_and_nothing_then_they_are_typed(
        self, database, dispute, decide
    ):
        dispute()

        decide("fields", values={"tags": "a, b", "address": '{"city": "Bonn"}', "phone": ""})

        only = ours(database)
        assert (only["tags"], only["address"], only["phone"]) == (
            ["a", "b"], {"city": "Bonn"}, None,
        )  # fmt: skip

    def test_given_what_failed_then_no_side_can_be_taken_and_it_can_be_skipped(
        self, database, sync, decide
    ):
        sync(customer(1, email="bad"))

        with pytest.raises(DecisionUnfitError):
            decide("source")
        resolving, _ = decide("skip", reason="a test account")

        assert resolving.n_skipped == 1
        (skipped,) = conflicts(database, "skipped")
        assert skipped["resolution"] == "skipped: nothing was changed: a test account"

    def test_given_what_was_skipped_when_it_fails_again_as_it_was_then_nobody_is_asked(
        self, database, sync, decide
    ):
        sync(customer(1, email="bad"), customer(2))
        decide("skip")

        again = status(database, sync(customer(1, email="bad"), customer(2)))
        changed = status(database, sync(customer(1, email="worse"), customer(2)))

        assert (again["state"], again["is_action_required"]) == ("partial", False)
        assert "(1 of them skipped by a person)" in again["action_required_reason"]
        assert (changed["state"], changed["is_action_required"]) == ("partial", True)

    def test_given_our_row_is_gone_then_it_is_left_for_the_next_sync(
        self, database, dispute, decide, sync
    ):
        dispute()
        with database.owner() as conn:
            conn.execute("DELETE FROM customer")

        resolving, changed = decide("source")

        assert (resolving.n_left, changed) == (1, [])
        sync(record(phone="there", company="Acme"))
        assert told(database) == ("there", "Acme", "prospect")
        assert conflicts(database) == []
