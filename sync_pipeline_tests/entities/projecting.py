"""Running a projection or a derivation alone, as complete.sql and the stages would.

Belongs here: what is promised to a projection in `line`. Does not: assertions.
"""

import json
from collections.abc import Sequence
from typing import Any

from sync_pipeline.demo.recorded import LISTINGS_FILE, read_compressed
from sync_pipeline.entities.declaration import Entity
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.sources.connections import Connection
from sync_pipeline_tests.factories import Record

# Only what a projection is promised to find in `line`.
_LINES = """
WITH line AS MATERIALIZED (
    SELECT ordinality::integer AS line_no, item ->> 'id' AS external_id,
        md5(item::text)::uuid AS content_hash, 0::smallint AS error_count, item AS payload
    FROM jsonb_array_elements(%(records)s::jsonb) WITH ORDINALITY AS given (item, ordinality)
)
"""


def projected(
    database: Database, connection: Connection, entity: Entity, *records: Record, **values: Any
) -> list[Record]:
    """Rows of the entity's projection, in the order of the records."""
    query = f"{_LINES} SELECT * FROM ({statement(entity.projection)}) AS p ORDER BY line_no"
    given = {
        "records": json.dumps(records),
        "connection_id": connection.connection_id,
        "org_id": connection.org_id,
        **values,
    }
    with database.organization(connection.org_id) as conn:
        return [dict(one) for one in conn.execute(query, given).fetchall()]  # type: ignore[call-overload]


def derived(
    database: Database, connection: Connection, entity: Entity, changed_after: object = None
) -> list[Record]:
    """Rows (external_id, record, changed_at) of the entity's derivation."""
    assert entity.derivation is not None
    values = {"connection_id": connection.connection_id, "changed_after": changed_after}
    with database.organization(connection.org_id) as conn:
        return [dict(one) for one in conn.execute(statement(entity.derivation), values).fetchall()]


def recorded(name: str) -> list[Record]:
    """The recorded listing; variations of all products one after the other."""
    listed = read_compressed(LISTINGS_FILE)[name]
    if isinstance(listed, dict):
        return [record for under in listed.values() for record in under]
    return list(listed)


def asked_for(entity: Entity, records: Sequence[Record]) -> list[Record]:
    """The records as the store answers them to the entity's request: the asked fields only."""
    fields = set(entity.listing.fields)
    return [{k: v for k, v in one.items() if k in fields} for one in records]
