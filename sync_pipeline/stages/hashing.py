"""What landed for a queue, with the content hash that decides whether it changes anything.

Belongs here: `sql/enqueue/hashed.sql` composed for an entity, and whose pages it is about. Does
not: what is made of it: lines (enqueue.py), proofs (certificate.py, verification.py).
"""

from typing import Any, Final

from psycopg import sql

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.statements import statement
from sync_pipeline.stages.coverage import Coverage, landed_name, rescan_name, sweep_name

# Records that were fetched by id lie below the first page.
BELOW_ALL: Final = -1_000_000
_ABOVE_ALL: Final = 2_147_483_647


def hashed_records(entity: Entity) -> sql.Composed:
    """The statement, to stand where a table does."""
    enrichment = statement(entity.enrichment or "enqueue/no_enrichment")
    return sql.SQL(statement("enqueue/hashed")).format(enrichment=sql.SQL(enrichment))


def hashed_values(
    entity: Entity, found: Coverage, *, queue_no: int, connection_id: int, salt: str
) -> dict[str, Any]:
    """Its parameters, for all pages of a queue.

    Args:
        entity: of the queue.
        found: what its extract saw.
        queue_no: whose pages.
        connection_id: whose figures are added.
        salt: of the mapping that the hashes stand for.
    """
    return {
        "queue_no": queue_no,
        "connection_id": connection_id,
        "listing": landed_name(entity.listing, found),
        "prefix": entity.children_prefix,
        "guests": entity.guests_name,
        "rescan": rescan_listing(entity, found),
        "sweep_listing": sweep_name(entity.listing.name),
        "is_swept": found.is_swept,
        "salt": salt,
        "from_offset": BELOW_ALL,
        "to_offset": _ABOVE_ALL,
    }


def rescan_listing(entity: Entity, found: Coverage) -> str | None:
    """Under which name a slice landed that counts: none beside a whole reading, which is newer."""
    return rescan_name(entity.listing) if found.is_delta else None
