"""A login that is no superuser and may make no roles, and a company with policies of its own."""

import uuid
from urllib.parse import quote

import psycopg
import pytest
from psycopg import conninfo, sql

from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.migrations import migrate, migration_files, rollback
from sync_pipeline.postgres.verification import verify
from sync_pipeline_tests.conftest import settings_for

ALL = [file.stem for file in migration_files()]

GUARDED_TABLES = """
    CREATE TABLE organization (id text PRIMARY KEY, name text NOT NULL);
    CREATE TABLE "user" (id int PRIMARY KEY, company text, email text);
    CREATE TABLE customer (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), org_id text NOT NULL,
        name text NOT NULL, email text);
    ALTER TABLE customer ENABLE ROW LEVEL SECURITY;
    CREATE POLICY tenant ON customer USING (org_id = current_setting('my.tenant', true));
    INSERT INTO organization VALUES ('a', 'A'), ('b', 'B');
    INSERT INTO customer (org_id, name) VALUES ('a', 'Ada'), ('b', 'Bob');
"""


@pytest.fixture
def login(server_url, migrated_template):
    """An ordinary role of the server; the roles of the sync are there already."""
    name = f"sync_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), name)
        )
        yield name
        for (database,) in connection.execute(
            "SELECT datname FROM pg_database WHERE pg_get_userbyid(datdba) = %s", [name]
        ).fetchall():
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database))
            )
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def owned_url(login, empty_database_url):
    """An empty database that the role owns, with every statement under that role."""
    run(empty_database_url, f"ALTER DATABASE {database_of(empty_database_url)} OWNER TO {login}")
    mark = "&" if "?" in empty_database_url else "?"
    return f"{empty_database_url}{mark}options={quote(f'-c role={login}')}"


class TestMigrate:
    def test_given_an_administrator_made_and_granted_the_roles_then_no_right_to_make_them_is_needed(
        self, login, owned_url, server_url
    ):
        run(server_url, f"GRANT sync_worker, sync_control TO {login}")

        assert migrate(owned_url) == ALL
        assert verify(owned_url) == []
        assert rollback(owned_url) == ALL[::-1]

    def test_given_the_roles_were_not_granted_then_it_says_what_an_administrator_does(
        self, owned_url
    ):
        with pytest.raises(DatabaseUnusableError, match="GRANT sync_worker, sync_control"):
            migrate(owned_url)


class TestOrganization:
    def test_given_a_login_that_may_not_become_the_worker_then_it_says_what_an_administrator_does(
        self, login, own_database_url
    ):
        url = conninfo.make_conninfo(own_database_url, user=login, password=login)
        database = Database(url, settings_for(own_database_url))
        database._pool.open()

        with (
            database,
            pytest.raises(DatabaseUnusableError, match="GRANT sync_worker, sync_control"),
            database.organization("acme"),
        ):
            pass


class TestCompanyWithPolicies:
    def test_given_policies_of_its_own_then_migrating_shows_nobody_more_rows(
        self, login, empty_database_url
    ):
        run(empty_database_url, GUARDED_TABLES + "GRANT SELECT ON customer TO PUBLIC")

        migrate(empty_database_url)
        seen = names(empty_database_url, role=login, tenant="a")
        missing = verify(empty_database_url)
        rollback(empty_database_url)

        assert seen == ["Ada"]
        assert missing == []
        assert names(empty_database_url, role=login, tenant="a") == ["Ada"]

    def test_given_policies_of_its_own_then_they_show_the_worker_no_other_organization(
        self, empty_database_url
    ):
        run(empty_database_url, GUARDED_TABLES)
        migrate(empty_database_url)

        assert names(empty_database_url, role="sync_worker", tenant="b", org_id="a") == ["Ada"]

    def test_given_users_of_no_known_organization_then_the_worker_reads_none(
        self, empty_database_url
    ):
        run(empty_database_url, GUARDED_TABLES)
        migrate(empty_database_url)

        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(empty_database_url, 'SET ROLE sync_worker; SELECT email FROM "user"')


def names(url, *, role, tenant, org_id=""):
    """Whom a role sees in customer."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "SELECT set_config('role', %s, true), set_config('my.tenant', %s, true),"
            " set_config('app.org_id', %s, true)",
            [role, tenant, org_id],
        )
        return [name for (name,) in connection.execute("SELECT name FROM customer ORDER BY name")]


def database_of(url):
    return conninfo.conninfo_to_dict(url)["dbname"]


def run(url, text):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(text)
