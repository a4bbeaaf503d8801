"""What the pipeline is compared with inside PostgreSQL: one upsert, and COPY.

Belongs here: the tables shaped like ours and the plain statements on them. Does not: measuring.
"""

from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from benchmarks.landing import ORGANIZATION, QUEUE_NO
from benchmarks.throwaway import Connection
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.statements import statement

_COPIED = {
    "customer": "bench_customer",
    "sync_line": "bench_line",
    "sync_record": "bench_record",
    "sync_activity": "bench_activity",
}


def own_sql(name: str) -> str:
    """The text of a statement of the benchmarks."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text()


def make_tables(connection: Connection) -> None:
    """Tables shaped and indexed like those a sync writes; without row-level security."""
    for original, twin in _COPIED.items():
        connection.execute(
            sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(
                sql.Identifier(twin), sql.Identifier(original)
            )
        )


def empty_tables(connection: Connection) -> None:
    """Empty the twins."""
    for twin in _COPIED.values():
        connection.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(twin)))


def upsert_at_once(connection: Connection, *, caches: bool) -> int:
    """Upsert the landed records into the twin of customer, in one statement; rows written.

    Args:
        caches: planned as the server likes: it keeps every record in caches that never hit.
    """
    listed = sql.SQL(", ").join(map(sql.Identifier, CUSTOMERS.columns))
    excluded = sql.SQL(", ").join(sql.Identifier("excluded", name) for name in CUSTOMERS.columns)
    composed = sql.SQL(own_sql("one_upsert")).format(
        columns=listed,
        excluded_columns=excluded,
        projection=sql.SQL(statement(CUSTOMERS.projection)),
    )
    values = {
        "queue_no": QUEUE_NO,
        "listing": CUSTOMERS.listing.name,
        "org_id": ORGANIZATION,
        "lifetime_value_rule": "all_orders",
    }
    with connection.transaction():
        if not caches:
            connection.execute("SET LOCAL enable_memoize = off")
        return connection.execute(composed, values).rowcount


@dataclass(frozen=True)
class CopiedRows:
    """The rows of one table as COPY text, and the statement that takes them."""

    command: sql.Composed
    text: bytes


def read_out(connection: Connection, original: str) -> CopiedRows:
    """The rows of a table of the sync, for its twin; generated columns are left to the twin."""
    columns = [
        sql.Identifier(str(name))
        for (name,) in connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            [original],
        ).fetchall()
    ]
    listed = sql.SQL(", ").join(columns)
    with connection.cursor().copy(
        sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(listed, sql.Identifier(original))
    ) as copy:
        text = b"".join(bytes(chunk) for chunk in copy)
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(_COPIED[original]), listed)
    return CopiedRows(command, text)


def copy_in(connection: Connection, rows: CopiedRows) -> None:
    """COPY the rows into the twin, in one transaction."""
    with connection.cursor().copy(rows.command) as copy:
        copy.write(rows.text)
