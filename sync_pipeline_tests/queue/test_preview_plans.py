"""Plans of the statements that show a batch, and that hold it against what was shown."""

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue.completion import LeaseLostError, complete
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.leases import claim
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    end_extract,
    land_records,
    make_connection,
    make_queue,
    queue_settings,
    quick_source_settings,
)
from sync_pipeline_tests.queue.test_plans import BATCH_LINES, assert_no_batch_squared, explained


class Explaining:
    """A connection that explains what complete() runs, and answers as if the lease was lost."""

    def __init__(self, conn, explained_statement):
        self._conn = conn
        self._explained = explained_statement
        self.plan = []

    def execute(self, query, values=None, **_):
        if query is not self._explained:
            return self._conn.execute(query, values)
        self.plan = explained(self._conn, query, values)
        return self._conn.execute("SELECT WHERE false")


def plan_of(database, queue):
    """The plan of the queue's next batch."""
    with database.organization("acme") as conn:
        lease = claim(conn, queue.queue_no, worker="a", lease_seconds=60)
        explaining = Explaining(conn, CUSTOMERS.complete_statement(queue.queue_no, lease.operation))
        with pytest.raises(LeaseLostError):
            complete(explaining, lease, queue, CUSTOMERS, backoff_seconds=0)
        conn.execute(
            "UPDATE sync_batch SET state = 'ready', lease_until = NULL"
            " WHERE lease_until IS NOT NULL"
        )
    return explaining.plan


def test_given_changed_and_new_records_when_shown_and_checked_then_no_batch_squared(
    database, org_id, monkeypatch
):
    # Whether the server has just analyzed by itself is chance.
    monkeypatch.setattr("sync_pipeline.stages.enqueue._ANALYZE_FROM_LINES", 2)
    shop = make_connection(database, org_id)
    known = [customer(n) for n in range(1, 2 * BATCH_LINES)]
    apply_records(database, shop, known)
    changed = [one | {"first_name": "Eve"} for one in known]
    new = [customer(n) for n in range(2 * BATCH_LINES, 3 * BATCH_LINES)]
    # Half of the lines are shown already, so that there is something to look through.
    preview = make_queue(database, shop, Filters(preview=True), batch_size=BATCH_LINES)
    land_records(database, preview, "customers", [*new, *changed])
    land_records(database, preview, "orders", [])
    end_extract(database, preview, scanned=len(new) + len(changed))
    enqueue(database, preview, CUSTOMERS)
    with database.organization(org_id) as conn:
        lease = claim(conn, preview.queue_no, worker="a", lease_seconds=60)
        complete(conn, lease, preview, CUSTOMERS, backoff_seconds=0)

    assert_no_batch_squared(plan_of(database, preview))

    upsert(database, preview, CUSTOMERS, queue_settings())
    applies = make_queue(database, shop, Filters(applies=str(preview.id)), batch_size=BATCH_LINES)
    extract(database, applies, shop, CUSTOMERS, None, quick_source_settings())
    enqueue(database, applies, CUSTOMERS)

    assert_no_batch_squared(plan_of(database, applies))
