"""`sync-pipeline health`: is everything well, for people and for monitors.

Belongs here: the table, the document and the exit code. Does not: the checks
(orchestration/health.py).
"""

from collections import Counter
from typing import Annotated

import typer

from sync_pipeline.cli import failures, output
from sync_pipeline.queue.health import Check, Status, worst
from sync_pipeline.settings import DatabaseSettings, SourceSettings, require_valid

app = typer.Typer(add_completion=False)

_STYLES = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


@app.command()
def health(
    *,
    no_stores: Annotated[bool, typer.Option("--no-stores", help="Ask no store.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Is everything well: database, queues, Dagster, stores. Takes seconds, whatever is down.

    Exit code 0: all is ok, or warns only. 1: a check failed, and somebody must act. 2: a setting
    is refused, and nothing was looked at.
    """
    require_valid()
    from sync_pipeline.orchestration.health import examine  # noqa: PLC0415  (Dagster: seconds)

    checks = examine(DatabaseSettings(), SourceSettings(), with_stores=not no_stores)
    verdict = worst(checks)
    if as_json:
        output.print_json({"status": verdict, "checks": checks})
    else:
        _print(checks)
    if verdict is Status.FAIL:
        raise typer.Exit(failures.FAILED)


def _print(checks: list[Check]) -> None:
    table = output.table("check", "", "seen", "what to do")
    for check in checks:
        table.add_row(
            output.said(check.name),
            f"[{_STYLES[check.status]}]{check.status.value}[/]",
            output.said(check.seen),
            output.said(check.remedy),
        )
    output.show(table)
    counts = Counter(check.status for check in checks)
    words = ", ".join(f"{counts[one]} {one.value}" for one in Status if counts[one])
    output.show(f"\n{words}")
