"""`sync-pipeline demo`: everything once, from nothing.

Belongs here: database up, migrated, demo store connected, synced, summed up; `dev` begins with it
too. Does not: how each of these is done.
"""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from sync_pipeline.cli import failures, output, summary_all
from sync_pipeline.cli.launching_all import AllOrder, run_all
from sync_pipeline.cli.output import said
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.migrations import migrate
from sync_pipeline.postgres.urls import place
from sync_pipeline.queue.orchestrations import Moment, moment_of
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.stages.opening import connect_demo

if TYPE_CHECKING:
    from sync_pipeline.orchestration.reports import SyncReport

app = typer.Typer(add_completion=False)

_NEXT = (
    ("dev", "the same in the Dagster UI, on http://127.0.0.1:3000"),
    ("orchestrations list", "this sync and those before it"),
    ("report demo", "customers, revenue by month, stock below zero"),
    ("explain demo customers 3", "why a record is as it is"),
    ("sync demo", "again: nothing to change, 0 lines"),
    ("db psql", "the tables: customer, sales_order, sync_queue_status, sync_activity"),
    ("connect woocommerce --help", "your own store"),
)


@app.command()
def demo(*, as_json: output.AsJson = False) -> None:
    """Sync the demo store into PostgreSQL, through Dagster, and say what happened.

    Without DATABASE_URL an embedded PostgreSQL is used. Run it again: nothing is left to change.
    """
    settings = DatabaseSettings()
    with prepared(settings, is_quiet=as_json) as database:
        now, reports = sync_demo(settings, database, is_quiet=as_json)
        if as_json:
            output.print_json(summary_all.as_document(now, reports))
        else:
            summary_all.print_reports(now, reports)
            _print_next()
    if not summary_all.is_success(now, reports):
        raise typer.Exit(failures.FAILED)


@contextmanager
def prepared(settings: DatabaseSettings, *, is_quiet: bool) -> Iterator[Database]:
    """The database, up and migrated, with the demo store connected; closed after the block.

    Raises:
        SyncError: the database is down, too old, full, or not ours to change.
    """
    console = Console(quiet=True) if is_quiet else output.stdout()
    began = time.monotonic()
    with Database.open(settings, must_be_current=False) as database:
        console.print(f"{_where(settings, database.url)} ({_since(began)})")
        began = time.monotonic()
        applied = migrate(database.url)
        done = f"{len(applied)} migrations applied" if applied else "the schema is up to date"
        console.print(f"{done[:1].upper()}{done[1:]} ({_since(began)})")
        connect_demo(database)
        yield database


def sync_demo(
    settings: DatabaseSettings, database: Database, *, is_quiet: bool
) -> "tuple[Moment, list[SyncReport]]":
    """Sync the demo store whole; how all of it stands then, and a report of each entity."""
    if not is_quiet:
        output.stdout().print("Syncing the whole demo store, as a Dagster run …\n")
    made, reports = run_all(settings, database, AllOrder(connection="demo"), is_quiet=is_quiet)
    return moment_of(database, made), reports


def _where(settings: DatabaseSettings, url: str) -> str:
    if settings.url is None:
        return f"Embedded PostgreSQL under {said(settings.local_dir)}/postgres"
    return said(place(url))


def _since(began: float) -> str:
    return output.duration(time.monotonic() - began)


def _print_next() -> None:
    output.show("\nNext:")
    program = _program()
    rows = [(f"{program} {what}", why) for what, why in _NEXT]
    if Path("Makefile").exists():
        rows[0] = ("make dev", rows[0][1])
    output.show(output.facts([(f"  [bold]{said(what)}[/bold]", why) for what, why in rows]))


def _program() -> str:
    """How to call us from here: `make demo` does not put the environment on PATH."""
    name = "sync-pipeline"
    called = Path(sys.argv[0])
    return name if called.name != name or shutil.which(name) else str(called)
