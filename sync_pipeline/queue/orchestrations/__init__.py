"""One request over several connections and entities: it opens queues, and is what they are."""

from sync_pipeline.queue.orchestrations.acting import (
    cancel_orchestration,
    pause_orchestration,
    resume_orchestration,
    retry_orchestration,
)
from sync_pipeline.queue.orchestrations.audit import Activity, activities_of
from sync_pipeline.queue.orchestrations.following import ItemStatus, Moment, moment_of
from sync_pipeline.queue.orchestrations.records import (
    Item,
    Orchestration,
    UnknownOrchestrationError,
    find_orchestration,
    items_of,
    orchestration_status,
    recent_orchestrations,
)
from sync_pipeline.queue.orchestrations.results import OrchestrationActionName, OrchestrationResult
from sync_pipeline.queue.orchestrations.starting import KeyReusedError, start_orchestration

__all__ = [
    "Activity",
    "Item",
    "ItemStatus",
    "KeyReusedError",
    "Moment",
    "Orchestration",
    "OrchestrationActionName",
    "OrchestrationResult",
    "UnknownOrchestrationError",
    "activities_of",
    "cancel_orchestration",
    "find_orchestration",
    "items_of",
    "moment_of",
    "orchestration_status",
    "pause_orchestration",
    "recent_orchestrations",
    "resume_orchestration",
    "retry_orchestration",
    "start_orchestration",
]
