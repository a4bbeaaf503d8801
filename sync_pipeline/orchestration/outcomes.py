"""How a stage ends: well, stopped by an operator, or failed, each in words and with its queue.

Belongs here: the block that every asset runs in. Does not: the stages, what follows from a failure
(queue/failures.py).
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import dagster as dg
import psycopg

from sync_pipeline.entities import Entity
from sync_pipeline.errors import SyncError, TransientError
from sync_pipeline.orchestration.config import SyncConfig
from sync_pipeline.orchestration.orchestrated import is_over_all
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.runs import Work, find_work, open_work, require_stage, take_up
from sync_pipeline.orchestration.tags import failure_tags
from sync_pipeline.orchestration.telling import telling
from sync_pipeline.queue.failures import failure_from, record_failure, record_success
from sync_pipeline.queue.queues import Stage
from sync_pipeline.queue.stops import refuse_if_stopped

_log: Final = logging.getLogger(__name__)


@contextmanager
def opened(
    context: dg.AssetExecutionContext, sync: SyncResource, entity: Entity, config: SyncConfig
) -> Iterator[Work]:
    """Work on the queue that this run opens, joins or is told of.

    Raises:
        dg.Failure: in words, with the error's code and what to do; noted with the queue.
    """
    with _stage(context, sync, lambda: open_work(context, sync, entity, config)) as work:
        yield work


@contextmanager
def found(
    context: dg.AssetExecutionContext, sync: SyncResource, entity: Entity, *, reached: Stage
) -> Iterator[Work]:
    """Work on the queue of this run, once it is as far as `reached`.

    Raises:
        dg.Failure: as `opened`.
    """
    with _stage(context, sync, lambda: find_work(context, sync, entity), reached) as work:
        yield work


@contextmanager
def _stage(
    context: dg.AssetExecutionContext,
    sync: SyncResource,
    find: Callable[[], Work],
    reached: Stage = "extract",
) -> Iterator[Work]:
    with _in_words():
        work = _found(context, find)
        require_stage(work, reached)
        with telling(context, work), _noted(context, sync, work):
            refuse_if_stopped(work.database, work.queue)
            take_up(context, sync, work)
            yield work
            # Who had nothing to do says nothing about what failed in a later stage.
            if work.queue.stage == reached:
                record_success(work.database, work.queue)


def _found(context: dg.AssetExecutionContext, find: Callable[[], Work]) -> Work:
    """The work; where a run over several queues has none, the run says so and no queue does."""
    try:
        return find()
    except SyncError as error:
        if is_over_all(context.run):
            run_id = context.run.run_id
            context.instance.add_run_tags(run_id, failure_tags(run_id, error.code))
        raise


@contextmanager
def _noted(context: dg.AssetExecutionContext, sync: SyncResource, work: Work) -> Iterator[None]:
    """Write a failure down with its queue, and on the run that it is written down."""
    try:
        yield
    except Exception as error:
        failure = failure_from(error)
        run_id = context.run.run_id
        try:
            record_failure(work.database, work.queue, failure, sync.queue_settings(), run_id=run_id)
            context.instance.add_run_tags(run_id, failure_tags(run_id, failure.code))
            sync.leave(work.queue)
        except (SyncError, psycopg.Error):
            # The database is why it failed, maybe. The sensor run_failure notes it later.
            _log.warning("The failure of run %s is not written down yet", run_id, exc_info=True)
        raise


@contextmanager
def _in_words() -> Iterator[None]:
    """Show what went wrong and what to do, instead of where in the code it was noticed."""
    try:
        yield
    except SyncError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"code": error.code, "remedy": error.remedy or "Start it again later."},
            allow_retries=isinstance(error, TransientError),
        ) from error
