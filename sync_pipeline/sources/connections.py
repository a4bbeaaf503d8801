"""The remote systems that are registered: one connection per store and organization.

Belongs here: reading and writing `sync_connection`. Does not: talking to the remote system.
Secrets are not here: a connection names the environment variables that hold them.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from psycopg import Connection as SqlConnection
from psycopg.errors import InsufficientPrivilege
from psycopg.types.json import Jsonb

from sync_pipeline.errors import InputError, UnknownConnectionError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.redaction import never_show

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class SecretMissingError(InputError):
    """The environment variable that a connection names is not set."""

    code = "connection.secret_missing"


class ConnectionNameTakenError(InputError):
    """Another organization has a connection of that name."""

    code = "connection.name_taken"


@dataclass(frozen=True)
class Connection:
    """One registered remote system.

    Attributes:
        name: unique over all organizations; a Dagster partition key.
        base_url: of the site; the scheme `demo:` means the store that we serve ourselves.
        key_env, secret_env: names of environment variables, never their values.
        options: {"customer_role": "all"} reads every account, not only customers;
            {"include_guests": true} makes customers of who ordered without one.
        page_records: page size that this store managed last.
    """

    connection_id: int
    org_id: str
    name: str
    system: str
    base_url: str
    key_env: str
    secret_env: str
    options: Mapping[str, Any]
    page_records: int

    def keys(self, environ: Mapping[str, str] | None = None) -> tuple[str, str]:
        """Consumer key and secret, from the environment.

        Raises:
            SecretMissingError: a variable is unset or empty.
        """
        environ = os.environ if environ is None else environ
        missing = [name for name in (self.key_env, self.secret_env) if not environ.get(name)]
        if missing:
            are = "is" if len(missing) == 1 else "are"
            raise SecretMissingError(
                f"Connection {self.name} takes its keys from {self.key_env} and "
                f"{self.secret_env}, but {' and '.join(missing)} {are} not set.",
                remedy=f"export {missing[0]}=… and run the command again.",
            )
        keys = environ[self.key_env], environ[self.secret_env]
        never_show(*keys)
        return keys


def connect(
    database: Database,
    *,
    org_id: str,
    name: str,
    system: str,
    base_url: str,
    key_env: str,
    secret_env: str,
    options: Mapping[str, Any] | None = None,
) -> Connection:
    """Register a connection, or change the one of that name; the organization is made if absent.

    Raises:
        InputError: the name cannot be one.
        ConnectionNameTakenError: it belongs to another organization.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot name a connection.",
            remedy="Use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit.",
        )
    values = {
        "org_id": org_id,
        "name": name,
        "system": system,
        "base_url": base_url.rstrip("/"),
        "key_env": key_env,
        "secret_env": secret_env,
        "options": Jsonb(dict(options or {})),
    }
    try:
        with database.organization(org_id) as conn:
            conn.execute(statement("connections/organization"), {"org_id": org_id})
            row = conn.execute(statement("connections/connect"), values).fetchone()
    except InsufficientPrivilege:
        raise ConnectionNameTakenError(
            f"The connection name {name!r} is taken by another organization.",
            remedy="Names are unique over all organizations; choose another.",
        ) from None
    return _connection(cast(Mapping[str, Any], row))


def find_connection(database: Database, name: str) -> Connection:
    """The connection of that name, of whatever organization.

    Raises:
        UnknownConnectionError: there is none; says which there are.
    """
    with database.control() as conn:
        row = conn.execute(statement("connections/find"), {"name": name}).fetchone()
    if row is None:
        known = ", ".join(c.name for c in list_connections(database)[:20])
        raise UnknownConnectionError(
            f"There is no connection {name!r}.",
            remedy=f"Known: {known}." if known else "Register one: sync-pipeline connect.",
        )
    return _connection(row)


def list_connections(database: Database) -> list[Connection]:
    """Every active connection of every organization, by name."""
    with database.control() as conn:
        rows = conn.execute(statement("connections/list")).fetchall()
    return [_connection(row) for row in rows]


def remember_page_records(
    conn: SqlConnection[dict[str, Any]], connection_id: int, page_records: int
) -> None:
    """Keep the page size that the store managed, for the next sync."""
    conn.execute(
        statement("connections/remember_page_records"),
        {"connection_id": connection_id, "page_records": page_records},
    )


def _connection(row: Mapping[str, Any]) -> Connection:
    return Connection(**{name: row[name] for name in Connection.__dataclass_fields__})
