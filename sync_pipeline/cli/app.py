"""The command `sync-pipeline`: which commands there are, and what happens when one fails.

Belongs here: the list of commands. Does not: what they do (one module per group beside this one).

A command's module is imported when it is called: Dagster takes seconds to import and only three
commands need it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from sync_pipeline import __version__

# name -> (module, what it does); in the order of the help. A module of several commands names the
# app of each after a colon.
_COMMANDS = {
    "demo": (
        "demo",
        "Sync the demo store into PostgreSQL, through Dagster: start here.",
    ),
    "dev": ("dev", "The same, then the Dagster UI and daemon until Ctrl-C."),
    "db": ("db", "The database: url, migrate, verify, rollback, psql."),
    "connect": ("connect", "Register a remote system."),
    "doctor": ("doctor", "Examine a connection and say what to do about it."),
    "sync": ("sync", "Bring a connection up to date: everything, or one entity."),
    "orchestrate": ("orchestrate", "Sync several connections of an organization, as one."),
    "orchestrations": ("orchestrations", "Those: list, status, pause, resume, cancel, retry."),
    "preview": ("preview", "Show what a sync would do, field by field; nothing is written."),
    "replay": (
        "replay",
        "Apply again what was read before, with today's mapping; no store is asked.",
    ),
    "status": ("status", "How syncs stand: the last ones, or one of them whole."),
    "retry": ("actions:retry_app", "Try a sync's failed lines again."),
    "force-done": ("actions:force_done_app", "Cancel what is left of a sync and call it done."),
    "pause": ("actions:pause_app", "Stop a sync after the batch in hand."),
    "resume": ("actions:resume_app", "Let a paused sync go on where it stopped."),
    "conflicts": ("conflicts", "What was not applied blindly: list, show, resolve, stats."),
    "cancel": ("actions:cancel_app", "Cancel what is not done of a sync, for good."),
    "revert": ("revert", "Take one sync back; --preview shows first what that would do."),
    "health": ("health", "Is everything well: database, queues, Dagster, stores. For monitors."),
    "metrics": ("metrics", "Serve metrics for Prometheus."),
    "purge": ("purge", "Drop finished syncs, landed pages and Dagster's runs past their time."),
    "verify": ("verify", "Prove again that both sides are equal, and list where they are not."),
    "report": ("report", "What a store sold and to whom, stock below zero, what failed and why."),
    "explain": ("explain", "Why a record is as it is: every line, change and conflict."),
}


class _Commands(TyperGroup):
    """Commands that are imported when called, and errors that end as words."""

    _is_listing = False

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002  (typer's signature)
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401, ARG002
        if cmd_name not in _COMMANDS:
            return None
        module_name, words = _COMMANDS[cmd_name]
        if self._is_listing:
            return TyperCommand(cmd_name, help=words)
        module_name, _, app_name = module_name.partition(":")
        module = import_module(f"sync_pipeline.cli.{module_name}")
        command = typer.main.get_command(getattr(module, app_name or "app"))
        command.name = cmd_name
        return command

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        with self._listing():
            super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command; whatever it raises becomes words and an exit code."""
        as_json = "--json" in ctx.args or "--json" in getattr(ctx, "_protected_args", ())
        try:
            _configure_logs()
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            raise typer.Exit(_reported(KeyboardInterrupt(), as_json=as_json)) from None
        except Exception as error:
            if hasattr(error, "format_message") and not as_json:
                raise  # wrong usage: typer says it well, and exits with 2
            raise typer.Exit(_reported(error, as_json=as_json)) from None

    @contextmanager
    def _listing(self) -> Iterator[None]:
        self._is_listing = True
        try:
            yield
        finally:
            self._is_listing = False


def _configure_logs() -> None:
    from sync_pipeline import logs  # noqa: PLC0415  (pydantic: 0.2 s that --help does not need)
    from sync_pipeline.settings import LogSettings  # noqa: PLC0415

    logs.configure(LogSettings(), is_command=True)


def _reported(error: BaseException, *, as_json: bool) -> int:
    from sync_pipeline.cli import failures  # noqa: PLC0415  (psycopg and pydantic: 0.3 s)

    if hasattr(error, "format_message"):
        failure = failures.Failure(
            "input.usage", str(error.format_message()), "See --help.", failures.BAD_INPUT
        )
        return failures.say(failure, as_json=as_json)
    return failures.report(error, as_json=as_json)


def _show_version(value: bool) -> None:  # noqa: FBT001  (typer's signature)
    if value:
        typer.echo(f"sync-pipeline {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback()
def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version)
    ] = False,
) -> None:
    """Keeps a PostgreSQL back office in step with WooCommerce stores, and proves it.

    Start with [bold]sync-pipeline demo[/bold]. Exit codes: 0 it worked, 1 it failed, 2 wrong input.
    """


def main() -> None:
    """The console script."""
    app(prog_name="sync-pipeline")
