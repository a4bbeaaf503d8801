"""`sync-pipeline report`: what a connection sold, to whom, and what went wrong.

Belongs here: the terminal, and where files go. Does not: the figures and the form of the files
(reports/).
"""

from pathlib import Path
from typing import Annotated

import typer

from sync_pipeline.cli import output
from sync_pipeline.cli.output import moment, said
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.reports.gathering import gather
from sync_pipeline.reports.page import page_of
from sync_pipeline.reports.spreadsheets import write_csv
from sync_pipeline.reports.tables import Report, Section
from sync_pipeline.reports.words import cell, heading
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.sources.connections import find_connection

app = typer.Typer(add_completion=False)


class ReportFileError(InputError):
    """A file of the report cannot be written where it was asked for."""

    code = "input.report_file"


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="The connection.")],
    *,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="DIR", help="Write one CSV file per table here.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one page with plots here.")
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Customers by segment, revenue by month, refunds, stock below zero, failures by reason."""
    with Database.open(DatabaseSettings()) as database:
        made = gather(database, find_connection(database, name))
    written = _write(made, csv, html)
    if as_json:
        output.print_json(_document(made, written))
        return
    for section in made.sections:
        _print(section)
    for path in written:
        output.stderr().print(f"Wrote {said(path)}")


def _write(made: Report, directory: Path | None, page: Path | None) -> list[Path]:
    """Write the files that were asked for.

    Raises:
        ReportFileError: it cannot be written there.
    """
    written: list[Path] = []
    try:
        if directory is not None:
            written += write_csv(made, directory)
        if page is not None:
            page.write_text(page_of(made), encoding="utf-8")
            written.append(page)
    except (
        FileExistsError,
        FileNotFoundError,
        IsADirectoryError,
        NotADirectoryError,
        PermissionError,
    ) as error:
        raise ReportFileError(
            f"{error.filename} cannot be written: {error.strerror}.",
            remedy="--csv takes a directory, --html a file in a directory that exists.",
        ) from error
    return written


def _document(made: Report, written: list[Path]) -> dict[str, object]:
    return {
        "connection": made.connection,
        "org_id": made.org_id,
        "made_at": made.made_at,
        "sections": {
            section.name: {
                "title": section.title,
                "is_synced": section.is_synced,
                "synced_at": section.synced_at,
                "note": section.note,
                "columns": section.columns,
                "rows": section.rows(),
            }
            for section in made.sections
        },
        "files": [str(path) for path in written],
    }


def _print(section: Section) -> None:
    when = f"  [dim]synced {moment(section.synced_at)} UTC[/dim]" if section.synced_at else ""
    output.show(f"[bold]{section.title}[/bold]{when}")
    if section.note:
        output.show(f"[dim]{said(section.note)}[/dim]")
    if not section.frame.empty:
        numbers = [section.is_number(name) for name in section.columns]
        columns = zip(section.columns, numbers, strict=True)
        table = output.table(*(f"{'>' if right else ''}{heading(one)}" for one, right in columns))
        for row in section.rows():
            table.add_row(*(said(cell(value)) for value in row.values()))
        output.show(table)
    output.show()
