"""The jobs: one per entity, its four assets in one run and one process, and one over them all.

Belongs here: what runs together. Does not: when (sensors.py), by hand (launch.py).

In one process, because four trivial assets take 0.5 s there and 8 to 13 s in processes of their
own, and the work is in PostgreSQL and in threads anyway.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import dagster as dg

from sync_pipeline.entities import Entity
from sync_pipeline.orchestration.graph import assets_of
from sync_pipeline.orchestration.results import asset_key
from sync_pipeline.orchestration.tags import ENTITY_TAG, EVERY_ENTITY

SYNC_ALL: Final = "sync_all"

SyncJob: TypeAlias = Any
"""A job over assets, before its assets are known: Dagster exports no name for it."""


def sync_job(entity: Entity) -> SyncJob:
    """The whole sync of one entity of one connection (its partition)."""
    return dg.define_asset_job(
        name=job_name(entity.name),
        selection=dg.AssetSelection.assets(*assets_of([entity])),
        executor_def=dg.in_process_executor,
        tags={ENTITY_TAG: entity.name},
        description=f"Bring our {entity.name} in step with a store: read, enqueue, apply, prove. "
        "Stopped at any instant, the next start goes on where it was.",
    )


def sync_all_job(entities: Sequence[Entity]) -> SyncJob:
    """The sync of every entity of one connection (its partition), in the order of the graph."""
    return dg.define_asset_job(
        name=SYNC_ALL,
        selection=dg.AssetSelection.assets(*assets_of(entities)),
        executor_def=dg.in_process_executor,
        tags={ENTITY_TAG: EVERY_ENTITY},
        description="Bring everything of ours in step with a store: one orchestration, its queues "
        "worked in one run, so that what two entities need is read once. Whoever fails stops only "
        "what comes after it; stopped at any instant, sensors go on with each queue.",
    )


def job_name(entity: str) -> str:
    """The job that syncs an entity."""
    return f"sync_{entity}"


def run_config(entity: Entity, config: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a run of that job: fields of SyncConfig, for its first step."""
    step = asset_key(entity, "pages").to_python_identifier()
    return {"ops": {step: {"config": dict(config)}}}
