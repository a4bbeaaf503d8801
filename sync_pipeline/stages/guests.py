"""Guests: people without an account become records, made of the figures of their orders.

Belongs here: whether a connection has them, landing them once a queue, and who takes over whose
row. Does not: their figures (figures.py), what they are (sql/derivations/woocommerce/guests.sql).
"""

from dataclasses import dataclass
from typing import Final

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.entities.reading import Guests
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.stages.coverage import Coverage, answers_name, sweep_name
from sync_pipeline.stages.figures import hold_figures

_PAGE_RECORDS: Final = 1000


@dataclass(frozen=True)
class Chosen:
    """Which guests a sync is about: all of them, or the one of an e-mail."""

    email: str | None = None


def guests_of(conn: DictConnection, queue: Queue, entity: Entity) -> Guests | None:
    """The entity's guests, if it has any and the connection includes them now."""
    if entity.guests is None:
        return None
    values = {"connection_id": queue.connection_id, "option": entity.guests.option}
    row = conn.execute(statement("enqueue/is_on"), values).fetchone()
    return entity.guests if row and row["is_on"] else None


def chosen(guests: Guests, filters: Filters) -> Chosen | None:
    """Which guests these filters leave; None: nobody can say, so none. Pure."""
    if filters.is_everything or (filters.replay and filters.replay_of is None):
        return Chosen()
    email = filters.email or guests.email_of(filters.external_id or "")
    if email is None or filters.limit is not None:
        return None
    return Chosen(email.strip().lower())


def settle_guests(conn: DictConnection, queue: Queue, entity: Entity, found: Coverage) -> None:
    """Say which guests have an account, and leave the rows of those that changed hands.

    Whatever the sync is about, and where guests are not wanted any more as well: a guest's record
    would keep its row from the account that has its e-mail now.

    Args:
        conn: the caller's transaction, in which the figures were taken over.
        queue: of the entity, which may have no guests: then nothing is done.
        entity: whose figures they are made of.
        found: what was read of the accounts.
    """
    guests = entity.guests
    if guests is None or not (guests_of(conn, queue, entity) or _holds_guests(conn, queue, guests)):
        return
    assert entity.figures_listing is not None  # noqa: S101  (guests are made of figures)
    hold_figures(conn, queue, entity.figures_listing, landed_as=guests.name)
    values = {
        "queue_no": queue.queue_no,
        "connection_id": queue.connection_id,
        "entity": entity.name,
        "own_listing": entity.listing.name,
        "sweep_listing": sweep_name(entity.listing.name),
        "answers_listing": answers_name(entity.listing),
        "is_swept": found.is_swept,
        "is_proven": found.is_complete is True,
    }
    conn.execute(statement("enqueue/as_sets"))
    settled = conn.execute(statement(guests.settle), values).fetchone()
    assert settled is not None  # noqa: S101  (counts have a row)
    _tell(conn, queue, settled["n_registered"], settled["n_succeeded"])


def land_guests(conn: DictConnection, queue: Queue, entity: Entity, guests: Guests) -> None:
    """Land the guests beside the accounts that were read, once a queue.

    Nothing lands while the figures do not know the guests: then they were not read yet.

    Args:
        conn: the caller's transaction, in which the figures were taken over and guests settled.
        queue: of the entity.
        entity: whose figures they are made of.
        guests: as the connection includes them.
    """
    assert entity.figures_listing is not None  # noqa: S101  (guests are made of figures)
    whom = chosen(guests, queue.filters)
    figures = entity.figures_listing
    basis = hold_figures(conn, queue, figures, landed_as=guests.name)
    # Landed before: a share of the lines may stand, and a line's number is its record's place.
    if whom is None or basis.salt != guests.name or basis.began_at is not None:
        return
    conn.execute(
        sql.SQL(statement("enqueue/land_guests")).format(
            derivation=sql.SQL(statement(guests.derivation))
        ),
        {
            "queue_no": queue.queue_no,
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "own_listing": entity.listing.name,
            "listing": guests.name,
            "page_records": _PAGE_RECORDS,
            "email": whom.email,
        },
    )


def tell_without_email(conn: DictConnection, queue: Queue, n_orders: int) -> None:
    """Say how many of the guests' orders that were taken over belong to nobody."""
    if n_orders:
        record_activity(
            conn,
            queue,
            "guests_without_email",
            "info",
            f"{n_orders} orders of guests name no e-mail and count for nobody",
            {"orders": n_orders},
        )


def _holds_guests(conn: DictConnection, queue: Queue, guests: Guests) -> bool:
    values = {
        "connection_id": queue.connection_id,
        "entity": queue.entity,
        "prefix": guests.id_prefix,
    }
    row = conn.execute(statement("enqueue/holds_guests"), values).fetchone()
    return bool(row and row["holds_guests"])


def _tell(conn: DictConnection, queue: Queue, n_registered: int, n_succeeded: int) -> None:
    """Say who took over a row; nothing when nobody did."""
    parts = [
        f"{count} {what}"
        for count, what in (
            (n_registered, "guests have an account now, which takes over their record"),
            (n_succeeded, "accounts are gone and leave their record to a guest"),
        )
        if count
    ]
    if parts:
        record_activity(
            conn,
            queue,
            "guests_settled",
            "info",
            "; ".join(parts),
            {"registered": n_registered, "succeeded": n_succeeded},
        )
