"""The schema's history: applied, verified, taken back, on empty databases and on lived-in ones."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from sync_pipeline.errors import DatabaseUnavailableError, DatabaseUnusableError
from sync_pipeline.postgres import migrations
from sync_pipeline.postgres.migrations import migrate, migration_files, rollback
from sync_pipeline.postgres.verification import verify
from sync_pipeline.postgres.views import are_current

ALL = [file.stem for file in migration_files()]

OLD_TABLES = """
    CREATE TABLE organization (id {key} PRIMARY KEY, name text NOT NULL, plan text);
    CREATE TABLE "user" (
        id {key} PRIMARY KEY, organization {key} REFERENCES organization, email text UNIQUE
    );
    CREATE TABLE customer (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), org_id {key} REFERENCES organization,
        name varchar(200) NOT NULL, email varchar(200), phone text, company text,
        lifetime_value numeric(12, 2) DEFAULT 0, segment text, status text, notes text,
        created_at timestamptz DEFAULT now()
    );
    CREATE TABLE invoice (id int PRIMARY KEY, customer_id uuid REFERENCES customer);
    INSERT INTO organization VALUES ({one}, 'Acme', 'gold'), ({two}, 'Globex', NULL);
    INSERT INTO "user" VALUES ({one}, {one}, 'a@acme.example');
    INSERT INTO customer (org_id, name, email, notes) VALUES
        ({one}, 'Ada', 'Ada@Example.com', 'first'), ({one}, 'Ada again', 'ada@example.com', 'twin'),
        ({two}, 'Bob', NULL, 'no mail');
    INSERT INTO invoice SELECT 1, id FROM customer WHERE name = 'Ada';
"""
KEYS = {
    "uuid": (
        "'00000000-0000-0000-0000-000000000001'",
        "'00000000-0000-0000-0000-000000000002'",
    ),
    "text": ("'acme'", "'globex'"),
    "bigint": ("1", "2"),
}

N_ROWS = 50_000
MANY_ROWS = f"""
    -- It reads rows as well.
    ALTER TABLE customer SET (autovacuum_enabled = off);
    ALTER TABLE sync_record SET (autovacuum_enabled = off);
    ALTER TABLE sync_activity_r0 SET (autovacuum_enabled = off);
    INSERT INTO organization (id, name) VALUES ('acme', 'Acme');
    INSERT INTO customer (org_id, name) SELECT 'acme', 'Ada' FROM generate_series(1, {N_ROWS});
    INSERT INTO sync_record (connection_id, entity, external_id, org_id, local_id, content_hash,
                             origin, origin_queue_no, applied_queue_no)
        SELECT 1, 'customers', n, 'acme', gen_random_uuid(), gen_random_uuid(), 'created', 1, 1
        FROM generate_series(1, {N_ROWS}) AS n;
    INSERT INTO sync_activity (queue_no, line_no, org_id, activity_type, status)
        SELECT 1, n, 'acme', 'record_created', 'success' FROM generate_series(1, {N_ROWS}) AS n;
