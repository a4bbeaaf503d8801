"""The views people read, made anew whenever a migration or their own text has changed.

Belongs here: applying and dropping `sql/views`. Does not: tables (migrations.py).

The one rule: a view only ever gets further columns, at its end. Then CREATE OR REPLACE always
works, and views that a company made over ours stay as they are.
"""

from hashlib import md5
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from sync_pipeline.postgres.statements import sql_directory

_Connection = psycopg.Connection[Any]


def view_files() -> list[Path]:
    """One view a file, in the order in which they can be made."""
    return sorted((sql_directory() / "views").glob("*.sql"))


def make_views(connection: _Connection) -> None:
    """Make every view, or replace it; the caller commits."""
    for file in view_files():
        connection.execute(file.read_bytes())
    first = sql.Identifier(_names()[0])
    connection.execute(
        sql.SQL("COMMENT ON VIEW {} IS {}").format(first, sql.Literal(_fingerprint()))
    )


def are_current(connection: _Connection) -> bool:
    """Whether every view is there and says what its file says."""
    row = connection.execute(
        "SELECT bool_and(to_regclass(name) IS NOT NULL),"
        " obj_description(to_regclass(min(name) FILTER (WHERE place = 1)))"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS view (name, place)",
        [_names()],
    ).fetchone()
    return row is not None and tuple(row) == (True, _fingerprint())


def drop_views(connection: _Connection) -> None:
    """Drop every view, last made first."""
    for name in reversed(_names()):
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(name)))


def _names() -> list[str]:
    return [file.stem.partition("_")[2] for file in view_files()]


def _fingerprint() -> str:
    texts = b"\0".join(file.read_bytes() for file in view_files())
    return f"sync-pipeline {md5(texts, usedforsecurity=False).hexdigest()}"
