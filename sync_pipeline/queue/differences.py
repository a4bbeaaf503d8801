"""What a preview shows: how many records would change, and how.

Belongs here: reading it, whole or in part. Does not: deciding it (sql/queue/decide.sql), printing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue

_SHARE_ROWS: Final = 500


@dataclass(frozen=True)
class Counts:
    """Records by what would become of them.

    Attributes:
        read: different records that were read of the store.
        unchanged: what was read and changes nothing.
        in_conflict: only a person can decide, or two records have one key.
        failed: refused for another reason.
        is_complete: False: the reading was not proven whole; None: there is nothing to prove.
    """

    read: int
    created: int
    updated: int
    deleted: int
    unchanged: int
    in_conflict: int
    failed: int
    is_complete: bool | None

    @property
    def changes(self) -> int:
        """Rows of ours that would change."""
        return self.created + self.updated + self.deleted


@dataclass(frozen=True)
class Field:
    """One column that would change, or is in dispute.

    Attributes:
        before: as our row is; after: as it would be, or as the record is.
        base: in dispute: what both sides last had.
    """

    name: str
    before: Any
    after: Any
    base: Any = None


@dataclass(frozen=True)
class Difference:
    """What would become of one record.

    Attributes:
        what: created, updated, deleted, failed, superseded or unchanged.
        code, message: why, where it is not simply so.
        fields: those that would change; of a created row those that it has.
    """

    external_id: str
    what: str
    code: str | None
    message: str | None
    fields: tuple[Field, ...]

    @property
    def is_conflict(self) -> bool:
        """A person has to decide, or two records have one key."""
        return is_conflict(self.code)


def is_conflict(code: str | None) -> bool:
    """Whether a refusal is a conflict. Pure."""
    return code is not None and code.split(".")[0] in ("conflict", "duplicate")


def counts_of(database: Database, preview: Queue) -> Counts:
    """How many records would become what."""
    values = {"queue_no": preview.queue_no}
    with database.organization(preview.org_id) as conn:
        row = conn.execute(statement("preview/counts"), values).fetchone()
    assert row is not None  # noqa: S101  (the queue is at hand)
    return Counts(**row)


def some_differences(database: Database, preview: Queue, most: int) -> list[Difference]:
    """The first so many, what needs a person first."""
    values = {"queue_no": preview.queue_no, "most": most}
    with database.organization(preview.org_id) as conn:
        found = conn.execute(statement("preview/some"), values).fetchall()
    return [difference_from(row) for row in found]


def all_differences(database: Database, preview: Queue) -> Iterator[Difference]:
    """Every one, as they were found; memory stays flat."""
    with (
        database.organization(preview.org_id) as conn,
        conn.cursor(name="differences") as cursor,
    ):
        cursor.execute(statement("preview/all"), {"queue_no": preview.queue_no})
        while share := cursor.fetchmany(_SHARE_ROWS):
            for row in share:
                yield difference_from(row)


def difference_from(row: Mapping[str, Any]) -> Difference:
    """From a row of preview/*.sql. Pure."""
    before, after = row["before"] or {}, row["after"] or {}
    details = row["details"] or {}
    disputed: Mapping[str, Any] = details.get("fields") or {}
    fields = [Field(name, before.get(name), after.get(name)) for name in sorted(before | after)]
    fields += [
        Field(name, sides.get("ours"), sides.get("theirs"), sides.get("base"))
        for name, sides in sorted(disputed.items())
    ]
    return Difference(
        external_id=row["external_id"],
        what=row["what"],
        code=details.get("code"),
        message=row["message"],
        fields=tuple(fields),
    )