"""


class TestMigrate:
    def test_given_an_empty_database_then_all_is_applied_once(self, empty_database_url):
        assert migrate(empty_database_url) == ALL
        assert migrate(empty_database_url) == []
        assert verify(empty_database_url) == []

    def test_given_callers_at_once_then_each_migration_is_applied_by_one_of_them(
        self, empty_database_url
    ):
        with ThreadPoolExecutor(4) as threads:
            applied = list(threads.map(migrate, [empty_database_url] * 4))

        assert sorted(name for names in applied for name in names) == ALL
        assert verify(empty_database_url) == []

    def test_given_a_crash_before_a_migration_was_recorded_then_it_is_applied_again(
        self, own_database_url
    ):
        run(own_database_url, "DELETE FROM sync_migration")

        assert migrate(own_database_url) == ALL
        assert verify(own_database_url) == []

    @pytest.mark.parametrize(
        "change",
        [
            "DROP VIEW woo_sync_activity",
            "COMMENT ON VIEW sync_queue_status IS 'of an older release'",
        ],
    )
    def test_given_views_of_an_older_release_then_they_are_made_anew(
        self, own_database_url, change
    ):
        run(own_database_url, change)

        assert migrate(own_database_url) == []

        with psycopg.connect(own_database_url) as connection:
            assert are_current(connection)

    def test_given_a_migration_that_fails_then_it_is_named_and_leaves_nothing(
        self, empty_database_url, tmp_path
    ):
        (tmp_path / "0001_good.sql").write_text("CREATE TABLE good (id int)")
        (tmp_path / "0002_bad.sql").write_text("CREATE TABLE half (id int); SELECT 1 / 0")

        with pytest.raises(DatabaseUnusableError, match="0002_bad: division by zero"):
            migrate(empty_database_url, tmp_path)

        assert tables(empty_database_url) >= {"good"}
        assert "half" not in tables(empty_database_url)

    def test_given_a_directory_with_brackets_and_spaces_then_its_migrations_are_found(
        self, empty_database_url, tmp_path
    ):
        directory = tmp_path / "a [b]"
        directory.mkdir()
        (directory / "0001_good.sql").write_text("CREATE TABLE good (id int)")

        assert migrate(empty_database_url, directory) == ["0001_good"]

    def test_given_another_migration_that_does_not_end_then_the_wait_is_bounded(
        self, empty_database_url, monkeypatch
    ):
        monkeypatch.setattr(migrations, "_LOCK_TIMEOUT_SECONDS", 1)
        with psycopg.connect(empty_database_url) as other:
            other.execute("SELECT pg_advisory_lock(%s)", [migrations._ADVISORY_LOCK])

            with pytest.raises(DatabaseUnavailableError, match="another migration runs"):
                migrate(empty_database_url)

    def test_given_the_finest_logging_then_no_line_holds_the_password(
        self, empty_database_url, caplog
    ):
        caplog.set_level(logging.DEBUG)
        url = empty_database_url + ("&" if "?" in empty_database_url else "?")
        url += "application_name=not-to-be-logged"

        migrate(url)

        assert "Applying" in caplog.text
        assert "not-to-be-logged" not in caplog.text


class TestVerify:
    def test_given_an_empty_database_then_migrations_and_tables_are_named(self, empty_database_url):
        missing = verify(empty_database_url)

        assert {f"migration {name}" for name in ALL} <= set(missing)
        assert {"table sync_queue", "table customer", "view woo_sync_activity"} <= set(missing)
        assert tables(empty_database_url) == set()

    @pytest.mark.parametrize(
        ("damage", "named"),
        [
            ("ALTER TABLE customer DROP COLUMN segment", "column customer.segment"),
            ("DROP INDEX sync_batch_open_idx", "index sync_batch_open_idx on sync_batch"),
            ("DROP TABLE sync_conflict", "table sync_conflict"),
            ("DROP VIEW woo_sync_activity", "view woo_sync_activity"),
            (
                "DROP POLICY sync_own_organization ON sync_line",
                "policy sync_own_organization on sync_line",
            ),
            (
                "ALTER TABLE sync_line DISABLE ROW LEVEL SECURITY",
                "row-level security on sync_line",
            ),
            (
                "DROP TRIGGER sync_activity_append_only ON sync_activity",
                "trigger sync_activity_append_only on sync_activity",
            ),
            (
                "REVOKE INSERT ON sync_activity FROM sync_worker",
                "right of sync_worker to insert sync_activity",
            ),
            ("DELETE FROM sync_migration WHERE migration_id = '0001_core'", "migration 0001_core"),
        ],
    )
    def test_given_something_was_removed_then_exactly_that_is_named(
        self, damage, named, own_database_url
    ):
        run(own_database_url, damage)

        assert verify(own_database_url) == [named]


class TestRollback:
    def test_given_a_migrated_database_then_only_the_sync_tables_go(self, own_database_url):
        run(own_database_url, "INSERT INTO organization (id, name) VALUES ('acme', 'Acme')")
        run(own_database_url, "INSERT INTO customer (org_id, name) VALUES ('acme', 'Ada')")

        taken_back = rollback(own_database_url)

        assert taken_back == ALL[::-1]
        assert tables(own_database_url) == {"organization", "user", "customer"}
        assert run(own_database_url, "SELECT name FROM customer") == [("Ada",)]

    def test_given_many_rows_then_no_more_is_read_than_without_any(
        self, make_database, migrated_template
    ):
        empty, filled = (make_database(migrated_template) for _ in range(2))
        run(filled, MANY_ROWS)
        read_before = {url: rows_read(url) for url in (empty, filled)}

        for url in (empty, filled):
            rollback(url)

        of_empty, of_filled = (rows_read(url) - read_before[url] for url in (empty, filled))
        assert run(filled, "SELECT count(*) FROM customer") == [(N_ROWS,)]
        # The catalogs are read as often, and the statements are the same.
        assert abs(of_filled - of_empty) < N_ROWS / 2

    def test_given_something_of_the_companys_needs_a_table_then_all_of_it_stays(
        self, own_database_url
    ):
        run(own_database_url, "CREATE VIEW company_report AS SELECT count(*) FROM sync_connection")
        before = tables(own_database_url)

        with pytest.raises(DatabaseUnusableError, match="0001_core"):
            rollback(own_database_url)

        assert tables(own_database_url) == before
        assert verify(own_database_url) == []

    def test_given_it_was_rolled_back_then_again_does_nothing_and_migrate_restores_all(
        self, own_database_url
    ):
        rollback(own_database_url)

        assert rollback(own_database_url) == []
        assert migrate(own_database_url) == ALL
        assert verify(own_database_url) == []


class TestLivedInDatabase:
    @pytest.mark.parametrize("key", list(KEYS))
    def test_given_the_companys_own_tables_then_migrating_there_and_back_loses_nothing(
        self, key, empty_database_url
    ):
        one, two = KEYS[key]
        run(empty_database_url, OLD_TABLES.format(key=key, one=one, two=two))
        before = contents(empty_database_url)

        migrate(empty_database_url)
        missing = verify(empty_database_url)
        migrated = contents(empty_database_url)
        rollback(empty_database_url)

        assert missing == []
        assert migrated == before
        assert contents(empty_database_url) == before


def contents(url):
    """The rows of the company's own columns."""
    return [
        run(url, query)
        for query in (
            "SELECT id, name, plan FROM organization ORDER BY name",
            'SELECT id, organization, email FROM "user"',
            "SELECT id, org_id, name, email, phone, company, lifetime_value, segment, status,"
            " notes, created_at FROM customer ORDER BY name",
            "SELECT id, customer_id FROM invoice",
        )
    ]


def tables(url):
    rows = run(
        url,
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')",
    )
    return {name for (name,) in rows}


def rows_read(url):
    """Rows and index entries that were read in this database by sessions that have ended."""
    for _ in range(500):
        (alone, n_read) = run(
            url,
            "SELECT NOT EXISTS (SELECT FROM pg_stat_activity"
            "   WHERE datname = current_database() AND pid <> pg_backend_pid()),"
            " (SELECT tup_returned FROM pg_stat_database WHERE datname = current_database())",
        )[0]
        if alone:
            return n_read
        time.sleep(0.01)
    raise TimeoutError


def run(url, text):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else None
