"""Which orchestration a run over all entities works, and which of its queues an asset is about.

Belongs here: finding it by the run's tag or config, or starting one for a run that a person or a
backfill launched; showing that the run works on all of its queues. Does not: queues that a run is
told of alone (runs.py), what an orchestration is (queue/orchestrations/).

Every asset finds the orchestration by the tag `sync/orchestration` of its run. A run that is
executed again has the tags of the first, and goes on with the same orchestration.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import dagster as dg

from sync_pipeline.entities import ENTITIES, Entity
from sync_pipeline.errors import InputError, PermanentError
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.tags import (
    CONNECTION_TAG,
    ENTITY_TAG,
    EVERY_ENTITY,
    ORCHESTRATION_TAG,
    ORGANIZATION_TAG,
)
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.orchestrations import (
    Item,
    Orchestration,
    find_orchestration,
    items_of,
    start_orchestration,
)
from sync_pipeline.queue.queues import Queue, find_queue
from sync_pipeline.sources.connections import Connection

# Fields of the config that a whole run can be given, on any of its first steps.
_FOR_ALL: Final = frozenset({"full", "orchestration_id"})


class RefusedItemError(PermanentError):
    """The orchestration has no queue of this entity, and says why."""

    code = "orchestration.refused"


class NotOfAllError(InputError):
    """The config sets for one entity what a run over all of them cannot have."""

    code = "input.not_of_all"


def is_over_all(run: dg.DagsterRun) -> bool:
    """Whether the run takes its queues from an orchestration. Pure."""
    return run.tags.get(ENTITY_TAG) == EVERY_ENTITY


def orchestration_tags(orchestration: Orchestration, connection: str) -> dict[str, str]:
    """Tags of a run that works the queues which one connection has in an orchestration. Pure."""
    return {
        ORCHESTRATION_TAG: orchestration.id,
        CONNECTION_TAG: connection,
        ENTITY_TAG: EVERY_ENTITY,
        ORGANIZATION_TAG: orchestration.org_id,
    }


def items_at(database: Database, orchestration: Orchestration, connection: str) -> list[Item]:
    """What one connection has in an orchestration, in the order of the entities."""
    return [one for one in items_of(database, orchestration) if one.connection == connection]


def opened_queue(
    context: dg.AssetExecutionContext, sync: SyncResource, connection: Connection, entity: Entity
) -> Queue:
    """The queue of an entity in this run's orchestration.

    One is started, if nobody named any, under the run's own key; from then on the run shows that
    it works on all of its queues.

    Raises:
        RefusedItemError: the queue could not be opened, or it is long over.
        InputError: the orchestration is unknown, or has nothing of this entity; or the config has
            what a run over all entities cannot have.
    """
    orchestration = _work_orchestration(context, sync, connection)
    queue = _queue_in(sync.database(), orchestration, connection, entity)
    if queue is None:
        raise NotOfAllError(
            f"The orchestration {orchestration.id} has no {entity.name} of {connection.name}.",
            remedy="Choose the assets of its own entities, or start another orchestration.",
        )
    return queue


def found_queue(
    context: dg.AssetExecutionContext, database: Database, connection: Connection, entity: Entity
) -> Queue | None:
    """The queue of an entity in the orchestration that the run works; None: it has none.

    Raises:
        RefusedItemError, InputError: as `opened_queue`.
    """
    orchestration = _known_orchestration(context, database)
    if orchestration is None:
        return None
    return _queue_in(database, orchestration, connection, entity)


def _work_orchestration(
    context: dg.AssetExecutionContext, sync: SyncResource, connection: Connection
) -> Orchestration:
    database = sync.database()
    if (known := _known_orchestration(context, database)) is not None:
        return known
    asked = asked_of_all(context.run.run_config)
    if (named := asked.get("orchestration_id")) is not None:
        orchestration = find_orchestration(database, str(named))
    else:
        orchestration, _ = start_orchestration(
            database,
            connection.org_id,
            connections=[connection.name],
            entities=_entities_of(context.run, connection),
            settings=sync.queue_settings(),
            is_full=bool(asked.get("full", False)),
            idempotency_key=f"run {context.run.root_run_id or context.run.run_id}",
            created_by="dagster",
        )
    # First the signs of life: a sensor that looks now must not take the queues for abandoned.
    sync.show_work_on_all(database, orchestration, connection.name)
    context.instance.add_run_tags(
        context.run.run_id, orchestration_tags(orchestration, connection.name)
    )
    return orchestration


def _known_orchestration(
    context: dg.AssetExecutionContext, database: Database
) -> Orchestration | None:
    # context.run is as the run was when it began; the tag may have come later.
    run = context.instance.get_run_by_id(context.run.run_id) or context.run
    named = run.tags.get(ORCHESTRATION_TAG)
    return find_orchestration(database, named) if named is not None else None


def asked_of_all(run_config: Mapping[str, Any]) -> dict[str, Any]:
    """What the config of a run asks of its orchestration, whichever step it stands with. Pure.

    Raises:
        NotOfAllError: a field that only a run over one entity can have.
    """
    asked: dict[str, Any] = {}
    for step, given in dict(run_config.get("ops") or {}).items():
        config = {name: value for name, value in given.get("config", {}).items() if value}
        if others := sorted(config.keys() - _FOR_ALL):
            raise NotOfAllError(
                f"{', '.join(others)} of {step} cannot be chosen in a run over all entities.",
                remedy="Leave it out here, or run the job of that entity alone.",
            )
        asked |= config
    return asked


def _queue_in(
    database: Database, orchestration: Orchestration, connection: Connection, entity: Entity
) -> Queue | None:
    for item in items_at(database, orchestration, connection.name):
        if item.entity == entity.name:
            return _queue_of(database, item)
    return None


def _queue_of(database: Database, item: Item) -> Queue:
    if item.queue_id is not None:
        return find_queue(database, item.queue_id)
    raise RefusedItemError(
        item.refusal or f"The sync of {item.entity} of {item.connection} is long over.",
        remedy="Mend that, and start a new orchestration; the other entities go on without it.",
    )


def _entities_of(run: dg.DagsterRun, connection: Connection) -> list[str]:
    """Entities whose reading is in the run: all of the connection's system, or those selected."""
    of_system = [one.name for one in ENTITIES if one.system == connection.system]
    # None when Dagster was asked for the job, and empty when Python was.
    if not run.asset_selection:
        return of_system
    read = _read_in(run.asset_selection)
    return [name for name in of_system if name in read]


def _read_in(selection: Iterable[dg.AssetKey]) -> set[str]:
    return {key.path[-2] for key in selection if key.path[-1] == "pages"}
