"""Which conflicts somebody means. Pure values.

Belongs here: the filter that listing, counting and deciding share. Does not: asking the database
(reading.py, resolving.py).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from psycopg import sql

from sync_pipeline.errors import InputError
from sync_pipeline.postgres.statements import statement

ConflictType = Literal[
    "DataMismatch", "DuplicateKey", "ValidationError", "AuthError", "RetryExhausted"
]
ConflictState = Literal["open", "resolved", "skipped"]

_NOTHING: Final = dict.fromkeys(
    (
        "ids", "connection_id", "entity", "external_id", "conflict_type", "state", "field",
        "created_before", "is_mismatch",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Chosen:
    """A filter over conflicts; what is None chooses nothing.

    Attributes:
        ids: these conflicts only.
        connection: name of one connection.
        external_id: conflicts about this record of the remote system.
        field: DataMismatch about this column of ours.
        created_before: opened at this moment or earlier; aware.
    """

    ids: tuple[UUID, ...] | None = None
    connection: str | None = None
    entity: str | None = None
    external_id: str | None = None
    conflict_type: ConflictType | None = None
    state: ConflictState | None = "open"
    field: str | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse a type or a state that there is not.

        Raises:
            InputError: which, and what there is.
        """
        for what, given, known in (
            ("type", self.conflict_type, get_args(ConflictType)),
            ("state", self.state, get_args(ConflictState)),
        ):
            if given is not None and given not in known:
                raise InputError(
                    f"{given!r} is no {what} of a conflict.", remedy=f"Known: {', '.join(known)}."
                )

    def values(self, connection_id: int | None, **more: Any) -> dict[str, Any]:  # noqa: ANN401
        """Values of chosen.sql.

        Args:
            connection_id: of the connection that is named, or of one after the other.
            more: is_mismatch, is_undecided, and what else the statement takes.
        """
        named = {name: value for name, value in asdict(self).items() if name in _NOTHING}
        ids = None if self.ids is None else list(self.ids)
        return {
            **_NOTHING, **named, "ids": ids, "connection_id": connection_id,
            "is_undecided": False, **more,
        }  # fmt: skip


def composed(name: str, target: str | None = None) -> sql.Composed:
    """A statement of `sql/conflicts/` over chosen conflicts.

    Args:
        target: our table, where the statement reads it.
    """
    parts: dict[str, sql.Composable] = {"chosen": sql.SQL(statement("conflicts/chosen"))}
    if target is not None:
        parts["target"] = sql.Identifier(target)
    return sql.SQL(statement(f"conflicts/{name}")).format(**parts)


def one_of(ids: Sequence[UUID]) -> Chosen:
    """These conflicts, whatever their state."""
    return Chosen(ids=tuple(ids), state=None)
