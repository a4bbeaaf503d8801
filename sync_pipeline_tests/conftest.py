"""A real PostgreSQL for every test, and organizations to work for.

The server is the one of DATABASE_URL, else an embedded one under `.local/test` that the workers of
a run share. Nothing touches a database that was there before: each worker makes databases of its
own and drops them. Tests of one module share a database, emptied before each.
"""

import logging
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, sql
from pydantic import SecretStr

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.embedded import ensure_embedded, leave_embedded
from sync_pipeline.postgres.migrations import migrate
from sync_pipeline.settings import DatabaseSettings

LOCAL_DIR = Path(__file__).parent.parent / ".local" / "test"

_EMPTY_WHAT_IS_FILLED = """
DO $$
DECLARE
    name text;
    filled boolean;
BEGIN
    -- Rows of a few tables go sooner than files are made anew, and warm plans stay.
    SET LOCAL session_replication_role = replica;
    FOR name IN
        SELECT quote_ident(relname) FROM pg_class
        -- Partitions, not what they are part of: fewer tables.
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
          AND relname NOT LIKE 'sync\\_migration%'
    LOOP
        EXECUTE 'SELECT EXISTS (SELECT FROM ' || name || ')' INTO filled;
        IF filled THEN
            EXECUTE 'DELETE FROM ' || name;
        END IF;
    END LOOP;
    PERFORM setval(seqrelid::regclass, seqstart, false) FROM pg_sequence
    JOIN pg_class ON pg_class.oid = seqrelid AND relnamespace = 'public'::regnamespace;
END $$
"""


def with_database(url: str, name: str) -> str:
    """The same server and login, another database."""
    return re.sub(r"^(postgres(?:ql)?://[^/?]*)/?[^?]*", rf"\1/{name}", url)


@pytest.fixture(autouse=True)
def _unconfigured_logs() -> None:
    """Logs as they are in a process that configured none: a command under test configures ours."""
    for name in ("sync_pipeline", "sync_pipeline.postgres"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.NOTSET)
        logger.handlers[:] = []


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """A login that may make databases. DATABASE_URL is hidden from the code under test."""
    given = os.environ.pop("DATABASE_URL", None)
    os.environ["SYNC_LOCAL_DIR"] = str(LOCAL_DIR)
    if given:
        yield given
        os.environ["DATABASE_URL"] = given
        return
    url = ensure_embedded(LOCAL_DIR)
    with psycopg.connect(url, autocommit=True) as connection:
        # Only speed: crashes of the server have tests with a server of their own.
        connection.execute("ALTER SYSTEM SET fsync = off")
        # It is counted like we are where a test looks at what is read (test_pruning.py).
        connection.execute("ALTER SYSTEM SET autovacuum = off")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    leave_embedded(LOCAL_DIR)


@pytest.fixture(scope="session")
def make_database(server_url: str) -> Iterator[Callable[..., str]]:
    """Make a database, as a copy of another if asked; all are dropped at the end."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        made = left_by_killed_runs(connection)

        def make(template: str = "template1") -> str:
            name = f"sync_test_{int(time.time())}_{uuid.uuid4().hex[:12]}"
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
            connection.execute(
                sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(
                    sql.Identifier(name)
                )
            )
            made.append(name)
            return with_database(server_url, name)

        yield make
        for name in made:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


@pytest.fixture(scope="session")
def migrated_template(make_database: Callable[..., str]) -> str:
    """The name of a migrated database that nobody connects to."""
    url = make_database()
    migrate(url)
    return str(conninfo.conninfo_to_dict(url)["dbname"])


@pytest.fixture
def empty_database_url(make_database: Callable[..., str]) -> str:
    """A database without any table, for one test."""
    return make_database()


@pytest.fixture
def own_database_url(make_database: Callable[..., str], migrated_template: str) -> str:
    """A migrated database for one test, which may change its schema."""
    return make_database(migrated_template)


@pytest.fixture(scope="module")
def module_database_url(make_database: Callable[..., str], migrated_template: str) -> str:
    return make_database(migrated_template)


@pytest.fixture(scope="module")
def module_database(module_database_url: str) -> Iterator[Database]:
    with Database.open(settings_for(module_database_url)) as database:
        yield database


@pytest.fixture
def database_url(module_database: Database) -> str:
    """A migrated database without rows."""
    with module_database.owner() as connection:
        connection.execute(_EMPTY_WHAT_IS_FILLED)
    return module_database.url


@pytest.fixture
def database_settings(database_url: str) -> DatabaseSettings:
    return settings_for(database_url)


@pytest.fixture
def database(module_database: Database, database_url: str) -> Database:
    """Its connections are warm from the test before."""
    return module_database


@pytest.fixture
def org_id(database: Database) -> str:
    return make_organization(database, "acme")


@pytest.fixture
def other_org_id(database: Database) -> str:
    return make_organization(database, "globex")


def left_by_killed_runs(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Databases of tests that were made hours ago."""
    rows = connection.execute(
        "SELECT datname FROM pg_database"
        " WHERE substring(datname from '^sync_test_([0-9]+)_')::bigint"
        "     < extract(epoch FROM now()) - 4 * 3600"
    ).fetchall()
    return [str(name) for (name,) in rows]


def settings_for(url: str) -> DatabaseSettings:
    """Settings as if DATABASE_URL were this."""
    return DatabaseSettings.model_validate({"DATABASE_URL": SecretStr(url)})


def make_organization(database: Database, org_id: str) -> str:
    """An organization that exists."""
    with database.owner() as connection:
        connection.execute(
            "INSERT INTO organization (id, name) VALUES (%s, %s)", [org_id, org_id.title()]
        )
    return org_id
