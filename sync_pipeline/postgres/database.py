"""Connections to PostgreSQL, each transaction under a role and an organization.

Belongs here: the pool, who a transaction is, telling a database that is down from one that cannot
be used. Does not: statements, the schema (migrations.py), where the database is (urls.py).

The one rule: rows are reached as a role that row-level security binds, even when the login is a
superuser. `organization` sees one organization, `control` the control rows of all of them, `owner`
is the login itself, for migrations and retention. Every block is one transaction: it commits at
its end and rolls back when an exception leaves it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Literal, Self

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from sync_pipeline.errors import DatabaseFullError, DatabaseUnusableError
from sync_pipeline.postgres.embedded import ensure_embedded
from sync_pipeline.postgres.migrations import require_applied
from sync_pipeline.postgres.urls import connect, database_url, place, unavailable
from sync_pipeline.settings import DatabaseSettings

Isolation = Literal["read committed", "repeatable read", "serializable"]
DictConnection = psycopg.Connection[DictRow]

OLDEST_VERSION = 15
_WORKER_ROLE = "sync_worker"
_CONTROL_ROLE = "sync_control"
_VERSION_FACTOR = 10_000
# Statements of a transaction follow each other at once. A process that is frozen between two, or a
# host that is lost, keeps its locks no longer than this; `owner` is not bound.
_IDLE_SECONDS = 10
_LEVELS: dict[Isolation, IsolationLevel] = {
    "read committed": IsolationLevel.READ_COMMITTED,
    "repeatable read": IsolationLevel.REPEATABLE_READ,
    "serializable": IsolationLevel.SERIALIZABLE,
}
# Estimates of generic plans turn batches into nested loops, batch² (measured). To compile a
# statement takes longer than to run it: seconds for a proof, on servers that are built with LLVM.
_SESSION = """
    SELECT set_config('plan_cache_mode', 'force_custom_plan', false),
           set_config('jit', 'off', false),
           set_config('TimeZone', 'UTC', false)
