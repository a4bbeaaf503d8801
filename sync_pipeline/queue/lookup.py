"""Finding the queue that a person means by the first characters of its id.

Belongs here: from what was typed to one queue. Does not: finding by id, key or connection
(queues.py).
"""

import re
from uuid import UUID

from sync_pipeline.errors import InputError, UnknownQueueError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue, find_queue

_DIGITS = 32
_FEWEST_DIGITS = 4


def queue_meant(database: Database, typed: str) -> Queue:
    """The queue with this id, or the only one whose id begins so (four characters or more).

    Raises:
        InputError: neither an id nor the beginning of one, or several begin so.
        UnknownQueueError: none does.
    """
    lowest, highest = id_range(typed)
    with database.control() as conn:
        found = conn.execute(
            statement("queue/by_prefix"), {"lowest": lowest, "highest": highest}
        ).fetchall()
    if not found:
        raise UnknownQueueError(
            f"There is no queue {typed}.", remedy="See `sync-pipeline status --latest`."
        )
    if len(found) > 1:
        raise InputError(
            f"Several queues begin with {typed}, {found[0]['id']} for one.",
            remedy="Give more of the id: sync-pipeline status.",
        )
    return find_queue(database, str(found[0]["id"]))


def id_range(typed: str, what: str = "queue", listed_by: str = "status") -> tuple[UUID, UUID]:
    """The lowest and the highest id that begin with these characters. Pure.

    Args:
        what: whose id it should be.
        listed_by: the command that shows them.

    Raises:
        InputError: no id begins so.
    """
    digits = typed.strip().replace("-", "").lower()
    if not re.fullmatch(rf"[0-9a-f]{{{_FEWEST_DIGITS},{_DIGITS}}}", digits):
        raise InputError(
            f"{typed!r} is not {'an' if what[0] in 'aeiou' else 'a'} {what} id.",
            remedy=f"They are UUIDs, their first characters do: sync-pipeline {listed_by}.",
        )
    return UUID(digits.ljust(_DIGITS, "0")), UUID(digits.ljust(_DIGITS, "f"))
