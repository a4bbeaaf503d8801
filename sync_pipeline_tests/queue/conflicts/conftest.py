"""A shop whose record and row were both edited, and people who decide."""

import pytest

from sync_pipeline.queue.conflicts import Chosen, Decision, resolve
from sync_pipeline.stages.changes import apply_changes
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    queue_settings,
    row,
    rows,
)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def sync(database, shop):
    """Sync these records of the shop."""
    return lambda *records, **settings: apply_records(database, shop, records, **settings)[0]


@pytest.fixture
def edit(database):
    """A person changes our row of a customer."""

    def edited(customer_id=1, **values):
        sets = ", ".join(f"{column} = %s" for column in values)
        with database.organization("acme") as conn:
            changed = conn.execute(
                f"UPDATE customer SET {sets}, updated_at = now() WHERE id = (SELECT local_id FROM"
                " sync_record WHERE external_id = %s)",
                [*values.values(), str(customer_id)],
            )
            assert changed.rowcount == 1

    return edited


@pytest.fixture
def dispute(sync, edit):
    """Customer 1 has another phone there and here, a new company there and a new status here."""

    def disputed(customer_id=1, **there):
        sync(record(customer_id))
        edit(customer_id, phone="here", status="vip")
        return sync(record(customer_id, phone="there", company="Acme", **there))

    return disputed


@pytest.fixture
def decide(database):
    """Decide about conflicts, and apply it."""

    def decided(verb, chosen=None, *, fields=(), values=None, **more):
        resolving = resolve(
            database,
            chosen or Chosen(),
            Decision(verb, fields, values or {}),
            by="ann",
            settings=queue_settings(),
            **more,
        )
        return resolving, apply_changes(database, resolving.queue_ids, queue_settings())

    return decided


def record(customer_id=1, *, phone="1", company="", **changes):
    made = customer(customer_id, **changes)
    return made | {"billing": made["billing"] | {"phone": phone, "company": company}}


def ours(database, customer_id=1):
    return row(
        database,
        "SELECT c.* FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id"
        " WHERE r.external_id = %s",
        str(customer_id),
    )


def conflicts(database, state="open"):
    return rows(
        database, "SELECT * FROM sync_conflict WHERE state = %s ORDER BY conflict_no", state
    )
