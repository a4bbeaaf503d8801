"""`sync-pipeline dev`: the demo, then the Dagster UI and daemon in the foreground.

Belongs here: what is started, in which order, and what is said. Does not: supervising processes
(children.py).
"""

import os
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated

import typer

from sync_pipeline.cli import failures, output, summary_all
from sync_pipeline.cli.children import Child, Children
from sync_pipeline.cli.demo import prepared, sync_demo
from sync_pipeline.errors import PermanentError
from sync_pipeline.settings import DatabaseSettings

app = typer.Typer(add_completion=False)

_HOST = "127.0.0.1"
_READY_TIMEOUT_SECONDS = 180.0
# One name, whoever starts Dagster: it is part of what a sensor's or schedule's state belongs to.
_WORKSPACE = """\
load_from:
  - python_module:
      module_name: sync_pipeline.definitions
      location_name: sync_pipeline
"""


class PortInUseError(PermanentError):
    """Another program listens on the port of the UI."""

    code = "dev.port_in_use"


@app.command()
def dev(
    *,
    port: Annotated[int, typer.Option(help="Of the Dagster UI.", min=1, max=65535)] = 3000,
) -> None:
    """Run the demo, then the Dagster UI and daemon on 127.0.0.1 until Ctrl-C."""
    require_free(port)
    settings = DatabaseSettings()
    with prepared(settings, is_quiet=False) as database:
        now, reports = sync_demo(settings, database, is_quiet=False)
        summary_all.print_reports(now, reports)
        is_well = _serve(settings, database.url, port)
    if not is_well:
        raise typer.Exit(failures.FAILED)


def require_free(port: int) -> None:
    """Look before anything is started.

    Raises:
        PortInUseError: another program listens there, or we may not.
    """
    with socket.socket() as probe:
        # As the web server will: an address whose last connections linger is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise PortInUseError(
                f"The port {port} cannot be used: {error.strerror or error}.",
                remedy=f"Stop what listens there, or choose another: dev --port {port % 65535 + 1}",
            ) from None


def _serve(settings: DatabaseSettings, url: str, port: int) -> bool:
    """Run the UI and the daemon until a signal; False when one of them ended by itself."""
    from sync_pipeline.orchestration.instance import dagster_environment  # noqa: PLC0415

    # What an operator would switch on by hand, unless they said no.
    automatic = {"SYNC_SCHEDULES": os.environ.get("SYNC_SCHEDULES", "on")}
    environment = os.environ | dagster_environment(settings, url) | automatic
    console = output.stdout()
    address = f"http://{_HOST}:{port}"
    with tempfile.TemporaryDirectory(prefix="sync-pipeline-") as directory:
        workspace = Path(directory) / "workspace.yaml"
        workspace.write_text(_WORKSPACE)
        with Children() as children:
            for child in _commands(workspace, port):
                children.start(child, environment)
            console.print(f"\nStarting the Dagster UI on {address} …")
            ready = children.wait_until(lambda: _answers(address), _READY_TIMEOUT_SECONDS)
            if ready:
                console.print(f"[bold]Dagster UI: {address}[/bold]  (Ctrl-C stops everything)")
                children.wait_for_signal()
            is_well = children.was_told_to_stop
            console.print("\nStopping …" if is_well else "")
    if not is_well:
        what = children.ended or "The Dagster UI did not answer in time"
        output.stderr().print(f"[red]Error:[/red] {output.said(what)}. What it said is above.")
    return is_well


def _commands(workspace: Path, port: int) -> list[Child]:
    python = [sys.executable, "-m"]
    load = ["-w", str(workspace)]
    quiet = ["--code-server-log-level", "warning"]
    return [
        Child(
            "the Dagster UI",
            [*python, "dagster_webserver", "-h", _HOST, "-p", str(port), *load, *quiet,
             "--dagster-log-level", "warning"],
        ),
        Child(
            "the Dagster daemon",
            [*python, "dagster._daemon", "run", *load, *quiet, "--log-level", "warning"],
        ),
    ]  # fmt: skip


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=5) as answer:  # noqa: S310
            return bool(answer.status == 200)  # noqa: PLR2004
    except (urllib.error.URLError, OSError):
        return False
