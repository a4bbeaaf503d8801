"""What is made after what: the edges between assets, from the declarations of their entities.

Belongs here: the graph, pure. Does not: the assets (assets.py), the order in which queues of one
orchestration are worked one by one (queue/orchestrations/).

The order is thrift and nicety, never correctness: each asset can be made alone. An entity is
applied after those that its records refer to. What is derived from our own tables is read after
they are filled. Whose figures come from another entity's records is read after those landed, so
that the store tells them once.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import dagster as dg

from sync_pipeline.entities import ENTITIES, Entity, entity_of
from sync_pipeline.orchestration.progress import STAGES, Stage
from sync_pipeline.orchestration.results import asset_key

_BEFORE: Final[dict[Stage, Stage]] = {"queue": "pages", "applied": "queue", "reconciled": "applied"}


def made_after(entity: Entity, stage: Stage) -> list[dg.AssetKey]:
    """The assets that come before one, its own entity's first."""
    own = [asset_key(entity, _BEFORE[stage])] if stage in _BEFORE else []
    return own + _of_others(entity, stage)


def assets_of(entities: Iterable[Entity]) -> list[dg.AssetKey]:
    """Every asset of some entities."""
    return [asset_key(entity, stage) for entity in entities for stage in STAGES]


def applying(entity: Entity) -> list[dg.AssetKey]:
    """The assets of a queue of changes: nothing is read for it, and nothing compared after it."""
    return [asset_key(entity, "applied")]


def _of_others(entity: Entity, stage: Stage) -> list[dg.AssetKey]:
    is_derived = entity.derivation is not None
    if stage == ("pages" if is_derived else "applied"):
        return [asset_key(entity_of(entity.system, name), "applied") for name in entity.depends_on]
    if stage == "pages":
        return [asset_key(feeder, "queue") for feeder in _feeders(entity)]
    return []


def _feeders(entity: Entity) -> Sequence[Entity]:
    return [
        one
        for one in ENTITIES
        if (one.system, one.feeds_figures_of) == (entity.system, entity.name)
    ]
