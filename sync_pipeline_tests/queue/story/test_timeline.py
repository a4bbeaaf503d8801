"""A record's story in order, and why it is as it is, after edits, conflicts, previews and undos."""

import json

import pytest

from sync_pipeline.cli.explain import as_document
from sync_pipeline.entities import CUSTOMERS, ORDERS, PRODUCTS
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.queue.reverting import revert
from sync_pipeline.queue.story import gather, reasons, timeline
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    full_order,
    make_connection,
    product,
    queue_settings,
)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def tell(database, shop):
    """Kinds and words of the record's events, and why it is as it is."""

    def told(external_id="1", entity=CUSTOMERS):
        story = gather(database, shop, entity, external_id)
        return [(one.kind, one.words) for one in timeline(story)], " ".join(reasons(story))

    return told


def take_back(database, queue, entity=CUSTOMERS):
    settings = queue_settings()
    again = find_queue(database, str(queue.id))
    undone = revert(database, again, by="Mia", reason="wrong file", settings=settings)
    upsert(database, undone.queue, entity, settings)
    return undone.queue


def edit(database, assignment):
    with database.organization("acme") as conn:
        conn.execute(f"UPDATE customer SET {assignment}, updated_at = now()")


def kinds(events):
    return [kind for kind, _ in events]


def test_given_a_record_that_changed_then_each_step_is_told_in_order(database, shop, tell):
    apply_records(database, shop, [customer(1)])
    queue, _ = apply_records(database, shop, [customer(1, last_name="New")])

    events, why = tell()

    assert kinds(events) == ["queued", "done", "queued", "done"]
    assert events[1][1] == "Our row was created."
    assert events[3][1] == "Our row was changed."
    assert f"Its last line changed our row in queue {queue.id}." in why


def test_given_an_edit_that_was_kept_then_both_values_and_what_comes_next_are_said(
    database, shop, tell
):
    apply_records(database, shop, [customer(1)])
    edit(database, "phone = '030 1'")
    apply_records(database, shop, [customer(1, last_name="New")])

    events, why = tell()

    assert events[-1] == ("done", "Our row was changed; edited here and kept: phone.")
    assert (
        'phone was edited here and kept: the record had nothing, our row has "030 1" (should the '
        "store change it too, a person decides)."
    ) in why


def test_given_a_conflict_then_all_three_sides_are_named(database, shop, tell):
    apply_records(database, shop, [customer(1)])
    edit(database, "name = 'By Hand'")
    apply_records(database, shop, [customer(1, last_name="Theirs")])

    events, why = tell()

    assert "conflict" in kinds(events)
    assert "nothing of it was done" in why
    assert 'name was "Ann Number 1", is "By Hand" here and "Ann Theirs" there.' in why


def test_given_a_conflict_that_was_settled_then_who_ended_it_is_told(database, shop, tell):
    apply_records(database, shop, [customer(1)])
    edit(database, "name = 'By Hand'")
    apply_records(database, shop, [customer(1, last_name="Theirs")])
    edit(database, "name = 'Ann Theirs'")
    apply_records(database, shop, [customer(1, last_name="Theirs")])

    events, why = tell()

    (ended,) = [words for kind, words in events if kind == "resolved"]
    assert ended.startswith("The conflict DataMismatch was resolved by sync")
    assert "open conflict" not in why


def test_given_a_record_that_was_taken_back_then_it_says_who_did_and_that_it_stays_so(
    database, shop, tell
):
    queue, _ = apply_records(database, shop, [customer(1)])
    undone = take_back(database, queue)
    reconcile(database, apply_records(database, shop, [customer(1)])[0], CUSTOMERS)

    events, why = tell()

    assert kinds(events) == ["queued", "done", "queued", "retired", "unchanged"]
    assert events[2][1].startswith(
        "Mia takes back what a queue did to it: queued (taking back queue"
    )
    assert events[3][1] == (
        "Our row was removed; it was taken back, and stays so until it changes in the store."
    )
    assert "It was our row" in why
    assert f"Its last line retired it in queue {undone.id}, for Mia: taking back queue" in why
    assert "what was taken back stays so" in why
    assert "deleted our row" not in why


def test_given_an_undo_of_an_undo_then_the_row_was_put_back(database, shop, tell):
    queue, _ = apply_records(database, shop, [customer(1)])
    take_back(database, take_back(database, queue))

    events, why = tell()

    assert events[-1][1] == "Our row was put back; it is retired no more."
    assert why.startswith("It is our row")
    assert "Its last line put our row back" in why


def test_given_an_undo_that_met_an_edit_then_the_rest_was_done(database, shop, tell):
    apply_records(database, shop, [customer(1)])
    queue, _ = apply_records(
        database, shop, [customer(1, last_name="Theirs", email="new@example.test")]
    )
    edit(database, "name = 'By Hand'")
    take_back(database, queue)

    events, why = tell()

    assert any(words.startswith("Our row was changed, in part; ") for _, words in events)
    assert "Its last line failed (conflict.data_mismatch" in why
    assert "the rest of it was done" in why
    assert 'name had been left as "Ann Theirs", is "By Hand", and was to become "Ann Nu' in why
    assert "name was edited here and kept" in why


def test_given_syncs_without_a_line_of_it_then_they_are_one_event(database, shop, tell):
    apply_records(database, shop, [customer(1)])
    for _ in range(3):
        apply_records(database, shop, [customer(1)])

    events, why = tell()

    assert kinds(events) == ["queued", "done", "unchanged"]
    assert events[2][1].startswith("3 whole syncs since ")
    assert "3 whole syncs came after that" in why


def test_given_a_variation_in_a_whole_listing_then_it_is_not_called_gone(database, shop, tell):
    parent = product(5, variations=[51])
    apply_records(database, shop, [parent], entity=PRODUCTS)

    _, why = tell("5", PRODUCTS)

    assert "no longer lists" not in why
    assert "It is our row" in why


def test_given_an_order_then_its_late_customer_is_no_edit(database, shop, tell):
    apply_records(database, shop, [full_order(1, customer_id=1)], entity=ORDERS)
    apply_records(database, shop, [customer(1)])

    events, why = tell("1", ORDERS)

    assert "edited" not in kinds(events)
    assert "edited here" not in why
    assert "changed by something else" not in why


def test_given_a_story_then_its_json_has_the_events_in_order(database, shop):
    apply_records(database, shop, [customer(1)])

    document = json.loads(
        json.dumps(as_document(gather(database, shop, CUSTOMERS, "1")), default=str)
    )

    assert [one["kind"] for one in document["events"]] == ["queued", "done"]
    assert document["edits"] == {}
    assert document["lines"][0]["kind"] == "sync"
