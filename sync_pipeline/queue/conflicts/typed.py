"""From what a person typed to values of our columns.

Belongs here: refusing what no column takes, with the database's own reason. Does not: who decides
what (deciding.py).
"""

import json
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement


class ValueInvalidError(InputError):
    """What was typed is no value of the column."""

    code = "conflict.value_invalid"


def require_columns(entity: Entity, names: tuple[str, ...]) -> None:
    """Refuse what is no synced column.

    Raises:
        InputError: which, and which there are.
    """
    if odd := [name for name in names if name not in entity.columns]:
        raise InputError(
            f"{entity.name} have no field {', '.join(odd)}.",
            remedy=f"They have {', '.join(entity.columns)}.",
        )


def typed_values(conn: DictConnection, entity: Entity, given: Mapping[str, str]) -> dict[str, Any]:
    """Column -> value as JSON, by the column's type. Nothing typed is nothing (NULL).

    Lists and objects are typed as JSON; a list also as words with commas between.

    Raises:
        ValueInvalidError: no value of that column; says why.
    """
    if not given:
        return {}
    found = conn.execute(statement("report/columns"), {"table": entity.target}).fetchall()
    columns = {row["name"]: row for row in found}
    raw = {name: _raw(columns[name], name, text) for name, text in given.items()}
    query = sql.SQL(statement("conflicts/typed")).format(target=sql.Identifier(entity.target))
    try:
        with conn.transaction():
            row = conn.execute(query, {"values": Jsonb(raw)}).fetchone()
    except psycopg.errors.DataError as error:
        raise ValueInvalidError(
            f"{', '.join(given)}: {error.diag.message_primary}.", remedy="Nothing was done."
        ) from None
    assert row is not None  # noqa: S101  (a function's row)
    return {name: row["row"][name] for name in given}


def _raw(column: Mapping[str, Any], name: str, text: str) -> object:
    """What jsonb_populate_record takes for the column. Pure."""
    if not text:
        if column["is_required"]:
            raise ValueInvalidError(f"{name} cannot be nothing.", remedy="Nothing was done.")
        return None
    if column["type"] not in ("jsonb", "json") and not column["type"].endswith("[]"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        if column["type"].endswith("[]"):
            return [part.strip() for part in text.split(",") if part.strip()]
        raise ValueInvalidError(
            f"{name} takes JSON, and {text!r} is none.", remedy="Nothing was done."
        ) from None
