"""The pool, and who a transaction is."""

import shutil
import time
import uuid

import psycopg
import pytest
import sqlalchemy

from sync_pipeline.errors import (
    DatabaseFullError,
    DatabaseUnavailableError,
    DatabaseUnusableError,
    InputError,
)
from sync_pipeline.postgres import database as database_module
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.migrations import migrate, migration_files
from sync_pipeline.postgres.urls import connect, dagster_url
from sync_pipeline_tests.conftest import settings_for, with_database


class TestOrganization:
    def test_given_a_transaction_of_an_organization_then_it_is_the_worker_in_that_organization(
        self, database, org_id
    ):
        with database.organization(org_id) as connection:
            row = connection.execute(
                "SELECT current_user AS role, current_setting('app.org_id') AS org_id,"
                " current_setting('TimeZone') AS zone,"
                " current_setting('plan_cache_mode') AS plans"
            ).fetchone()

        assert row == {
            "role": "sync_worker",
            "org_id": org_id,
            "zone": "UTC",
            "plans": "force_custom_plan",
        }

    def test_given_a_transaction_that_ended_then_nothing_of_it_stays_on_the_connection(
        self, database, org_id
    ):
        with database.organization(org_id, isolation="serializable"):
            pass
        with database.owner() as connection:
            row = connection.execute(
                "SELECT current_user = session_user AS is_login,"
                " coalesce(current_setting('app.org_id', true), '') AS org_id,"
                " current_setting('transaction_isolation') AS isolation"
            ).fetchone()

        assert row == {"is_login": True, "org_id": "", "isolation": "read committed"}

    def test_given_an_exception_in_the_block_then_its_changes_are_rolled_back(
        self, database, org_id
    ):
        def change_and_fail():
            with database.organization(org_id) as connection:
                connection.execute("UPDATE organization SET name = 'changed'")
                connection.execute("SELECT 1 / 0")

        with pytest.raises(psycopg.errors.DivisionByZero):
            change_and_fail()

        with database.organization(org_id) as connection:
            rows = connection.execute("SELECT name FROM organization").fetchall()
        assert rows == [{"name": org_id.title()}]


class TestControl:
    def test_given_no_organization_then_the_control_role_sees_no_business_rows(
        self, database, org_id
    ):
        with database.control() as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT FROM customer")


class TestOpen:
    @pytest.mark.parametrize(
        ("url", "error", "words"),
        [
            ("postgresql://u:hidden@127.0.0.1:1/x", DatabaseUnavailableError, "Connection refused"),
            ("postgresql://u:hidden@/x?host=/nowhere", DatabaseUnavailableError, "No such file"),
            ("http://u:hidden@127.0.0.1/x", InputError, "not a PostgreSQL URL"),
            ("postgresql://u:hid@den@127.0.0.1/x", InputError, "@ in its password"),
        ],
    )
    def test_given_a_url_that_leads_nowhere_then_the_error_says_so_without_the_password(
        self, url, error, words
    ):
        with pytest.raises(error, match=words) as caught:
            Database.open(settings_for(url))

        assert "hid" not in str(caught.value)

    def test_given_a_database_that_is_not_there_then_it_is_unusable(self, server_url):
        with pytest.raises(DatabaseUnusableError, match="does not exist"):
            Database.open(settings_for(with_database(server_url, "no_such_database")))

    def test_given_a_server_older_than_15_then_its_version_is_named(
        self, database_settings, monkeypatch
    ):
        monkeypatch.setattr(psycopg.ConnectionInfo, "server_version", 140_011)

        with pytest.raises(DatabaseUnusableError, match="runs PostgreSQL 14, and 15 is the oldest"):
            Database.open(database_settings)

    def test_given_a_database_that_is_not_migrated_then_the_remedy_is_to_migrate(
        self, empty_database_url
    ):
        def read():
            with database.organization("acme") as connection:
                connection.execute("SELECT FROM sync_queue")

        with (
            Database.open(settings_for(empty_database_url)) as database,
            pytest.raises(DatabaseUnusableError, match=r"not migrated.*db migrate"),
        ):
            read()

    def test_given_a_database_of_an_older_version_then_the_remedy_is_to_migrate(
        self, empty_database_url, tmp_path
    ):
        older, newest = tmp_path / "older", migration_files()[-1]
        shutil.copytree(newest.parent, older, ignore=shutil.ignore_patterns(f"{newest.stem}.*"))
        migrate(empty_database_url, older)

        with pytest.raises(DatabaseUnusableError, match=rf"{newest.stem}.*db migrate"):
            Database.open(settings_for(empty_database_url))

        Database.open(settings_for(empty_database_url), must_be_current=False).close()
        migrate(empty_database_url)
        Database.open(settings_for(empty_database_url)).close()


