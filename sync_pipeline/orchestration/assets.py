"""The four assets of an entity: pages, queue, applied, reconciled. One factory makes them all.

Belongs here: unpack, call the stage, report. Does not: what a stage does (stages/), which queue a
run works on (runs.py), what the numbers look like (metadata.py).

Assets pass nothing but their order: what one stage leaves for the next is in PostgreSQL, so each
can be materialized alone. There is no retry policy: the source and the queue try again themselves,
and a run that failed goes on where it stopped when it is started again.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypedDict

import dagster as dg

from sync_pipeline.entities import Entity
from sync_pipeline.errors import SyncError, TransientError
from sync_pipeline.orchestration import checks, figures
from sync_pipeline.orchestration import metadata as shown
from sync_pipeline.orchestration.config import SyncConfig
from sync_pipeline.orchestration.partitions import CONNECTIONS
from sync_pipeline.orchestration.previews import changes_table
from sync_pipeline.orchestration.progress import Reporter, Stage
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.runs import Work, find_work, open_work
from sync_pipeline.queue.completion import Outcome
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert

_PREVIEWED_CHANGES: Final = 10
_OWNERS: Final = ["team:data-platform"]
if TYPE_CHECKING:
    Result = dg.MaterializeResult[None]
else:
    # Dagster takes an asset with checks for one of several outputs when the result has a type.
    Result = dg.MaterializeResult


def entity_assets(entity: Entity) -> list[dg.AssetsDefinition]:
    """The assets of one entity, in the order of the data."""
    return [
        pages_asset(entity),
        queue_asset(entity),
        applied_asset(entity),
        reconciled_asset(entity),
    ]


def asset_key(entity: Entity, stage: Stage) -> dg.AssetKey:
    """System / entity / stage."""
    return dg.AssetKey([entity.system, entity.name, stage])


def pages_asset(entity: Entity) -> dg.AssetsDefinition:
    """The extract of one entity."""

    @dg.asset(
        **_common(entity, "pages"),
        kinds={entity.system, "postgres"},
        pool=f"{entity.system}_reads",
        check_specs=checks.pages_specs(asset_key(entity, "pages")),
        description=f"Every answer of the store about its {entity.name}, as it came, with the "
        "proof that nothing was left out. Starts a sync, or goes on with the one that stands open.",
    )
    def pages(context: dg.AssetExecutionContext, config: SyncConfig, sync: SyncResource) -> Result:
        with _failures_in_words():
            work = open_work(context, sync, entity, config)
            reporter = Reporter(context, "pages")

            def on_read(listing: str, n_records: int, total: int | None) -> None:
                reporter.expect(listing, total)
                reporter.add(n_records)

            with sync.source(work.connection) as source:
                coverage = extract(
                    work.database,
                    work.queue,
                    work.connection,
                    entity,
                    source,
                    sync.source_settings(),
                    on_read,
                )
            progress = reporter.finish()
            return _result(
                work,
                "sync_page",
                coverage.scanned,
                shown.coverage_metadata(coverage)
                | shown.rate_metadata("records", progress.processed, progress.elapsed_seconds)
                | shown.store_links(work.connection),
                [checks.completeness_proven(coverage)],
            )

    return pages


def queue_asset(entity: Entity) -> dg.AssetsDefinition:
    """The enqueue of one entity."""

    @dg.asset(
        **_common(entity, "queue"),
        deps=[asset_key(entity, "pages")],
        kinds={"postgres", "sql"},
        pool="postgres_writes",
        description=f"One line per {entity.name} record whose content is new, in batches. "
        "Records that are as they were when last applied are counted and make no line.",
    )
    def queue(context: dg.AssetExecutionContext, sync: SyncResource) -> Result:
        with _failures_in_words():
            work = find_work(context, sync, entity, reached="enqueue")
            began = time.monotonic()
            enqueued = enqueue(work.database, work.queue, entity)
            seconds = time.monotonic() - began
            return _result(
                work,
                "sync_line",
                enqueued.lines,
                shown.enqueued_metadata(enqueued)
                | shown.rate_metadata("records", enqueued.scanned, seconds),
            )

    return queue


def applied_asset(entity: Entity) -> dg.AssetsDefinition:
    """The upsert of one entity."""

    @dg.asset(
        **_common(entity, "applied"),
        deps=[asset_key(entity, "queue")],
        kinds={"postgres", "sql"},
        pool="postgres_writes",
        check_specs=checks.applied_specs(asset_key(entity, "applied")),
        description=f"Our table `{entity.target}` with every line applied: created, updated, left "
        "as it was, or failed alone with its reason. Each change is kept with before and after.",
    )
    def applied(context: dg.AssetExecutionContext, sync: SyncResource) -> Result:
        with _failures_in_words():
            work = find_work(context, sync, entity, reached="apply")
            before = figures.status_of(work)
            reporter = Reporter(context, "applied")
            reporter.expect("lines", before["total_count"], processed=before["processed_count"])
            outcome = upsert(
                work.database,
                work.queue,
                entity,
                sync.queue_settings(),
                lambda one: reporter.add(one.done + one.failed, one.failed),
            )
            progress = reporter.finish()
            return _applied(work, outcome, progress.elapsed_seconds)

    return applied


def reconciled_asset(entity: Entity) -> dg.AssetsDefinition:
    """The reconciliation of one entity."""

    @dg.asset(
        **_common(entity, "reconciled"),
        deps=[asset_key(entity, "applied")],
        kinds={"postgres", "sql"},
        check_specs=checks.reconciled_specs(asset_key(entity, "reconciled")),
        description=f"The certificate: both sides' {entity.name} held against each other by id, "
        "what is missing, what is extra, and every number that proves the sync.",
    )
    def reconciled(context: dg.AssetExecutionContext, sync: SyncResource) -> Result:
        with _failures_in_words():
            work = find_work(context, sync, entity, reached="finished")
            began = time.monotonic()
            verdict = reconcile(work.database, work.queue, entity)
            seconds = time.monotonic() - began
            return _result(
                work,
                "sync_record",
                verdict.ours,
                shown.verdict_metadata(verdict, figures.status_of(work), figures.totals(work))
                | shown.rate_metadata("records", verdict.distinct, seconds)
                | shown.store_links(work.connection),
                [checks.both_sides_agree(verdict)],
            )

    return reconciled


def _applied(work: Work, outcome: Outcome, seconds: float) -> Result:
    status, held = figures.status_of(work), figures.totals(work)
    lines = outcome.done + outcome.failed
    preview = changes_table(figures.last_changes(work, _PREVIEWED_CHANGES))
    return _result(
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


def _result(
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


class _Common(TypedDict):
    key: dg.AssetKey
    partitions_def: dg.DynamicPartitionsDefinition
    group_name: str
    owners: list[str]
    tags: Mapping[str, str]


def _common(entity: Entity, stage: Stage) -> _Common:
    return {
        "key": asset_key(entity, stage),
        "partitions_def": CONNECTIONS,
        "group_name": entity.system,
        "owners": _OWNERS,
        "tags": {"sync/entity": entity.name, "sync/stage": stage},
    }


@contextmanager
def _failures_in_words() -> Iterator[None]:
    """Show what went wrong and what to do, instead of where in the code it was noticed."""
    try:
        yield
    except SyncError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"code": error.code, "remedy": error.remedy or "Start it again later."},
            allow_retries=isinstance(error, TransientError),
        ) from error
