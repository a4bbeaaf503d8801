"""Whether a database has everything that the migrations make.

Belongs here: `verify`. Does not: applying (migrations.py).

Nothing is listed by hand: the migrations are applied once more in a scratch schema, in a
transaction that is rolled back, and what they made there is compared by name. A table of the
company's own is copied there first, so that only what we add to it is expected of it.
"""

from pathlib import Path

import psycopg
from psycopg import sql

from sync_pipeline.postgres.migrations import applied_ids, migration_files, naming_refusals
from sync_pipeline.postgres.statements import statement
from sync_pipeline.postgres.urls import connect
from sync_pipeline.postgres.views import make_views

_SCRATCH = "sync_verification"
_BUSINESS_TABLES = ("organization", "user", "customer")


def verify(url: str, directory: Path | None = None) -> list[str]:
    """Name everything that is missing.

    Args:
        url: libpq URL of a login that may migrate; a server in recovery cannot be verified.
        directory: of the migrations; those of the package when None.

    Returns:
        Such as `migration 0002_operations`, `column customer.segment`, `index x on y`,
        `policy p on t`, `role sync_worker`, sorted; empty when all is there.

    Raises:
        As `migrations.migrate`.
    """
    with connect(url) as connection:
        applied = applied_ids(connection)
        files = migration_files(directory)
        unapplied = {f"migration {file.stem}" for file in files if file.stem not in applied}
        with connection.transaction(force_rollback=True):
            missing = _missing_objects(connection, files, has_views=directory is None)
        return sorted(unapplied | _without_parts_of_missing(missing))


def _missing_objects(
    connection: psycopg.Connection[tuple[object, ...]], files: list[Path], *, has_views: bool
) -> set[str]:
    schema = _scalar(connection, "SELECT current_schema()")
    present = _objects(connection, schema)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(_SCRATCH)))
    for table in _BUSINESS_TABLES:
        if f"table {table}" in present:
            connection.execute(
                sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                    sql.Identifier(_SCRATCH, table), sql.Identifier(schema, table)
                )
            )
            if (
                f"row-level security on {table}" in present
                and f"policy sync_others on {table}" not in present
            ):
                # The company's own, which a copy lacks and the migrations look for.
                connection.execute(
                    sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(
                        sql.Identifier(_SCRATCH, table)
                    )
                )
    copied = _objects(connection, _SCRATCH)
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(_SCRATCH)))
    for file in files:
        with naming_refusals(f"{file.stem} in a scratch schema"):
            connection.execute(file.read_bytes())
    if has_views:
        make_views(connection)
    return _objects(connection, _SCRATCH) - copied - present


def _without_parts_of_missing(missing: set[str]) -> set[str]:
    """A missing table or view stands for its columns, indexes, policies and rights."""
    absent = {words.split(" ", 1)[1] for words in missing if words.startswith(("table ", "view "))}

    def whole(words: str) -> str:
        if words.startswith("column "):
            return words.removeprefix("column ").split(".")[0]
        return words.rsplit(" ", 1)[1]

    return {
        words
        for words in missing
        if words.startswith(("table ", "view ")) or whole(words) not in absent
    }


def _objects(connection: psycopg.Connection[tuple[object, ...]], schema: str) -> set[str]:
    rows = connection.execute(statement("catalog/objects"), {"schema": schema}).fetchall()
    return {str(words) for (words,) in rows}


def _scalar(connection: psycopg.Connection[tuple[object, ...]], query: str) -> str:
    row = connection.execute(query.encode()).fetchone()
    return str(row[0]) if row else ""
