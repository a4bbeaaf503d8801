"""`sync-pipeline conflicts`: list, show, resolve, stats.

Belongs here: their options and which words become which decision. Does not: what they print
(conflicts_view.py), asking and deciding (queue/conflicts/).

With --json `list` prints {"conflicts": […], "next": id or null}, `show` one conflict with its
`sides`, `stats` counts by type, strategy, age and connection, `resolve` what became of it. Exit
code 1 where something was decided and could not be applied, 2 where the world has moved.
"""

import getpass
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import typer

from sync_pipeline.cli import conflicts_deciding, conflicts_view, failures, output
from sync_pipeline.cli.actions import By, Reason
from sync_pipeline.cli.conflicts_words import age_of, names_of, values_of
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import conflicts
from sync_pipeline.queue.conflicts.choosing import ConflictState, ConflictType
from sync_pipeline.settings import DatabaseSettings, QueueSettings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What was not applied blindly: list, show, resolve, stats.",
)

NameArgument = Annotated[str | None, typer.Argument(help="The connection; all, when left out.")]
ConnectionOption = Annotated[str | None, typer.Option(help="Of this connection only.")]
EntityOption = Annotated[str | None, typer.Option(help="Of this entity only.")]
TypeOption = Annotated[
    str | None,
    typer.Option(
        "--type", help="DataMismatch, DuplicateKey, ValidationError, AuthError, RetryExhausted."
    ),
]
FieldOption = Annotated[str | None, typer.Option(help="With this field in dispute.")]
RecordOption = Annotated[
    str | None, typer.Option("--record", help="About the record with this id in the store.")
]
OlderOption = Annotated[
    str | None, typer.Option("--older-than", help="Opened so long ago: 30m, 12h, 7d.")
]


@app.command("list")
def list_(  # noqa: PLR0913  (its filters)
    name: NameArgument = None,
    *,
    entity: EntityOption = None,
    conflict_type: TypeOption = None,
    state: Annotated[str, typer.Option(help="open, resolved, skipped, or all.")] = "open",
    field: FieldOption = None,
    record: RecordOption = None,
    older_than: OlderOption = None,
    most: Annotated[int, typer.Option(help="How many to list.", min=1, max=1000)] = 50,
    after: Annotated[str | None, typer.Option(help="The ones after this id, older.")] = None,
    as_json: output.AsJson = False,
) -> None:
    """Conflicts, the newest first."""
    chosen = _chosen(
        connection=name, entity=entity, conflict_type=conflict_type, field=field,
        external_id=record, older_than=older_than, state=None if state == "all" else state,
    )  # fmt: skip
    with Database.open(DatabaseSettings()) as database:
        before_no = None if after is None else _number(database, after)
        found = conflicts.list_conflicts(database, chosen, most=most + 1, before_no=before_no)
    shown, is_more = found[:most], len(found) > most
    if as_json:
        last = shown[-1].id if is_more else None
        output.print_json({"conflicts": shown, "next": last})
    else:
        conflicts_view.print_list(shown, chosen, is_more=is_more)


@app.command()
def show(
    conflict: Annotated[str, typer.Argument(metavar="ID", help="Its id, or how it begins.")],
    *,
    as_json: output.AsJson = False,
) -> None:
    """One conflict, field by field: what both sides last had, here, in the store."""
    with Database.open(DatabaseSettings()) as database:
        shown = conflicts.show_conflict(database, conflict)
    if as_json:
        document = conflicts_view.as_document(shown.conflict)
        output.print_json(
            document
            | {
                "is_deletion": shown.is_deletion,
                "is_undo": shown.is_undo,
                "sides": list(shown.sides),
            }
        )
    else:
        conflicts_view.print_one(shown)


@app.command()
def stats(
    name: NameArgument = None,
    *,
    state: Annotated[str, typer.Option(help="open, resolved, skipped, or all.")] = "open",
    as_json: output.AsJson = False,
) -> None:
    """How many there are: by type, strategy, age and connection."""
    chosen = _chosen(connection=name, state=None if state == "all" else state)
    with Database.open(DatabaseSettings()) as database:
        counted = conflicts.conflict_stats(database, connection=name, state=chosen.state)
    if as_json:
        output.print_json(counted)
    else:
        conflicts_view.print_stats(counted, state)


@app.command()
def resolve(  # noqa: PLR0913  (its options)
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Conflicts, or how they begin.")
    ] = None,
    *,
    take: Annotated[
        str | None, typer.Option(help="source: the store's values; target: ours.")
    ] = None,
    fields: Annotated[
        str | None, typer.Option(help="The store's values of these, a,b; ours of the others.")
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", help="field=value; nothing after = is nothing.")
    ] = None,
    skip: Annotated[bool, typer.Option("--skip", help="Leave both sides as they are.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="All open ones that these fit:")] = False,
    connection: ConnectionOption = None,
    entity: EntityOption = None,
    conflict_type: TypeOption = None,
    field: FieldOption = None,
    record: RecordOption = None,
    older_than: OlderOption = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="As it was shown; refused if it has changed since.")
    ] = None,
    by: By = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Decide about one conflict, several, or with --all those of a filter, and apply it now."""
    narrowed = {
        "connection": connection, "entity": entity, "conflict_type": conflict_type, "field": field,
        "external_id": record, "older_than": older_than,
    }  # fmt: skip
    if bool(ids) == all_ or (ids and any(narrowed.values())):
        raise InputError("Which conflicts?", remedy="Name them, or filter with --all.")
    decision = conflicts.decision_of(
        {"take": take, "fields": names_of(fields), "values": values_of(values), "skip": skip,
         "retry": retry}
    )  # fmt: skip
    with Database.open(DatabaseSettings()) as database:
        chosen = _named(database, ids) if ids else _chosen(**narrowed)
        conflicts_deciding.require_consent(
            database, chosen, decision, is_asked=all_ and not yes, as_json=as_json
        )
        decided = conflicts_deciding.decide(
            database,
            chosen,
            decision,
            by=by or getpass.getuser(),
            reason=reason,
            version=version,
            settings=QueueSettings(),
        )
    if as_json:
        output.print_json(conflicts_deciding.as_document(decided))
    else:
        conflicts_deciding.print_decided(decided)
    if not decided.is_success:
        raise typer.Exit(failures.FAILED)


def _chosen(*, older_than: str | None = None, **given: Any) -> conflicts.Chosen:  # noqa: ANN401
    """The filter that was typed."""
    state = cast(ConflictState | None, given.pop("state", "open"))
    kind = cast(ConflictType | None, given.pop("conflict_type", None))
    until = None if older_than is None else datetime.now(UTC) - age_of(older_than)
    return conflicts.Chosen(conflict_type=kind, state=state, created_before=until, **given)


def _named(database: Database, ids: list[str]) -> conflicts.Chosen:
    return conflicts.one_of([conflicts.find_conflict(database, one)[0] for one in ids])


def _number(database: Database, typed: str) -> int:
    """The number of the conflict with that id, for paging."""
    conflict_id, _, _ = conflicts.find_conflict(database, typed)
    (one,) = conflicts.list_conflicts(database, conflicts.one_of([conflict_id]), most=1)
    return one.conflict_no
