"""The statements that decide about and apply a batch, composed for one entity.

Belongs here: from a declaration to SQL text. Does not: the shape of a declaration
(declaration.py), what the statements do (sql/queue/).

`decide.sql` is in all of them, so what is shown is what would be done.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal, LiteralString

from psycopg import sql

from sync_pipeline.postgres.ranges import table_of
from sync_pipeline.postgres.statements import statement

if TYPE_CHECKING:
    from sync_pipeline.entities.declaration import Entity

Operation = Literal["upsert", "checked", "change", "preview", "preview_change"]
"""What is done with a batch; `preview_change` is a change in a queue that only shows."""

_NOTHING: Final = sql.SQL("")
# What checked.sql hands on of `decided`; what it overrides is named there.
_HANDED_ON: Final = (
    "line_no", "external_id", "content_hash", "error_count", "current_id", "new_id", "target_id",
    "base", "ours", "theirs", "merged", "final", "disputed", "was_tombstone",
)  # fmt: skip


def composed(entity: "Entity", range_no: int, operation: Operation) -> sql.SQL:
    """The statement of an operation, on the tables of a range of queue numbers."""
    parts: dict[str, sql.Composable] = {
        "line": table_of("sync_line", range_no),
        "activity": table_of("sync_activity", range_no),
        "target": sql.Identifier(entity.target),
        "columns": _listed(entity),
        "excluded_columns": _listed(entity, "excluded"),
        "ours": _object(entity, "t"),
    }
    match operation:
        case "change":
            found = sql.SQL(statement("queue/change")).format(
                **parts,
                decide=_decided_change(parts, "FOR UPDATE", "FOR NO KEY UPDATE"),
                mixed_columns=_listed(entity, "mixed"),
                target_name=sql.Literal(entity.target),
            )
        case "preview_change":
            found = sql.SQL(statement("queue/preview_change")).format(
                **parts, decide=_decided_change(parts, "", "")
            )
        case "preview":
            found = sql.SQL(statement("queue/preview")).format(
                **parts, decide=_decided(entity, parts, is_preview=True), shown=_shown(entity)
            )
        case "checked":
            found = _completing(entity, parts, _checked(entity, parts))
        case "upsert":
            found = _completing(entity, parts, _decided(entity, parts))
    return sql.SQL(found.as_string())


def _decided_change(
    parts: Mapping[str, sql.Composable], row_lock: LiteralString, record_lock: LiteralString
) -> sql.Composed:
    return sql.SQL(statement("queue/decide_change")).format(
        line=parts["line"],
        target=parts["target"],
        ours=parts["ours"],
        row_lock=sql.SQL(row_lock),
        record_lock=sql.SQL(record_lock),
    )


def _completing(
    entity: "Entity", parts: Mapping[str, sql.Composable], decide: sql.Composable
) -> sql.Composed:
    return sql.SQL(statement("queue/complete")).format(
        **parts, decide=decide, final_columns=_final_columns(entity)
    )


def _decided(
    entity: "Entity",
    parts: Mapping[str, sql.Composable],
    *,
    name: str = "outcome",
    is_preview: bool = False,
) -> sql.Composed:
    """`queue/decide.sql`: for what applies, with locks; for a preview, with what else it shows."""
    modified = ("updated_at", *((entity.modified_column,) if entity.modified_column else ()))
    return sql.SQL(statement("queue/decide")).format(
        projection=sql.SQL(statement(entity.projection)),
        line=parts["line"],
        target=parts["target"],
        match_column=sql.Identifier(entity.match_column),
        modified_columns=sql.SQL(", ").join(sql.Identifier("t", one) for one in modified),
        ours=parts["ours"],
        theirs=_object(entity, "j"),
        is_superseded=_is_superseded(entity),
        is_newer=_is_newer(entity),
        row_lock=_NOTHING if is_preview else sql.SQL("FOR NO KEY UPDATE"),
        outcome=sql.SQL("decided" if is_preview else name),
        **_keys_in_preview(parts, is_shared=is_preview and entity.key_column is not None),
    )


def _keys_in_preview(
    parts: Mapping[str, sql.Composable], *, is_shared: bool
) -> dict[str, sql.Composable]:
    """Who has a key once the preview's other lines have happened; nothing where none can move."""
    if not is_shared:
        return {"unless_left": _NOTHING, "unless_retired": _NOTHING, "promised_to": sql.SQL("NULL")}
    return {
        name: sql.SQL(statement(f"queue/preview_{name}")).format(line=parts["line"])
        for name in ("unless_left", "unless_retired", "promised_to")
    }


def _checked(entity: "Entity", parts: Mapping[str, sql.Composable]) -> sql.Composed:
    """What is decided, unless a preview showed something else."""
    checked = sql.SQL(statement("queue/checked")).format(
        line=parts["line"],
        handed_on=sql.SQL(", ").join(
            sql.Identifier("s", name) for name in dict.fromkeys((*_HANDED_ON, *entity.columns))
        ),
    )
    decided = _decided(entity, parts, name="decided")
    return sql.SQL(",\n").join((decided, _shown(entity), checked))


def _shown(entity: "Entity") -> sql.Composed:
    """`queue/shown.sql`, with the key by which a record is found afterwards."""
    key: sql.Composable = sql.SQL("NULL::text")
    if entity.key_column is not None:
        held = "CASE d.result WHEN 'superseded' THEN d.ours ELSE d.final END ->> {}"
        key = sql.SQL(f"sync_email({held})").format(sql.Literal(entity.key_column))
    return sql.SQL(statement("queue/shown")).format(key=key)


def _final_columns(entity: "Entity") -> sql.Composed:
    """What a row gets: the record's values, or what sync_merge made of both sides."""
    return sql.SQL(", ").join(
        sql.SQL("CASE WHEN o.merged IS NULL THEN {} ELSE {} END").format(
            sql.Identifier("o", column), sql.Identifier("mixed", column)
        )
        for column in entity.columns
    )


def _is_superseded(entity: "Entity") -> sql.Composable:
    """Whether another queue has applied a later reading of the record since ours was opened."""
    if entity.modified_column is None:
        return sql.SQL("false")
    return sql.SQL(
        "coalesce(current.updated_at > %(opened_at)s AND (current.{column} > j.{column}"
        " OR current.{column} = j.{column} AND j.known_queue_no > %(queue_no)s), false)"
    ).format(column=sql.Identifier(entity.modified_column))


def _is_newer(entity: "Entity") -> sql.Composable:
    """Whether the record was changed after our row was.

    NULL where the store does not say, and where nobody dated the edit here: `updated_at` is then
    that of the last sync, and the edit may be younger than the record.
    """
    if entity.modified_column is None:
        return sql.SQL("NULL::boolean")
    return sql.SQL(
        "CASE WHEN current.updated_at > j.known_applied_at THEN j.{} > current.updated_at END"
    ).format(sql.Identifier(entity.modified_column))


def _listed(entity: "Entity", table: str | None = None) -> sql.Composed:
    names = [
        sql.Identifier(table, column) if table else sql.Identifier(column)
        for column in entity.columns
    ]
    return sql.SQL(", ").join(names)


def _object(entity: "Entity", table: str) -> sql.Composed:
    """A jsonb object of the columns of a table, under their own names."""
    pairs = [
        sql.SQL("{}, {}").format(sql.Literal(column), sql.Identifier(table, column))
        for column in entity.columns
    ]
    return sql.SQL("jsonb_build_object({})").format(sql.SQL(", ").join(pairs))
