"""`sync-pipeline replay`: apply again, with today's mapping, what was read before.

Belongs here: its options. Does not: running it (launching.py), which answers are kept
(stages/replay.py).

Exit codes as of `sync`. What is kept no more is said, and is no failure.
"""

import getpass
from typing import Annotated

import typer

from sync_pipeline.cli import output
from sync_pipeline.cli.launching import SyncOrder
from sync_pipeline.cli.sync import CreatedBy, NoWait, start
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.lookup import queue_meant
from sync_pipeline.settings import DatabaseSettings

app = typer.Typer(add_completion=False)


@app.command()
def replay(
    name: Annotated[str, typer.Argument(help="The connection.")],
    *,
    entity: Annotated[str, typer.Option(help="Whose records.")],
    queue: Annotated[
        str | None,
        typer.Option(help="Only the records that this sync had read: its id, or how it begins."),
    ] = None,
    created_by: CreatedBy = None,
    no_wait: NoWait = False,
    as_json: output.AsJson = False,
) -> None:
    """Apply again, with today's mapping, what was read before; the store is not asked.

    Of each record its newest answer that is still kept. What is kept no more is counted, and the
    command that reads it is named.
    """
    of = None
    if queue is not None:
        with Database.open(DatabaseSettings()) as database:
            of = str(queue_meant(database, queue).id)
    order = SyncOrder(
        connection=name,
        entity=entity,
        filters=Filters(replay=True, replay_of=of),
        created_by=created_by or getpass.getuser(),
    )
    start(order, no_wait=no_wait, as_json=as_json)
