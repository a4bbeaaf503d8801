"""What a request for an orchestration means: which entities of which connections. Pure.

Belongs here: the choice and its hash. Does not: opening queues (starting.py).
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import md5
from uuid import UUID

from sync_pipeline import entities as declared
from sync_pipeline.entities import Entity
from sync_pipeline.errors import InputError, UnknownConnectionError, UnknownEntityError
from sync_pipeline.sources.connections import Connection


@dataclass(frozen=True)
class Request:
    """What was asked for, whatever the order of its words; None: all there are."""

    connections: tuple[str, ...] | None
    systems: tuple[str, ...] | None
    entities: tuple[str, ...] | None
    is_full: bool

    @property
    def hash(self) -> UUID:
        """The same for the same request."""
        text = json.dumps(asdict(self), sort_keys=True)
        return UUID(md5(text.encode(), usedforsecurity=False).hexdigest())


@dataclass(frozen=True)
class Choice:
    """Entities of one connection, those that others refer to first."""

    connection: Connection
    entities: tuple[Entity, ...]


def request_of(
    connections: Iterable[str] | None,
    systems: Iterable[str] | None,
    entities: Iterable[str] | None,
    *,
    is_full: bool,
) -> Request:
    """The request in these words.

    Raises:
        InputError: one of the lists is there and empty.
    """
    given = {"connections": connections, "systems": systems, "entities": entities}
    asked = {
        name: None if words is None else tuple(sorted(set(words))) for name, words in given.items()
    }
    for name, words in asked.items():
        if words == ():
            raise InputError(
                f"No {name} are named.", remedy="Name some, or leave them out for all."
            )
    return Request(**asked, is_full=is_full)


def choices_of(request: Request, org_id: str, known: Sequence[Connection]) -> list[Choice]:
    """Which entities of which connections, connections by name.

    Args:
        known: active connections, of whatever organization.

    Raises:
        UnknownConnectionError: the organization has no connection of a name, or to a system.
        UnknownEntityError: no system that is meant has an entity of a name.
        InputError: nothing is left to sync.
    """
    own = {one.name: one for one in known if one.org_id == org_id}
    _require_connections(request, org_id, own)
    _require_systems(request, org_id, {one.system for one in own.values()})
    meant = [
        one
        for name, one in sorted(own.items())
        if (request.connections is None or name in request.connections)
        and (request.systems is None or one.system in request.systems)
    ]
    _require_entities(request, {one.system for one in meant})
    choices = [Choice(one, entities_of(one.system, request.entities)) for one in meant]
    choices = [one for one in choices if one.entities]
    if not choices:
        raise InputError(
            f"Organization {org_id} has nothing to sync that was asked for.",
            remedy="Register a connection: sync-pipeline connect.",
        )
    return choices


def entities_of(system: str, names: Sequence[str] | None = None) -> tuple[Entity, ...]:
    """The entities of a system, all or those named, in dependency order."""
    return tuple(
        one
        for one in declared.ENTITIES
        if one.system == system and (names is None or one.name in names)
    )


def _require_connections(request: Request, org_id: str, own: Iterable[str]) -> None:
    known = sorted(own)
    for name in request.connections or ():
        if name not in known:
            raise UnknownConnectionError(
                f"Organization {org_id} has no connection {name!r}.",
                remedy=f"It has: {', '.join(known[:20]) or 'none'}.",
            )


def _require_systems(request: Request, org_id: str, known: Collection[str]) -> None:
    for name in request.systems or ():
        if name not in known:
            raise UnknownConnectionError(
                f"Organization {org_id} has no connection to a system {name!r}.",
                remedy=f"It has some to: {', '.join(sorted(known)) or 'none'}.",
            )


def _require_entities(request: Request, systems: Iterable[str]) -> None:
    known = [one.name for system in sorted(systems) for one in entities_of(system)]
    for name in request.entities or ():
        if name not in known:
            raise UnknownEntityError(
                f"There is no entity {name!r} in {', '.join(sorted(systems)) or 'any system'}.",
                remedy=f"Known entities: {', '.join(dict.fromkeys(known)) or 'none'}.",
            )