"""


class Database:
    """A pool of connections to one database. Threads share it; forked processes do not."""

    def __init__(self, url: str, settings: DatabaseSettings) -> None:
        self.url = url
        self._settings = settings
        self._pool: ConnectionPool[DictConnection] = ConnectionPool(
            url,
            kwargs={
                "row_factory": dict_row,
                "application_name": "sync-pipeline",
                "connect_timeout": settings.connect_timeout_seconds,
            },
            min_size=0,
            max_size=settings.pool_max_connections,
            timeout=settings.connect_timeout_seconds,
            # An attempt that outlives its callers keeps newer ones from starting.
            reconnect_timeout=settings.connect_timeout_seconds,
            configure=_configure,
            check=ConnectionPool[DictConnection].check_connection,
            name="sync-pipeline",
            open=False,
        )

    @classmethod
    def open(cls, settings: DatabaseSettings, *, must_be_current: bool = True) -> Self:
        """Connect once and look, so that what is wrong is said now.

        Args:
            must_be_current: False for who is about to migrate it, or to look at what is missing.

        Raises:
            InputError: the URL is not one.
            DatabaseUnavailableError: nothing answers there.
            DatabaseUnusableError: it refuses us, is older than PostgreSQL 15, or was migrated by an
                older version of ours.
            EmbeddedServerError: no URL, and the embedded server cannot run.
        """
        url = database_url(settings)
        with connect(url, settings.connect_timeout_seconds) as connection:
            version = connection.info.server_version
            if must_be_current:
                require_applied(connection)
        if version < OLDEST_VERSION * _VERSION_FACTOR:
            raise DatabaseUnusableError(
                f"{place(url)} runs PostgreSQL {version // _VERSION_FACTOR}, "
                f"and {OLDEST_VERSION} is the oldest that is supported.",
                remedy="Upgrade it, or unset DATABASE_URL to use the embedded server.",
            )
        database = cls(url, settings)
        database._pool.open()
        return database

    @contextmanager
    def organization(
        self,
        org_id: str,
        *,
        isolation: Isolation = "read committed",
        waits_for_disk: bool = True,
    ) -> Iterator[DictConnection]:
        """One transaction that sees the rows of one organization and no others.

        Args:
            org_id: key of the organization.
            isolation: level of this transaction.
            waits_for_disk: False returns from the commit before it is on the disk. A crash of the
                server may then lose this commit and those after it, never those before it, and
                never a part of one. Any later commit that waits makes it durable.

        Raises:
            DatabaseUnavailableError: no connection, or it was lost.
            DatabaseFullError: no room left.
            DatabaseUnusableError: not migrated.
        """
        with self._transaction(isolation) as connection:
            _become(connection, _WORKER_ROLE, org_id, waits_for_disk=waits_for_disk)
            yield connection

    @contextmanager
    def control(self) -> Iterator[DictConnection]:
        """One transaction over the control rows of all organizations; no business rows.

        Raises:
            As `organization`.
        """
        with self._transaction("read committed") as connection:
            _become(connection, _CONTROL_ROLE, "")
            yield connection

    @contextmanager
    def owner(self) -> Iterator[DictConnection]:
        """One transaction as the login role: migrations, partitions, retention.

        Raises:
            As `organization`.
        """
        with self._transaction("read committed") as connection:
            yield connection

    def close(self) -> None:
        """Give the connections back; the object is of no use after."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _transaction(self, isolation: Isolation) -> Iterator[DictConnection]:
        connection = self._checkout()
        try:
            connection.isolation_level = _LEVELS[isolation]
            with connection.transaction():
                yield connection
        except psycopg.errors.DiskFull as error:
            raise DatabaseFullError(
                f"There is no room on the disk of {place(self.url)}: {error.diag.message_primary}",
                remedy="Free some space there; what stopped goes on by itself then.",
            ) from error
        except psycopg.errors.UndefinedTable as error:
            raise _not_migrated(str(error.diag.message_primary)) from error
        except psycopg.Error as error:
            if connection.broken:
                raise unavailable(self.url, "The connection was lost") from error
            raise
        finally:
            self._pool.putconn(connection)

    def _checkout(self) -> DictConnection:
        try:
            return self._pool.getconn()
        except PoolTimeout:
            if self._settings.url is not None:
                raise unavailable(self.url, "No connection in time") from None
        # The keeper restarts the embedded server; this covers a keeper that was killed as well.
        ensure_embedded(self._settings.local_dir)
        try:
            return self._pool.getconn()
        except PoolTimeout:
            raise unavailable(self.url, "No connection in time") from None


def _configure(connection: DictConnection) -> None:
    connection.execute(_SESSION)
    connection.commit()


def _become(
    connection: DictConnection, role: str, org_id: str, *, waits_for_disk: bool = True
) -> None:
    try:
        connection.execute(
            "SELECT set_config('role', %s, true), set_config('app.org_id', %s, true),"
            " set_config('idle_in_transaction_session_timeout', %s, true),"
            " set_config('synchronous_commit',"
            " CASE WHEN %s THEN current_setting('synchronous_commit') ELSE 'off' END, true)",
            [role, org_id, f"{_IDLE_SECONDS}s", waits_for_disk],
        )
    except psycopg.errors.InvalidParameterValue:
        raise _not_migrated(f"role {role} does not exist") from None
    except psycopg.errors.InsufficientPrivilege:
        raise DatabaseUnusableError(
            f"The login may not act as {role}.",
            remedy=f"Have an administrator run: GRANT {_WORKER_ROLE}, {_CONTROL_ROLE} TO <login>;",
        ) from None


def _not_migrated(detail: str) -> DatabaseUnusableError:
    return DatabaseUnusableError(
        f"The database is not migrated: {detail}.", remedy="Run `sync-pipeline db migrate`."
    )
