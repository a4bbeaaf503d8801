"""What a refusal of the database says: try again, stop, or look for the line.

Belongs here: sorting the errors that applying a batch may raise. Does not: what is done then
(upsert.py).
"""

import psycopg
from psycopg import errors

from sync_pipeline.errors import DatabaseUnusableError

PASSING = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    # A race on a key: on the next try the other transaction's row is there to be seen.
    errors.UniqueViolation,
)
"""Worth another try at once."""


def is_about_the_connection(error: psycopg.Error) -> bool:
    """Whether no other batch would fare better: the server is gone, full, stopping.

    A limit of the program (54000: a value too large for an index) is an OperationalError to
    psycopg, and yet about one row.
    """
    if isinstance(error, errors.ProgramLimitExceeded):
        return False
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))


def is_about_the_statement(error: psycopg.Error) -> bool:
    """Whether every line would be refused: a right or a column is missing, a type is another.

    A trigger or function of the company's own may raise the same codes about one row; then the
    error says in whose context it came.
    """
    return isinstance(error, psycopg.ProgrammingError) and error.diag.context is None


def unusable(error: psycopg.Error) -> DatabaseUnusableError:
    """What to tell a person about a database that would refuse every line."""
    return DatabaseUnusableError(
        f"The database refuses every line: {error.diag.message_primary or type(error).__name__}.",
        remedy="See what is missing with `sync-pipeline db verify`; the sync then goes on where it "
        "stopped.",
    )


def code_of(error: psycopg.Error) -> str:
    """The stable code of an error about one line."""
    return f"sql.{error.sqlstate or 'unknown'}"


def said(error: psycopg.Error) -> str:
    """What the database said, without the row it said it about."""
    return f"the database refused it: {error.diag.message_primary or type(error).__name__}"
