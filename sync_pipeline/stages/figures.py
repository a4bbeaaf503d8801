"""Order figures: what the customers' figures need of every order, kept between syncs.

Belongs here: from landed orders to `sync_order_figure`, and the watermark that says how far they
are read. Does not: adding figures to customers (sql/enqueue/customer_figures.sql), who is a guest
(guests.py).

Two syncs read orders: that of the customers and that of the orders themselves. What was read
before others took theirs over is left alone: it may be older. The next sync reads what it misses.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sync_pipeline.entities.reading import Guests
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue
from sync_pipeline.sources.protocol import Listing
from sync_pipeline.stages.coverage import Coverage, delta_name, rescan_name, sweep_name

# Changes are asked for after a whole second, that second left out.
_BOUND: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class Basis:
    """What stands of the figures when landed orders are to be taken over.

    Attributes:
        began_at: since when those orders were read; None: none landed.
        queue_no, updated_at, watermark_utc, salt: of the figures' watermark; None: there is none.
    """

    began_at: datetime | None
    queue_no: int | None
    updated_at: datetime | None
    watermark_utc: datetime | None
    salt: str | None

    def allows(self, queue_no: int, since: str | None, salt: str | None) -> bool:
        """Whether orders that this queue read since then may be taken over. Pure.

        Args:
            queue_no: whose pages hold the orders; what it took over before is no obstacle.
            since: the naive GMT moment after which changes were asked for; None: it was all.
            salt: what the watermark must stand for, to go on from it.
        """
        if self.began_at is None:
            return False
        if self.updated_at is None or self.watermark_utc is None:
            return since is None
        if self.queue_no != queue_no and self.updated_at > self.began_at:
            return False
        if since is None:
            return True
        bound = datetime.fromisoformat(since).replace(tzinfo=UTC) + _BOUND
        return bound <= self.watermark_utc and salt in (None, self.salt)


@dataclass(frozen=True)
class Orders:
    """The landed orders of one queue, and what is to be had of them.

    Attributes:
        listing: as it is read whole; changes landed under `delta_name`.
        found: what was read of it.
        is_proven: nothing slipped by, so orders that were not seen are gone.
        guests: whose orders without an account are told; None: they are not.
    """

    listing: Listing
    found: Coverage
    is_proven: bool
    guests: Guests | None


@dataclass(frozen=True)
class Taken:
    """What became of the landed orders.

    Attributes:
        is_taken: False: they are left to the next sync.
        unreadable_ids: orders that cannot be read; they count in no figure.
        n_without_email: orders of guests that name no e-mail; they count for nobody.
    """

    is_taken: bool = False
    unreadable_ids: tuple[str, ...] = ()
    n_without_email: int = 0


def take_figures(conn: DictConnection, queue: Queue, orders: Orders) -> Taken:
    """Take over the landed orders, whole or changes, and move their watermark with them.

    Args:
        conn: the caller's transaction; it commits figures and watermark together.
        queue: whose pages hold the orders.
        orders: which they are.
    """
    listing, found = orders.listing, orders.found
    name = delta_name(listing) if found.is_delta else listing.name
    salt = orders.guests.name if orders.guests else None
    beside = rescan_name(listing) if found.is_delta else None
    basis = hold_figures(conn, queue, listing, landed_as=name, beside=beside)
    if not basis.allows(queue.queue_no, found.since if found.is_delta else None, salt):
        return Taken()
    if basis.salt is not None and salt is None:
        forgotten = {"connection_id": queue.connection_id, "listing": listing.name}
        conn.execute(statement("enqueue/forget_guests"), forgotten)
    taken = conn.execute(
        statement("enqueue/order_figures"),
        {
            "queue_no": queue.queue_no,
            "org_id": queue.org_id,
            "connection_id": queue.connection_id,
            "listing": name,
            "slice": beside,
            "is_whole": not found.is_delta and orders.is_proven,
            "sweep_listing": sweep_name(listing.name),
            "is_swept": not found.is_delta and found.is_swept,
            "has_guests": orders.guests is not None,
        },
    ).fetchone()
    assert taken is not None  # noqa: S101  (an aggregate has a row)
    if taken["watermark_utc"] is not None and orders.is_proven:
        conn.execute(
            statement("enqueue/watermark"),
            {
                "queue_no": queue.queue_no,
                "org_id": queue.org_id,
                "connection_id": queue.connection_id,
                "listing": listing.name,
                "watermark_utc": taken["watermark_utc"],
                # The option was set after the orders had been asked for without their billing.
                "salt": None if taken["is_without_billing"] else salt,
                "total": None,
            },
        )
    return Taken(
        is_taken=True,
        unreadable_ids=tuple(taken["unreadable_ids"]),
        n_without_email=taken["n_without_email"] if orders.guests else 0,
    )


def hold_figures(
    conn: DictConnection,
    queue: Queue,
    listing: Listing,
    *,
    landed_as: str,
    beside: str | None = None,
) -> Basis:
    """Keep the connection's figures alone until the caller's transaction ends, and look at them.

    Args:
        conn: the caller's transaction.
        queue: whose pages are meant.
        listing: whose watermark stands for the figures.
        landed_as, beside: names of the queue's pages that are meant.
    """
    conn.execute(statement("enqueue/hold_figures"), {"connection_id": queue.connection_id})
    row = conn.execute(
        statement("enqueue/figures_basis"),
        {
            "queue_no": queue.queue_no,
            "connection_id": queue.connection_id,
            "known_as": listing.name,
            "listing": landed_as,
            "slice": beside,
        },
    ).fetchone()
    assert row is not None  # noqa: S101  (an aggregate has a row)
    return Basis(**row)
