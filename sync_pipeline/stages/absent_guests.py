"""Guests of whom no order is left: counted as other records are, and gone after the second time.

Belongs here: their absences, in the transaction that lands guests. Does not: absences of what is
listed (absences.py), what a guest is (guests.py), what becomes of our rows (deletions.py).

They are made of our own figures, so nobody is asked; the limit of the sync holds for them alone.
"""

from collections.abc import Mapping
from typing import Any

from sync_pipeline.entities import Entity
from sync_pipeline.entities.reading import Guests
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.stages.absences import PAGE_RECORDS
from sync_pipeline.stages.believing import believed_at_most
from sync_pipeline.stages.coverage import answers_name


def look_for_absent_guests(
    conn: DictConnection, queue: Queue, entity: Entity, guests: Guests, note: Mapping[str, Any]
) -> None:
    """Count the guests that did not land, and take those for gone that did not land twice.

    Args:
        conn: the caller's transaction, in which guests landed.
        queue: of the entity.
        entity: whose guests they are.
        guests: as the connection includes them.
        note: of the queue: is_complete and extract_note (`extract/note.sql`).
    """
    absence = note["extract_note"].get("absence")
    # Only a sync that could tell who is absent, and proved its orders as well.
    if absence is None or note["is_complete"] is not True:
        return
    values = {
        "queue_no": queue.queue_no,
        "org_id": queue.org_id,
        "connection_id": queue.connection_id,
        "entity": entity.name,
        "listing": guests.name,
        "prefix": None,
        "guest_prefix": guests.id_prefix,
        "of_guests": True,
        "absent_listing": f"{guests.name}:absent",
        "answers_listing": answers_name(entity.listing),
        "page_records": PAGE_RECORDS,
    }
    if conn.execute(statement("extract/landed"), values).fetchone() is None:
        return  # while the figures do not know them, none lands
    found = conn.execute(statement("absence/landed"), values).fetchone()
    if found is None:
        conn.execute(statement("enqueue/as_sets"))
        conn.execute(statement("absence/land"), values)
        found = conn.execute(statement("absence/landed"), values).fetchone()
    assert found is not None  # noqa: S101  (a page of no records is a page)
    known, absent = found["n_known"], found["n_absent"]
    if absent > believed_at_most(known, absence["limit_percent"]):
        record_activity(
            conn,
            queue,
            "guests_missing",
            "warning",
            f"{absent:,} of {known:,} guests have no order any more, more than "
            f"deletion_limit_percent = {absence['limit_percent']:g}: none was taken for deleted",
            {"known": known, "absent": absent},
        )
        return
    for name in (
        "absence/count",
        "absence/seen",
        "absence/guests_gone",
        "absence/settle_conflicts",
    ):
        conn.execute(statement(name), values)
