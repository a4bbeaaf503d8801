"""`sync-pipeline verify`: prove again that both sides are equal, and list where they are not.

Belongs here: its options, words, files and exit code. Does not: comparing (stages/verification.py).

Exit code 1 when anything differs, and when nothing of the store is kept to compare with.
"""

import csv
import getpass
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from sync_pipeline.cli import failures, output, proof_view
from sync_pipeline.entities import ENTITIES, Entity, entity_of
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.sources.connections import Connection, find_connection
from sync_pipeline.stages.proof import Difference
from sync_pipeline.stages.reading_anew import read_anew
from sync_pipeline.stages.verification import Proof, is_known, verify

app = typer.Typer(add_completion=False)

_COLUMNS: Final = ("entity", "kind", "external_id", "field", "theirs", "ours", "reason")

OnDifference = Callable[[Entity, Difference], None]


class VerifyFileError(InputError):
    """The file of differences cannot be written where it was asked for."""

    code = "input.verify_file"


@app.command("verify")
def verify_connection(
    name: Annotated[str, typer.Argument(help="The connection.")],
    *,
    entity: Annotated[
        str | None, typer.Option(help="Only this; everything that was synced when left out.")
    ] = None,
    read: Annotated[
        bool,
        typer.Option("--read", help="Read the store anew, in place of what was read last."),
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write every difference here."),
    ] = None,
    as_json: output.AsJson = False,
) -> None:
    """Hold both sides against each other again: ids, content, and rows changed by hand."""
    with Database.open(DatabaseSettings()) as database, _written_to(file) as on_difference:
        connection = find_connection(database, name)
        proofs = [
            _proof_of(database, connection, one, on_difference, is_read=read)
            for one in _chosen(database, connection, entity)
        ]
    is_equal = all(one.agree is True for one in proofs)
    if as_json:
        entities = [asdict(one) | {"agree": one.agree} for one in proofs]
        output.print_json({"success": is_equal, "connection": name, "entities": entities})
    else:
        for one in proofs:
            proof_view.show_proof(one)
        if file is not None:
            output.stderr().print(f"Wrote {output.said(file)}")
    if not is_equal:
        raise typer.Exit(failures.FAILED)


def _chosen(database: Database, connection: Connection, name: str | None) -> list[Entity]:
    """The entity that was named, or those that were ever synced.

    Raises:
        InputError: none was.
    """
    if name is not None:
        return [entity_of(connection.system, name)]
    of_system = [one for one in ENTITIES if one.system == connection.system]
    chosen = [one for one in of_system if is_known(database, connection, one)]
    if not chosen:
        raise InputError(
            f"Nothing of {connection.name} was synced yet.",
            remedy=f"Start with: sync-pipeline sync {connection.name}",
        )
    return chosen


def _proof_of(
    database: Database,
    connection: Connection,
    entity: Entity,
    on_difference: OnDifference,
    *,
    is_read: bool,
) -> Proof:
    with ExitStack() as stack:
        reading = None
        if is_read:
            reading = stack.enter_context(
                read_anew(database, connection, entity, by=getpass.getuser())
            )
        return verify(
            database,
            connection,
            entity,
            reading=reading,
            on_difference=lambda one: on_difference(entity, one),
        )


@contextmanager
def _written_to(file: Path | None) -> Iterator[OnDifference]:
    """Who writes each difference to the file as it comes; nobody where there is none.

    Raises:
        VerifyFileError: it cannot be written.
    """
    if file is None:
        yield lambda _entity, _one: None
        return
    try:
        with file.open("w", encoding="utf-8", newline="") as opened:
            rows = csv.writer(opened)
            rows.writerow(_COLUMNS)
            yield lambda entity, one: rows.writerow([entity.name, *asdict(one).values()])
    except OSError as error:
        raise VerifyFileError(
            f"{file} cannot be written: {error.strerror}.", remedy="Name a file that can."
        ) from None
