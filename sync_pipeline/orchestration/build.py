"""Puts the definitions together, in the one place where all of them meet.

Belongs here: assembly. Does not: what is assembled. Nothing here reads the environment.
"""

import dagster as dg

from sync_pipeline.entities import ENTITIES
from sync_pipeline.orchestration.actions import action_jobs
from sync_pipeline.orchestration.assets import entity_assets
from sync_pipeline.orchestration.conflicts import resolve_job
from sync_pipeline.orchestration.jobs import sync_all_job, sync_job
from sync_pipeline.orchestration.orchestration_jobs import orchestration_jobs
from sync_pipeline.orchestration.preview_job import preview_job
from sync_pipeline.orchestration.purge import maintain_job, purge_job
from sync_pipeline.orchestration.queue_sensors import queue_sensors
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.reverts import revert_job
from sync_pipeline.orchestration.run_failures import run_failure_sensor
from sync_pipeline.orchestration.schedules import sync_schedules, upkeep_schedules
from sync_pipeline.orchestration.sensors import connections_sensor
from sync_pipeline.settings import AutomationSettings


def build_definitions(
    *, sync: SyncResource | None = None, automation: AutomationSettings | None = None
) -> dg.Definitions:
    """Everything Dagster loads.

    Args:
        sync: the database and the stores to work with; those of the environment when None.
        automation: what starts by the clock; nothing when None, until somebody switches it on.
    """
    automation = automation or AutomationSettings.model_construct()
    syncs = [sync_job(entity) for entity in ENTITIES]
    sync_all = sync_all_job(ENTITIES)
    return dg.Definitions(
        assets=[asset for entity in ENTITIES for asset in entity_assets(entity)],
        jobs=[
            *syncs,
            sync_all,
            *action_jobs(),
            revert_job,
            resolve_job,
            preview_job,
            *orchestration_jobs(),
            purge_job,
            maintain_job,
        ],
        sensors=[connections_sensor, *queue_sensors([*syncs, sync_all]), run_failure_sensor],
        schedules=[
            *(
                schedule
                for entity, job in zip(ENTITIES, syncs, strict=True)
                for schedule in sync_schedules(entity, job, automation)
            ),
            *upkeep_schedules(automation),
        ],
        resources={"sync": sync or SyncResource()},
        executor=dg.in_process_executor,
    )
