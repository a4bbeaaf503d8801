"""The four assets of an entity: pages, queue, applied, reconciled. One factory makes them all.

Belongs here: unpack, call the stage, report. Does not: what a stage does (stages/), which queue a
run works on (runs.py), how a stage ends (outcomes.py), what the numbers look like (results.py).

Assets pass nothing but their order: what one stage leaves for the next is in PostgreSQL, so each
can be materialized alone. There is no retry policy: the source and the queue try again themselves,
and sensors start a run that goes on where the last one stopped.
"""

import time
from contextlib import AbstractContextManager, nullcontext

import dagster as dg

from sync_pipeline.entities import Entity
from sync_pipeline.orchestration import checks, figures
from sync_pipeline.orchestration import metadata as shown
from sync_pipeline.orchestration.config import SyncConfig
from sync_pipeline.orchestration.conflicts import open_conflicts
from sync_pipeline.orchestration.graph import made_after
from sync_pipeline.orchestration.outcomes import found, opened
from sync_pipeline.orchestration.pools import reads_pool
from sync_pipeline.orchestration.progress import Reporter
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.results import (
    FRESHNESS,
    Result,
    applied_result,
    asset_key,
    common,
    result,
)
from sync_pipeline.orchestration.runs import Work
from sync_pipeline.sources.protocol import Source
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.refetch import refetch
from sync_pipeline.stages.upsert import upsert


def entity_assets(entity: Entity) -> list[dg.AssetsDefinition]:
    """The assets of one entity, in the order of the data."""
    return [
        pages_asset(entity),
        queue_asset(entity),
        applied_asset(entity),
        reconciled_asset(entity),
    ]


def pages_asset(entity: Entity) -> dg.AssetsDefinition:
    """The extract of one entity."""

    @dg.asset(
        **common(entity, "pages"),
        kinds={entity.system, "postgres"},
        deps=made_after(entity, "pages"),
        pool=reads_pool(entity),
        check_specs=checks.pages_specs(asset_key(entity, "pages")),
        description=f"Every answer of the store about its {entity.name}, as it came, with the "
        "proof that nothing was left out. Starts a sync, or goes on with the one that stands open.",
    )
    def pages(context: dg.AssetExecutionContext, config: SyncConfig, sync: SyncResource) -> Result:
        with opened(context, sync, entity, config) as work:
            reporter = Reporter(context, "pages", work)

            def on_read(listing: str, n_records: int, total: int | None) -> None:
                reporter.expect(listing, total)
                reporter.add(n_records)

            with _source(work, sync) as source:
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
            return result(
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
        **common(entity, "queue"),
        deps=made_after(entity, "queue"),
        kinds={"postgres", "sql"},
        pool="postgres_writes",
        description=f"One line per {entity.name} record whose content is new, in batches. "
        "Records that are as they were when last applied are counted and make no line.",
    )
    def queue(context: dg.AssetExecutionContext, sync: SyncResource) -> Result:
        with found(context, sync, entity, reached="enqueue") as work:
            began = time.monotonic()
            enqueued = enqueue(work.database, work.queue, entity)
            seconds = time.monotonic() - began
            return result(
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
        **common(entity, "applied"),
        deps=made_after(entity, "applied"),
        kinds={"postgres", "sql"},
        pool="postgres_writes",
        check_specs=checks.applied_specs(asset_key(entity, "applied")),
        description=f"Our table `{entity.target}` with every line applied: created, updated, left "
        "as it was, or failed alone with its reason. Each change is kept with before and after.",
    )
    def applied(context: dg.AssetExecutionContext, sync: SyncResource) -> Result:
        with found(context, sync, entity, reached="apply") as work:
            before = figures.status_of(work)
            reporter = Reporter(context, "applied", work)
            reporter.expect("lines", before["total_count"], processed=before["processed_count"])
            outcome = upsert(
                work.database,
                work.queue,
                entity,
                sync.queue_settings(),
                lambda one: reporter.add(one.done + one.failed, one.failed),
                lambda: _refetch(work, sync),
            )
            progress = reporter.finish()
            return applied_result(work, outcome, progress.elapsed_seconds)

    return applied


def _source(work: Work, sync: SyncResource) -> AbstractContextManager[Source | None]:
    """The store; none for what is derived from our own tables, was read before, or changes rows."""
    is_asked = work.entity.derivation is None and work.queue.filters.asks_store
    return sync.source(work.connection) if is_asked else nullcontext()


def _refetch(work: Work, sync: SyncResource) -> None:
    """Read again what an operator retries and the store could not serve before."""
    with sync.source(work.connection) as source:
        refetch(work.database, work.queue, work.connection, work.entity, source)


def reconciled_asset(entity: Entity) -> dg.AssetsDefinition:
    """The reconciliation of one entity."""

    @dg.asset(
        **common(entity, "reconciled"),
        freshness_policy=FRESHNESS,
        deps=made_after(entity, "reconciled"),
        kinds={"postgres", "sql"},
        check_specs=checks.reconciled_specs(asset_key(entity, "reconciled")),
        description=f"The certificate: both sides' {entity.name} held against each other by id, "
        "what is missing, what is extra, and every number that proves the sync.",
    )
    def reconciled(context: dg.AssetExecutionContext, sync: SyncResource) -> Result:
        with found(context, sync, entity, reached="finished") as work:
            began = time.monotonic()
            verdict = reconcile(work.database, work.queue, entity)
            seconds = time.monotonic() - began
            status = figures.status_of(work)
            certificate = status["certificate"]
            return result(
                work,
                "sync_record",
                verdict.ours,
                shown.verdict_metadata(verdict, status, figures.totals(work))
                | shown.certificate_metadata(certificate)
                | shown.rate_metadata("records", verdict.distinct, seconds)
                | shown.store_links(work.connection),
                [
                    checks.both_sides_agree(verdict),
                    checks.certificate_holds(certificate),
                    open_conflicts(work),
                ],
            )

    return reconciled
