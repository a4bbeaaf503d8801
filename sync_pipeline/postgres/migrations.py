"""The schema's history: apply it, and take it back.

Belongs here: driving yoyo over `sql/migrations`, one caller at a time. Does not: what the schema
is (sql/), its views (views.py), whether a database has it (verification.py).

The one rule: a migration may be applied twice. yoyo records one after its transaction, so a crash
between the two applies it again.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from uuid import uuid4

import psycopg
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.migrations import MigrationList

from sync_pipeline.errors import DatabaseUnavailableError, DatabaseUnusableError
from sync_pipeline.postgres.statements import sql_directory
from sync_pipeline.postgres.urls import connect
from sync_pipeline.postgres.views import are_current, drop_views, make_views

_log = logging.getLogger(__name__)

_ADVISORY_LOCK = 7_310_911_846_021
# A migration waits this long for tables that are in use, or for another migration.
_LOCK_TIMEOUT_SECONDS = 60
_BOOKKEEPING = ("sync_migration", "sync_migration_log", "sync_migration_version")


@dataclass(frozen=True)
class _Target:
    """What yoyo calls a URI. Its text shows no secret."""

    url: str = field(repr=False)
    database: str = ""


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]
    """yoyo on our connections and names, without its lock table, its user and its DNS look-ups."""

    migration_table, log_table, version_table = _BOOKKEEPING

    def __init__(self, target: _Target, migration_table: str = _BOOKKEEPING[0]) -> None:
        super().__init__(target, migration_table)

    def connect(self, dburi: _Target) -> psycopg.Connection[tuple[object, ...]]:
        connection = psycopg.connect(dburi.url, autocommit=True, application_name="sync-pipeline")
        connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'")
        connection.add_notice_handler(_pass_on_warning)
        return connection

    @contextmanager
    def lock(self, timeout: float = 0) -> Iterator[None]:  # noqa: ARG002  (yoyo's signature)
        yield  # the advisory lock is held already

    def get_log_data(
        self, migration: object = None, operation: str = "apply"
    ) -> dict[str, str | datetime | None]:
        """One row of yoyo's log. yoyo's own asks the resolver for this host's name: seconds."""
        return {
            "id": str(uuid4()),
            "migration_id": getattr(migration, "id", None),
            "migration_hash": getattr(migration, "hash", None),
            "username": self.connection.info.user,
            "hostname": "",
            "created_at_utc": datetime.now(UTC).replace(tzinfo=None),
            "operation": operation,
        }


def migrate(url: str, directory: Path | None = None) -> list[str]:
    """Apply what is not applied yet, and make the views of today; callers may race.

    Args:
        url: libpq URL of a login that may make tables and roles.
        directory: of the migrations; those of the package when None.

    Returns:
        The ids that were applied, in order; empty when there was nothing to do.

    Raises:
        DatabaseUnusableError: a migration was refused; it left nothing behind, earlier ones stay.
        DatabaseUnavailableError: tables in use, or another migration, for longer than a minute.
        As `urls.connect`.
    """
    with _exclusive(url) as backend:
        pending = backend.to_apply(_read(directory))
        applied = []
        for migration in pending:
            with naming_refusals(migration.id):
                backend.apply_one(migration)
            applied.append(str(migration.id))
        if directory is None and (applied or not are_current(backend.connection)):
            with naming_refusals("the views"), backend.connection.transaction():
                make_views(backend.connection)
        return applied


def rollback(url: str, directory: Path | None = None) -> list[str]:
    """Drop the sync tables with all their rows, in one transaction; business tables stay.

    Not by yoyo, which parses every migration to put them in order: 1 s of the 1.3 s it took.

    Returns:
        The ids that were taken back, last first; empty when none was applied.

    Raises:
        DatabaseUnusableError: something was refused; everything stands as before.
        DatabaseUnavailableError: as `migrate`.
    """
    with _exclusive(url) as backend:
        connection = backend.connection
        applied = applied_ids(connection)
        files = [file for file in reversed(migration_files(directory)) if file.stem in applied]
        with connection.transaction():
            if directory is None:
                with naming_refusals("the views"):
                    drop_views(connection)
            for file in files:
                with naming_refusals(file.stem):
                    connection.execute(file.with_suffix(".rollback.sql").read_bytes())
            for table in _BOOKKEEPING:
                connection.execute(f"DROP TABLE IF EXISTS {table}")
        return [file.stem for file in files]


def migration_files(directory: Path | None = None) -> list[Path]:
    """The migrations, in the order of their numbers."""
    files = (directory or sql_directory() / "migrations").glob("*.sql")
    return sorted(file for file in files if not file.name.endswith(".rollback.sql"))


def applied_ids(connection: psycopg.Connection[tuple[object, ...]]) -> set[str]:
    """The ids that a database has recorded as applied."""
    found = connection.execute("SELECT to_regclass('sync_migration') IS NOT NULL").fetchone()
    if found != (True,):
        return set()
    rows = connection.execute("SELECT migration_id FROM sync_migration").fetchall()
    return {str(migration_id) for (migration_id,) in rows}


def require_applied(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Refuse a database that an older version migrated; one with newer migrations, or none, passes.

    Raises:
        DatabaseUnusableError: a migration of ours is missing there.
    """
    readable = connection.execute(
        "SELECT FROM pg_class WHERE oid = to_regclass(%s) AND has_table_privilege(oid, 'SELECT')",
        [_BOOKKEEPING[0]],
    )
    if readable.fetchone() is None or not (applied := applied_ids(connection)):
        return
    missing = [file.stem for file in migration_files() if file.stem not in applied]
    if missing:
        raise DatabaseUnusableError(
            f"The database was migrated by an older version: {', '.join(missing)} is not applied.",
            remedy="Run `sync-pipeline db migrate`.",
        )


@contextmanager
def naming_refusals(what: str) -> Iterator[None]:
    """Say which migration met a refusal of the database.

    Raises:
        As `migrate`.
    """
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise DatabaseUnavailableError(
            f"Waited {_LOCK_TIMEOUT_SECONDS} s to apply or take back {what}: "
            "its tables are in use, or another migration runs.",
            remedy="Stop the syncs, then try again.",
        ) from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnusableError(
            f"The login may not apply or take back {what}: {error.diag.message_primary}.",
            remedy="It must own the tables. The roles are made by it (CREATEROLE), or once by an "
            "administrator: CREATE ROLE sync_worker; CREATE ROLE sync_control; "
            "GRANT sync_worker, sync_control TO <login>;",
        ) from None
    except psycopg.Error as error:
        raise DatabaseUnusableError(
            f"The database refused {what}: {error.diag.message_primary or error}.",
            remedy=error.diag.message_hint or "",
        ) from error


def _read(directory: Path | None) -> MigrationList:
    return read_migrations(escape(str(directory or sql_directory() / "migrations")))


@contextmanager
def _exclusive(url: str) -> Iterator[_Backend]:
    """The backend, while no other process migrates this database."""
    with connect(url) as guard:
        guard.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'")
        with naming_refusals("the migrations"):
            guard.execute("SELECT pg_advisory_lock(%s)", [_ADVISORY_LOCK])
            with _Backend(_Target(url)) as backend:
                yield backend


def _pass_on_warning(notice: psycopg.errors.Diagnostic) -> None:
    if notice.severity_nonlocalized == "WARNING":
        _log.warning("%s", notice.message_primary)
