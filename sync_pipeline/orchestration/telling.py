"""What the log says of a stage: when it began, when it ended, and its figures.

Belongs here: the block that names the work to every record inside it. Does not: what else is worth
a record (said where it happens), what Dagster shows (progress.py, metadata.py).
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import dagster as dg

from sync_pipeline import logs
from sync_pipeline.orchestration.progress import observed
from sync_pipeline.orchestration.runs import Work
from sync_pipeline.queue.progress import standing

_log: Final = logs.get_logger(__name__)


@contextmanager
def telling(context: dg.AssetExecutionContext, work: Work) -> Iterator[None]:
    """Log how the stage goes; a failure is logged by who writes it down with the queue."""
    stage = context.asset_key.path[-1]
    with logs.bound(
        queue=str(work.queue.id),
        connection=work.queue.connection,
        organization=work.queue.org_id,
        entity=work.queue.entity,
        run=context.run.run_id,
    ):
        began = time.monotonic()
        _log.info("stage began", stage=stage)
        yield
        seconds = round(time.monotonic() - began, 3)
        _log.info("stage ended", stage=stage, seconds=seconds, **_figures(work))


def _figures(work: Work) -> dict[str, Any]:
    """As status shows them, where anybody will read them."""
    if not _log.isEnabledFor(logging.INFO):
        return {}
    return dict(observed(standing(work.database, work.queue)))
