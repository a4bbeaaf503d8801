"""The worker cannot reach another organization's rows, in any table, even without a WHERE.

Tables, columns and allowed values are read from the catalog, so a new table is covered by itself.
"""

import re
import uuid

import psycopg
import pytest
from psycopg import sql

ORGANIZATIONS = ("acme", "globex")

TENANT_TABLES = """
    SELECT c.relname AS name, CASE c.relname WHEN 'organization' THEN 'id' ELSE 'org_id' END AS key
    FROM pg_class AS c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND NOT c.relispartition
      AND (c.relname = 'organization' OR EXISTS (
          SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'org_id'
      ))
    ORDER BY c.relname
"""

# What an INSERT has to say: no default, not null, not generated.
NEEDED_COLUMNS = """
    SELECT a.attname AS name, format_type(coalesce(nullif(t.typbasetype, 0), t.oid), -1) AS type,
           (SELECT pg_get_constraintdef(k.oid) FROM pg_constraint AS k
            WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
            LIMIT 1) AS allowed
    FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
      AND (a.attnotnull OR a.attname = 'org_id')
      AND NOT a.atthasdef AND a.attidentity = ''
"""


@pytest.fixture
def tables(database):
    """Tables of tenants, each with one row of either organization."""
    with database.owner() as connection:
        connection.execute("SET LOCAL session_replication_role = replica")  # no foreign keys
        tables = connection.execute(TENANT_TABLES).fetchall()
        for table in tables:
            for number, org_id in enumerate(ORGANIZATIONS, start=1):
                insert_row(connection, table, number, org_id)
    return tables


class TestWorker:
    def test_given_the_tables_of_the_design_then_all_are_covered(self, tables):
        assert {
            "organization", "user", "customer", "sync_connection", "sync_record", "sync_queue",
            "sync_batch", "sync_line", "sync_activity", "sync_conflict",
        } <= {table["name"] for table in tables}  # fmt: skip

    def test_given_a_forgotten_where_then_only_rows_of_the_organization_are_read(
        self, database, tables
    ):
        read = {table["name"]: read_all(database, ORGANIZATIONS[0], table) for table in tables}

        assert read == {table["name"]: [ORGANIZATIONS[0]] for table in tables}

    def test_given_no_organization_then_nothing_is_read(self, database, tables):
        read = {table["name"]: read_all(database, "", table) for table in tables}

        assert read == {table["name"]: [] for table in tables}

    def test_given_rows_of_another_organization_then_none_can_be_changed_or_removed(
        self, database, tables
    ):
        for table in tables:
            for text in (UPDATE_ANOTHER, DELETE_ANOTHER):
                attempt(database, text, table)

        with database.owner() as connection:
            left = {table["name"]: keys(connection, table) for table in tables}
        assert left == {table["name"]: list(ORGANIZATIONS) for table in tables}

    def test_given_a_row_for_another_organization_then_it_cannot_be_written(self, database, tables):
        for table in tables:
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege),
                database.organization(ORGANIZATIONS[0]) as connection,
            ):
                insert_row(connection, table, 3, ORGANIZATIONS[1])


class TestCatalog:
    def test_given_a_table_the_worker_may_use_then_row_level_security_is_on(self, database):
        with database.owner() as connection:
            bare = connection.execute(
                "SELECT relname FROM pg_class"
                " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
                " AND has_table_privilege('sync_worker', oid, 'SELECT, INSERT, UPDATE, DELETE')"
                " AND NOT relrowsecurity"
            ).fetchall()

        assert bare == []

    def test_given_a_view_then_it_runs_with_the_rights_of_who_asks(self, database):
        with database.owner() as connection:
            views = connection.execute(
                "SELECT relname, reloptions FROM pg_class"
                " WHERE relnamespace = 'public'::regnamespace AND relkind = 'v'"
            ).fetchall()

        assert len(views) >= 4
        assert [
            view["relname"]
            for view in views
            if "security_invoker=true" not in (view["reloptions"] or [])
        ] == []

    def test_given_the_roles_then_neither_bypasses_row_level_security_nor_owns_a_table(
        self, database
    ):
        with database.owner() as connection:
            privileged = connection.execute(
                "SELECT rolname FROM pg_roles WHERE rolname IN ('sync_worker', 'sync_control')"
                " AND (rolbypassrls OR rolsuper"
                "      OR EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid))"
            ).fetchall()

        assert privileged == []


CONTROLLED = (
    "sync_batch",
    "sync_call_stat",
    "sync_circuit",
    "sync_connection",
    "sync_counter",
    "sync_orchestration",
    "sync_orchestration_item",
    "sync_queue",
    "sync_throttle",
)


class TestControl:
    def test_given_the_control_role_then_it_reads_queues_of_all_and_records_of_none(
        self, database, tables
    ):
        readable = {}
        for table in tables:
            try:
                with database.control() as connection:
                    readable[table["name"]] = keys(connection, table)
            except psycopg.errors.InsufficientPrivilege:
                continue

        assert readable == {name: list(ORGANIZATIONS) for name in CONTROLLED}


UPDATE_ANOTHER = sql.SQL("UPDATE {table} SET {key} = {key} WHERE {key} = {other}")
DELETE_ANOTHER = sql.SQL("DELETE FROM {table} WHERE {key} = {other}")


def attempt(database, text, table):
    """Run it as the worker of the first organization; a refusal is as good as no row."""
    query = text.format(
        table=sql.Identifier(table["name"]),
        key=sql.Identifier(table["key"]),
        other=sql.Literal(ORGANIZATIONS[1]),
    )
    try:
        with database.organization(ORGANIZATIONS[0]) as connection:
            assert connection.execute(query).rowcount == 0, table["name"]
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.RestrictViolation):
        return


def read_all(database, org_id, table):
    with database.organization(org_id) as connection:
        return keys(connection, table)


def keys(connection, table):
    query = sql.SQL("SELECT {key}::text AS key FROM {table} ORDER BY 1").format(
        key=sql.Identifier(table["key"]), table=sql.Identifier(table["name"])
    )
    return [row["key"] for row in connection.execute(query).fetchall()]


def insert_row(connection, table, number, org_id):
    """A row with the least that the table accepts."""
    name = sql.Identifier(table["name"])
    columns = connection.execute(NEEDED_COLUMNS, [name.as_string()]).fetchall()
    values = {
        column["name"]: org_id
        if column["name"] == table["key"]
        else made_value(column["type"], column["allowed"], number)
        for column in columns
    }
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
            name,
            sql.SQL(", ").join(map(sql.Identifier, values)),
            sql.SQL(", ").join(sql.Placeholder() * len(values)),
        ),
        list(values.values()),
    )


def made_value(type_name, allowed, number):
    """Some value of a column, unlike that of another row where it may be."""
    listed = re.search(r"= ANY \(+ARRAY\['(\w+)'", allowed or "")
    if listed:
        return listed.group(1)
    by_type = {
        "text": f"made-{number}",
        "uuid": uuid.uuid4(),
        "jsonb": "{}",
        "boolean": False,
        "timestamp with time zone": "2026-01-01T00:00:00Z",
        "date": "2026-01-01",
    }
    return [] if type_name.endswith("[]") else by_type.get(type_name, number)
