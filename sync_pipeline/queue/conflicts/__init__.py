"""Conflicts: what must not be applied blindly, shown, counted and decided about by people."""

from sync_pipeline.queue.conflicts.choosing import Chosen, one_of
from sync_pipeline.queue.conflicts.deciding import Decision, decision_of
from sync_pipeline.queue.conflicts.fitting import DecisionUnfitError, Group, open_groups
from sync_pipeline.queue.conflicts.reading import (
    Conflict,
    Shown,
    Side,
    UnknownConflictError,
    find_conflict,
    list_conflicts,
    show_conflict,
)
from sync_pipeline.queue.conflicts.resolving import (
    ConflictMovedError,
    Resolving,
    resolve,
)
from sync_pipeline.queue.conflicts.retrying import Retrying, retry_conflicts
from sync_pipeline.queue.conflicts.stats import Count, Stats, conflict_stats
from sync_pipeline.queue.conflicts.typed import ValueInvalidError

__all__ = [
    "Chosen",
    "Conflict",
    "ConflictMovedError",
    "Count",
    "Decision",
    "DecisionUnfitError",
    "Group",
    "Resolving",
    "Retrying",
    "Shown",
    "Side",
    "Stats",
    "UnknownConflictError",
    "ValueInvalidError",
    "conflict_stats",
    "decision_of",
    "find_conflict",
    "list_conflicts",
    "one_of",
    "open_groups",
    "resolve",
    "retry_conflicts",
    "show_conflict",
]
