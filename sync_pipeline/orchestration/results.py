"""What an asset shows when it was made: the table it filled, its queue, its numbers.

Belongs here: assembling a materialization, and what the assets of an entity have in common. Does
not: single numbers (metadata.py), reading them (figures.py).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypedDict

import dagster as dg

from sync_pipeline.entities import Entity
from sync_pipeline.orchestration import checks, figures
from sync_pipeline.orchestration import metadata as shown
from sync_pipeline.orchestration.partitions import CONNECTIONS
from sync_pipeline.orchestration.previews import changes_table
from sync_pipeline.orchestration.progress import Stage
from sync_pipeline.orchestration.runs import Work
from sync_pipeline.queue.completion import Outcome

_PREVIEWED_CHANGES: Final = 10
_OWNERS: Final = ["team:data-platform"]
# Schedules sync hourly by default: two missed syncs are worth a look, a day without one is wrong.
FRESHNESS: Final = dg.FreshnessPolicy.time_window(
    fail_window=timedelta(hours=26), warn_window=timedelta(hours=3)
)
if TYPE_CHECKING:
    Result = dg.MaterializeResult[None]
else:
    # Dagster takes an asset with checks for one of several outputs when the result has a type.
    Result = dg.MaterializeResult


class Common(TypedDict):
    """What the four assets of an entity are declared with."""

    key: dg.AssetKey
    partitions_def: dg.DynamicPartitionsDefinition
    group_name: str
    owners: list[str]
    tags: Mapping[str, str]


def asset_key(entity: Entity, stage: Stage) -> dg.AssetKey:
    """System / entity / stage."""
    return dg.AssetKey([entity.system, entity.name, stage])


def common(entity: Entity, stage: Stage) -> Common:
    """What the assets of an entity have in common."""
    return {
        "key": asset_key(entity, stage),
        "partitions_def": CONNECTIONS,
        "group_name": f"{entity.system}_{entity.name}",
        "owners": _OWNERS,
        "tags": {"sync/entity": entity.name, "sync/stage": stage},
    }


def result(
    work: Work,
    table: str,
    partition_rows: int,
    metadata: shown.Metadata,
    check_results: Sequence[dg.AssetCheckResult] = (),
    *,
    rows: int | None = None,
) -> Result:
    """A materialization that says which table it filled and which queue it was part of."""
    described = shown.table_metadata(
        figures.table(work, table),
        rows=partition_rows if rows is None else rows,
        partition_rows=partition_rows,
    )
    queue_id = dg.MetadataValue.text(str(work.queue.id))
    return dg.MaterializeResult(
        metadata=described | metadata | {"queue_id": queue_id}, check_results=check_results
    )


def applied_result(work: Work, outcome: Outcome, seconds: float) -> Result:
    """The materialization of `applied`: what this run did, and how the queue and table stand."""
    status, held = figures.status_of(work), figures.totals(work)
    lines = outcome.done + outcome.failed
    preview = changes_table(figures.last_changes(work, _PREVIEWED_CHANGES))
    return result(
        work,
        work.entity.target,
        held.n_records,
        shown.outcome_metadata(outcome, status, held)
        | shown.rate_metadata("lines", lines, seconds)
        | {"last_changes": dg.MetadataValue.md(preview)},
        [
            checks.counters_equal_lines(status, figures.line_states(work)),
            checks.no_line_left_behind(status),
        ],
        rows=held.n_rows,
    )
