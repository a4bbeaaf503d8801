"""The queries that dashboards and people already have run verbatim and mean what they meant."""

# ruff: noqa: E501  (verbatim means verbatim)

from decimal import Decimal

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue.completion import complete
from sync_pipeline.queue.leases import claim
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    make_queue,
    rows,
)

QUEUES = """
SELECT id, queue_name, state, total_count, draft_count, done_count, failed_count, process_count,
       is_action_required, ROUND((done_count + cancelled_count)::numeric / total_count * 100, 2) AS progress
FROM woo_customer_sync_queue WHERE org_id = 'your-org-id' ORDER BY created_at DESC LIMIT 10;
"""
ACTIVITY = """
SELECT activity_type, status, message, created_at FROM woo_sync_activity
WHERE queue_id = 'queue-uuid' ORDER BY created_at DESC LIMIT 100;
"""
FAILED = """
SELECT woo_customer_id, error_message, process_count, last_error_timestamp
FROM woo_customer_sync_queue_line WHERE queue_id = 'queue-uuid' AND state = 'failed'
ORDER BY last_error_timestamp DESC;
"""
ACTION = """
SELECT id, queue_name, state, process_count, is_action_required, action_required_reason, last_process_date
FROM woo_customer_sync_queue WHERE is_action_required = true AND org_id = 'your-org-id';
"""
HOURS = """
SELECT DATE_PART('hour', created_at) AS hour, activity_type, status, COUNT(*) AS count
FROM woo_sync_activity WHERE queue_id = 'queue-uuid' GROUP BY hour, activity_type, status ORDER BY hour DESC;
"""
OLD_QUERIES = {
    "queues": QUEUES,
    "activity": ACTIVITY,
    "failed": FAILED,
    "action": ACTION,
    "hours": HOURS,
}


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def partial(database, shop):
    """A finished queue: two lines done, one failed."""
    records = [customer(1), customer(2), customer(3, email="bad")]
    queue, _ = apply_records(database, shop, records)
    return queue


def put_in(query, queue):
    return query.replace("your-org-id", queue.org_id).replace("queue-uuid", str(queue.id))


@pytest.mark.parametrize("name", OLD_QUERIES)
def test_given_the_placeholders_of_the_manual_when_run_as_they_stand_then_no_row_and_no_error(
    database, partial, name
):
    assert rows(database, OLD_QUERIES[name]) == []


@pytest.mark.parametrize("name", OLD_QUERIES)
def test_given_queues_without_lines_when_run_then_no_division_by_nought(database, shop, name):
    queue = make_queue(database, shop)

    rows(database, put_in(OLD_QUERIES[name], queue))


def test_given_a_partial_queue_then_its_counts_and_progress(database, partial):
    (found,) = rows(database, put_in(QUEUES, partial))

    assert found["id"] == str(partial.id)
    del found["id"], found["queue_name"]
    assert found == {
        "state": "partial",
        "total_count": 3,
        "draft_count": 0,
        "done_count": 2,
        "failed_count": 1,
        "process_count": 1,
        "is_action_required": True,
        "progress": Decimal("66.67"),
    }


def test_given_a_queue_without_lines_then_its_progress_is_null(database, shop):
    queue = make_queue(database, shop)

    (found,) = rows(database, put_in(QUEUES, queue))

    assert (found["state"], found["total_count"], found["progress"]) == ("processing", None, None)


def test_given_failed_lines_then_who_why_and_when(database, partial):
    (found,) = rows(database, put_in(FAILED, partial))

    assert (found["woo_customer_id"], found["process_count"]) == (3, 1)
    assert found["error_message"] == "not an e-mail address: bad"
    assert found["last_error_timestamp"] is not None


def test_given_a_queue_that_needs_a_person_then_the_reason(database, partial):
    (found,) = rows(database, put_in(ACTION, partial))

    assert found["action_required_reason"] == "1 of 3 lines failed: 1 x validation.email_invalid"


def test_given_activity_then_newest_first_and_every_row_has_words(database, partial):
    found = rows(database, put_in(ACTIVITY, partial))

    times = [one["created_at"] for one in found]
    assert times == sorted(times, reverse=True)
    assert all(one["message"] for one in found)
    assert sum(one["activity_type"] == "record_created" for one in found) == 2


def test_given_activity_by_hour_then_it_adds_up(database, partial):
    counts = {
        (one["activity_type"], one["status"]): one["count"]
        for one in rows(database, put_in(HOURS, partial))
    }

    assert counts["record_created", "success"] == 2
    assert counts["record_failed", "error"] == 1


def test_given_another_organization_when_it_asks_then_nothing_is_shown(
    database, partial, other_org_id
):
    for query in OLD_QUERIES.values():
        assert rows(database, put_in(query, partial), org_id=other_org_id) == []


COLUMNS = {
    "woo_customer_sync_queue": "id, org_id, queue_name, source_system, state, total_count,"
    " draft_count, processing_count, done_count, failed_count, cancelled_count, process_count,"
    " is_processing, is_action_required, action_required_reason, batch_size, batch_delay_ms,"
    " idempotency_key, progress, created_by, created_at, updated_at, last_process_date",
    "woo_customer_sync_queue_line": "id, queue_id, org_id, woo_customer_id, customer_data,"
    " external_id, state, process_count, error_count, error_message, last_error_timestamp,"
    " result_customer_id, was_update, idempotency_token, created_at, updated_at,"
    " last_process_date",
    "woo_sync_activity": "id, queue_id, queue_line_id, org_id, activity_type, status, message,"
    " details, created_at",
}


@pytest.mark.parametrize("view", COLUMNS)
def test_given_an_old_view_then_every_old_column_is_there(database, org_id, view):
    rows(database, f"SELECT {COLUMNS[view]} FROM {view}")


def test_given_lines_then_their_customer_their_token_and_their_payload(database, partial):
    found = rows(
        database,
        "SELECT l.*, c.email FROM woo_customer_sync_queue_line AS l"
        " LEFT JOIN customer AS c ON c.id = l.result_customer_id ORDER BY woo_customer_id",
    )

    assert [one["email"] for one in found] == ["c1@example.test", "c2@example.test", None]
    assert [one["was_update"] for one in found] == [False, False, None]
    assert [one["customer_data"]["id"] for one in found] == [1, 2, 3]
    assert len({one["idempotency_token"] for one in found}) == 3
    assert [one["state"] for one in found] == ["done", "done", "failed"]


def test_given_a_batch_was_applied_then_the_queue_shows_when_it_was_last_worked_on(database, shop):
    queue = fill_queue(database, shop, [customer(n + 1) for n in range(4)], batch_size=2)
    with database.owner() as conn:
        conn.execute(
            "UPDATE sync_queue SET updated_at = now() - interval '1 hour',"
            " last_process_date = now() - interval '1 hour'"
        )
    with database.organization(queue.org_id) as conn:
        lease = claim(conn, queue.queue_no, worker="w", lease_seconds=60)
        complete(conn, lease, queue, CUSTOMERS, backoff_seconds=0)

    (shown,) = rows(
        database,
        "SELECT last_process_date > now() - interval '1 minute' AS is_fresh,"
        " updated_at = last_process_date AS is_updated_then FROM woo_customer_sync_queue",
    )
    assert shown == {"is_fresh": True, "is_updated_then": True}
