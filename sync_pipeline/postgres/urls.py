"""Where the database is: its URL, a connection of one's own, and its place in words.

Belongs here: reading URLs, connecting outside the pool, naming a database without its password.
Does not: the pool (database.py), starting the embedded server (embedded.py).

The one rule: no text made here carries a user name or a password.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlencode

import psycopg
from psycopg import conninfo

from sync_pipeline.errors import DatabaseUnavailableError, DatabaseUnusableError, InputError
from sync_pipeline.postgres.embedded import create_database, ensure_embedded
from sync_pipeline.settings import DatabaseSettings

_PASSING_REFUSALS = ("starting up", "shutting down", "recovery", "too many", "slots are reserved")
_URL_FORM = (
    "It looks like postgresql://user:password@host:5432/database, with @ : / in words as %40 etc."
)


def database_url(settings: DatabaseSettings) -> str:
    """The libpq URL that the settings mean; without one the embedded server is started.

    Raises:
        EmbeddedServerError: no URL, and the embedded server cannot run.
    """
    if settings.url is None:
        return ensure_embedded(settings.local_dir)
    return settings.url.get_secret_value()


@contextmanager
def connect(
    url: str, timeout_seconds: int = 10
) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection in autocommit, closed at the end of the block.

    Raises:
        InputError: the URL is not one.
        DatabaseUnavailableError: nothing answers there.
        DatabaseUnusableError: it refuses the user, the password or the database.
    """
    where = place(url)
    try:
        connection = psycopg.connect(
            url,
            connect_timeout=timeout_seconds,
            autocommit=True,
            application_name="sync-pipeline",
        )
    except psycopg.OperationalError as error:
        refusal = _refusal(str(error))
        if refusal is None:
            raise unavailable(url, str(error).strip().splitlines()[0]) from None
        raise DatabaseUnusableError(
            f"{where} refuses the connection: {refusal}.",
            remedy="Check the user, the password and the name of the database in DATABASE_URL.",
        ) from None
    with connection:
        yield connection


def dagster_url(url: str, database: str = "dagster") -> str:
    """The SQLAlchemy URL of Dagster's storage, on the server of `url`; made if absent.

    It names psycopg2, because Dagster's NOTIFY fails on psycopg 3.

    Raises:
        DatabaseUnusableError: it is absent, and the login may not make databases.
        As `connect`.
    """
    with connect(url) as connection:
        try:
            create_database(connection, database)
        except psycopg.errors.InsufficientPrivilege:
            raise DatabaseUnusableError(
                f"There is no database {database} for Dagster, and the login may not make one.",
                remedy=f"Have an administrator run: CREATE DATABASE {database} OWNER <login>;",
            ) from None
    parts = conninfo.conninfo_to_dict(url)
    parts.pop("dbname", None)
    login = ":".join(
        quote(str(parts.pop(key)), safe="") for key in ("user", "password") if parts.get(key)
    )
    query = urlencode({key: value for key, value in parts.items() if value}, quote_via=quote)
    return f"postgresql+psycopg2://{login}@/{quote(database)}?{query}"


def place(url: str) -> str:
    """The database in words.

    Raises:
        InputError: the URL is not one.
    """
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # The parser quotes what it could not read, which may be a password.
        raise InputError("DATABASE_URL is not a PostgreSQL URL.", remedy=_URL_FORM) from None
    host = str(parts.get("host") or "the local socket")
    if "@" in host:
        raise InputError("DATABASE_URL has an @ in its password.", remedy=_URL_FORM)
    return f"The database {parts.get('dbname') or 'of the login'} on {host}"


def unavailable(url: str, what: str) -> DatabaseUnavailableError:
    """The error of a database that does not answer."""
    return DatabaseUnavailableError(
        f"{place(url)} does not answer: {what.rstrip('.')}.",
        remedy="Is it running, and is DATABASE_URL right?",
    )


def _refusal(words: str) -> str | None:
    """What the server said when it refused for good, or None when it did not."""
    for line in words.splitlines():
        _, fatal, reason = line.partition("FATAL:")
        if fatal and not any(phrase in reason for phrase in _PASSING_REFUSALS):
            return reason.strip()
    return None
