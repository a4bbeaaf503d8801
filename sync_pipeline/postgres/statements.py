"""The SQL files of `sql/`, by name.

One statement a file, headed by caller, index and reasons. Text is never built from strings: a
statement that is made for an entity is composed by `psycopg.sql` where its parts are declared.
"""

from functools import cache
from pathlib import Path

_IN_WHEEL = Path(__file__).parent.parent / "sql"
_IN_CHECKOUT = Path(__file__).parent.parent.parent / "sql"


def sql_directory() -> Path:
    """Where the SQL files are: inside the installed package, else beside it in a checkout."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`, e.g. `queue/claim`.

    Raises:
        FileNotFoundError: no such statement; a fault of the build.
    """
    return (sql_directory() / f"{name}.sql").read_text(encoding="utf-8")