class TestLostConnections:
    def test_given_connections_that_the_server_cut_then_the_next_transaction_gets_a_new_one(
        self, database, org_id
    ):
        cut_connections(database)

        with database.organization(org_id) as connection:
            assert connection.execute("SELECT 1 AS one").fetchone() == {"one": 1}

    def test_given_a_connection_cut_during_a_transaction_then_the_error_is_transient(
        self, database, org_id
    ):
        def be_cut():
            with database.organization(org_id) as connection:
                cut_connections(database)
                connection.execute("SELECT 1")

        with pytest.raises(DatabaseUnavailableError, match="connection was lost"):
            be_cut()


class TestFullDisk:
    def test_given_no_room_then_the_error_passes_by_itself_and_names_the_place(
        self, database, org_id
    ):
        refuse = "DO $$ BEGIN RAISE disk_full USING MESSAGE = 'could not extend file'; END $$"
        with (
            pytest.raises(DatabaseFullError, match=r"no room on the disk of .*could not extend"),
            database.organization(org_id) as conn,
        ):
            conn.execute(refuse)


class TestFrozenProcesses:
    def test_given_a_process_that_stands_still_in_a_transaction_then_its_locks_are_set_free(
        self, database, org_id, monkeypatch
    ):
        monkeypatch.setattr(database_module, "_IDLE_SECONDS", 1)

        def stand_still():
            with database.organization(org_id) as frozen:
                frozen.execute("UPDATE organization SET name = 'frozen'")
                with database.owner() as other:
                    # Waits until the lock is given up.
                    other.execute("UPDATE organization SET name = 'changed'")
                frozen.execute("SELECT 1")

        with pytest.raises(DatabaseUnavailableError, match="connection was lost"):
            stand_still()

        with database.organization(org_id) as connection:
            rows = connection.execute("SELECT name FROM organization").fetchall()
        assert rows == [{"name": "changed"}]

    def test_a_worker_and_the_control_are_bound_and_the_owner_is_not(self, database, org_id):
        def limit(transaction):
            with transaction as connection:
                row = connection.execute(
                    "SELECT current_setting('idle_in_transaction_session_timeout') AS idle"
                ).fetchone()
            return row["idle"]

        bound = [limit(database.organization(org_id)), limit(database.control())]

        assert bound == ["10s", "10s"]
        assert limit(database.owner()) == "0"


class TestDagsterUrl:
    def test_given_a_url_then_sqlalchemy_reaches_a_database_of_its_own_by_psycopg2(
        self, database_url
    ):
        name = f"sync_test_{int(time.time())}_{uuid.uuid4().hex[:12]}"
        engine = sqlalchemy.create_engine(dagster_url(database_url, name))

        with engine.connect() as connection:
            found = connection.execute(sqlalchemy.text("SELECT current_database()")).scalar()
        engine.dispose()

        with connect(database_url) as connection:
            connection.execute(f"DROP DATABASE {name}")
        assert (engine.driver, found) == ("psycopg2", name)


def cut_connections(database):
    with connect(database.url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
