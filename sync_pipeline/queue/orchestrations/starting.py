"""Starting an orchestration: every queue of it opened at once, in one transaction.

Belongs here: from a request to an orchestration, a new one or the one that is meant. Does not: what
a request means (choosing.py), working the queues (sensors, as ever).

A start is whole or it left nothing: a process that dies in the midst leaves its key unused.
"""

from collections.abc import Iterable, Sequence

from psycopg.types.json import Jsonb

from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.keys import require_key
from sync_pipeline.queue.opening import QueueOpenError, open_for_orchestration
from sync_pipeline.queue.orchestrations.audit import record
from sync_pipeline.queue.orchestrations.choosing import Choice, Request, choices_of, request_of
from sync_pipeline.queue.orchestrations.records import Orchestration, find_orchestration
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import list_connections


class KeyReusedError(InputError):
    """The idempotency key stands for another request of the last 24 hours; nothing was done."""

    code = "orchestration.key_reused"


def start_orchestration(  # noqa: PLR0913  (what may be asked for)
    database: Database,
    org_id: str,
    *,
    connections: Iterable[str] | None = None,
    systems: Iterable[str] | None = None,
    entities: Iterable[str] | None = None,
    settings: QueueSettings,
    is_full: bool = False,
    idempotency_key: str | None = None,
    created_by: str,
) -> tuple[Orchestration, bool]:
    """Open a queue for each entity of each connection, or join the one that is open.

    A key of the last 24 hours means that first orchestration, finished or not. Without a key an
    unfinished one of the same request is joined. Its open queues wait no longer for a person or
    for their next attempt; what is paused stays paused. A queue that cannot be opened is an item
    with a refusal, and the rest goes on.

    Args:
        connections, systems, entities: None: all of the organization.

    Returns:
        The orchestration, and whether it is new.

    Raises:
        UnknownConnectionError, UnknownEntityError, InputError: of what was asked for.
        KeyReusedError: the key was used for another request.
    """
    require_key(idempotency_key)
    request = request_of(connections, systems, entities, is_full=is_full)
    choices = choices_of(request, org_id, list_connections(database))
    with database.organization(org_id) as conn:
        conn.execute(statement("orchestrations/alone"), {"org_id": org_id})
        meant = _meant(conn, org_id, request, choices, idempotency_key)
        is_new = meant is None
        if meant is None:
            meant = _make(conn, org_id, request, choices, idempotency_key, created_by)
            _open_all(conn, meant, choices, settings, created_by, is_full=is_full)
        number, found_id = meant
        if is_new and idempotency_key is not None:
            _keep_key(conn, org_id, request, idempotency_key, number, found_id)
        conn.execute(statement("orchestrations/forgive"), {"orchestration_no": number})
    return find_orchestration(database, found_id), is_new


_Identity = tuple[int, str]


def _meant(
    conn: DictConnection,
    org_id: str,
    request: Request,
    choices: Sequence[Choice],
    key: str | None,
) -> _Identity | None:
    """The orchestration that this start means; None: a new one."""
    values = {"org_id": org_id, "key": key, "request_hash": request.hash}
    if key is None:
        row = conn.execute(statement("orchestrations/unfinished"), values).fetchone()
        if row is None or not _is_over_all(conn, row["orchestration_no"], choices):
            return None
    else:
        row = conn.execute(statement("orchestrations/key"), values).fetchone()
        if row is None:
            return None
        if row["request_hash"] != request.hash:
            raise KeyReusedError(
                f"The idempotency key {key!r} was used for another request within 24 hours.",
                remedy="Use another key, or ask for the same as then.",
            )
    found = conn.execute(statement("orchestrations/status"), row).fetchone()
    return None if found is None else (found["orchestration_no"], str(found["id"]))


def _is_over_all(conn: DictConnection, orchestration_no: int, choices: Sequence[Choice]) -> bool:
    """Whether it is over everything that the request means now: connections come and go."""
    rows = conn.execute(
        statement("orchestrations/items"), {"orchestration_no": orchestration_no}
    ).fetchall()
    has = {(row["connection"], row["entity"]) for row in rows}
    return has == {(one.connection.name, entity.name) for one in choices for entity in one.entities}


def _make(
    conn: DictConnection,
    org_id: str,
    request: Request,
    choices: Sequence[Choice],
    key: str | None,
    created_by: str,
) -> _Identity:
    names = dict.fromkeys(entity.name for one in choices for entity in one.entities)
    row = conn.execute(
        statement("orchestrations/make"),
        {
            "org_id": org_id,
            "systems": sorted({one.connection.system for one in choices}),
            "entities": list(names),
            "is_full": request.is_full,
            "request_hash": request.hash,
            "idempotency_key": key,
            "created_by": created_by,
        },
    ).fetchone()
    assert row is not None  # noqa: S101  (an insert that cannot conflict)
    return row["orchestration_no"], row["id"]


def _open_all(
    conn: DictConnection,
    made: _Identity,
    choices: Sequence[Choice],
    settings: QueueSettings,
    created_by: str,
    *,
    is_full: bool,
) -> None:
    number, _ = made
    org_id = choices[0].connection.org_id
    record(
        conn, org_id, number, "orchestration_started", "info",
        f"started by {created_by}: "
        + "; ".join(
            f"{one.connection.name} {', '.join(entity.name for entity in one.entities)}"
            for one in choices
        ),
        {"by": created_by, "is_full": is_full},
    )  # fmt: skip
    for choice in choices:
        _open_those_of(conn, number, choice, settings, created_by, is_full=is_full)


def _open_those_of(
    conn: DictConnection,
    orchestration_no: int,
    choice: Choice,
    settings: QueueSettings,
    created_by: str,
    *,
    is_full: bool,
) -> None:
    """The queues of one connection, each after those that it depends on."""
    numbers: dict[str, int] = {}
    connection = choice.connection
    for place, entity in enumerate(choice.entities):
        item = {
            "orchestration_no": orchestration_no,
            "connection_id": connection.connection_id,
            "entity": entity.name,
            "org_id": connection.org_id,
            "place": place,
            "queue_no": None,
            "is_joined": False,
            "refusal": None,
        }
        try:
            queue, is_new = open_for_orchestration(
                conn,
                connection,
                entity.name,
                settings=settings,
                created_by=created_by,
                is_full=is_full,
                depends_on=[numbers[name] for name in entity.depends_on if name in numbers],
                orchestration_no=orchestration_no,
            )
            numbers[entity.name] = queue.queue_no
            item |= {"queue_no": queue.queue_no, "is_joined": not is_new}
        except QueueOpenError as error:
            item["refusal"] = str(error)
            record(
                conn, connection.org_id, orchestration_no, "item_refused", "warning", str(error),
                {"connection": connection.name, "entity": entity.name},
            )  # fmt: skip
        conn.execute(statement("orchestrations/add_item"), item)


def _keep_key(
    conn: DictConnection, org_id: str, request: Request, key: str, number: int, found_id: str
) -> None:
    conn.execute(
        statement("orchestrations/keep_key"),
        {
            "org_id": org_id,
            "key": key,
            "request_hash": request.hash,
            "answer": Jsonb({"orchestration_no": number, "orchestration_id": found_id}),
        },
    )
