"""Whose orders an enqueue takes over as figures: those read for it, or its own for another entity.

Belongs here: what a queue's note says of them. Does not: taking them over (figures.py), landing
guests (guests.py).
"""

from collections.abc import Mapping
from typing import Any

from sync_pipeline.entities import Entity, entity_of
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.queue.queues import Queue
from sync_pipeline.stages.absent_guests import look_for_absent_guests
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.figures import Orders, Taken, take_figures
from sync_pipeline.stages.guests import guests_of, land_guests, settle_guests, tell_without_email


def figures_and_guests(
    conn: DictConnection, queue: Queue, entity: Entity, note: Mapping[str, Any]
) -> Taken:
    """Take over what was read for the entity's figures, and land its guests.

    Args:
        conn: the caller's transaction.
        queue: of the entity, which may have no figures: then nothing is done.
        entity: what it is.
        note: of the queue: is_complete and extract_note (`extract/note.sql`).
    """
    if entity.figures_listing is None:
        return Taken()
    taken = own_figures(conn, queue, entity, note)
    settle_guests(conn, queue, entity, Coverage(**note["extract_note"]["records"]))
    guests = guests_of(conn, queue, entity)
    if guests is not None:
        tell_without_email(conn, queue, taken.n_without_email)
        land_guests(conn, queue, entity, guests)
        look_for_absent_guests(conn, queue, entity, guests, note)
    return taken


def own_figures(
    conn: DictConnection, queue: Queue, entity: Entity, note: Mapping[str, Any]
) -> Taken:
    """Take over what was read for the entity's figures. Arguments as of `figures_and_guests`."""
    if entity.figures_listing is None:
        return Taken()
    read = note["extract_note"].get("figures")
    orders = Orders(
        entity.figures_listing,
        Coverage(**read) if read else Coverage(scanned=0, total=None, is_complete=None),
        is_proven=note["is_complete"] is not False,
        guests=guests_of(conn, queue, entity),
    )
    return take_figures(conn, queue, orders)


def feed_figures(
    conn: DictConnection, queue: Queue, entity: Entity, note: Mapping[str, Any]
) -> Taken:
    """Take over the entity's own records as another's figures, if they reach back far enough.

    Only what was proven read, whole or since a moment; the rest is left to the other entity.
    Arguments as of `figures_and_guests`.
    """
    found = Coverage(**note["extract_note"]["records"])
    is_proven = found.is_complete is True and note["is_complete"] is True
    is_sync = queue.filters.is_everything and not queue.filters.preview
    if entity.feeds_figures_of is None or not (is_proven and is_sync):
        return Taken()
    fed = entity_of(entity.system, entity.feeds_figures_of)
    guests = guests_of(conn, queue, fed)
    taken = take_figures(conn, queue, Orders(entity.listing, found, is_proven=True, guests=guests))
    tell_without_email(conn, queue, taken.n_without_email)
    return taken
