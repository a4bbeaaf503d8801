"""What an enqueue made: its numbers, and how they are kept with the queue and told.

Belongs here: the value, its note and its rows of activity. Does not: making lines (enqueue.py).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb

from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue, record_activity


@dataclass(frozen=True)
class Enqueued:
    """What became of the landed records.

    Attributes:
        scanned: different records of the store that landed.
        lines: records to apply.
        unchanged: records whose content is what was last applied; they make no line.
        unreadable_orders: orders left out of the figures, because they cannot be read.
        lifetime_value_all_orders, lifetime_value_paid_net: sums of the two rules over all
            customers, in the store's currency.
        guests: records of people without an account, who are in no listing, besides.
        deletions: lines about records that the store has no more, besides.
    """

    scanned: int
    lines: int
    unchanged: int
    unreadable_orders: int = 0
    lifetime_value_all_orders: Decimal = Decimal(0)
    lifetime_value_paid_net: Decimal = Decimal(0)
    guests: int = 0
    deletions: int = 0


def note_made(
    conn: DictConnection,
    queue: Queue,
    result: Enqueued,
    currencies: list[str],
    unreadable: list[str],
    *,
    salt: str,
) -> None:
    """Keep the numbers with the queue and say them, with what needs a look.

    Args:
        salt: of the mapping that the content hashes stand for; who proves the sync uses the same.
    """
    amounts = {name: str(value) for name, value in asdict(result).items()}
    conn.execute(
        statement("enqueue/counted"),
        {
            "queue_no": queue.queue_no,
            "scanned_count": result.scanned,
            "unchanged_count": result.unchanged,
            "note": Jsonb({"enqueued": amounts, "salt": salt}),
        },
    )
    gone = f", {result.deletions} gone from the store" if result.deletions else ""
    record_activity(
        conn,
        queue,
        "enqueue_completed",
        "success",
        f"{result.lines} lines to apply, {result.unchanged} records unchanged{gone}",
        amounts,
    )
    if unreadable:
        record_activity(
            conn,
            queue,
            "orders_unreadable",
            "warning",
            f"{len(unreadable)} orders cannot be read and count in no figure: "
            f"{', '.join(unreadable[:20])}",
            {"ids": unreadable},
        )
    if len(currencies) > 1:
        record_activity(
            conn,
            queue,
            "currencies_mixed",
            "warning",
            f"lifetime values add up {', '.join(currencies)} as if they were one currency",
            {"currencies": currencies},
        )


def made_before(note: Mapping[str, Any]) -> Enqueued:
    """What was made then, by the queue's note."""
    made: dict[str, Any] = note["extract_note"].get("enqueued", {})
    return Enqueued(
        scanned=int(made.get("scanned", 0)),
        lines=int(made.get("lines", 0)),
        unchanged=int(made.get("unchanged", 0)),
        unreadable_orders=int(made.get("unreadable_orders", 0)),
        lifetime_value_all_orders=Decimal(made.get("lifetime_value_all_orders", 0)),
        lifetime_value_paid_net=Decimal(made.get("lifetime_value_paid_net", 0)),
        guests=int(made.get("guests", 0)),
        deletions=int(made.get("deletions", 0)),
    )
