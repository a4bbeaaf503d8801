"""How far a stage is: told to whoever listens in this process, and noted in Dagster now and then.

Belongs here: counting what batches report for a bar, and how often the figures are worth an event.
Does not: what a stage does (stages/), how a progress bar looks (cli/), the figures of the events:
they are those of queue.progress, as everywhere.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal

import dagster as dg
import psycopg

from sync_pipeline.errors import SyncError
from sync_pipeline.orchestration.runs import Work
from sync_pipeline.queue.progress import Standing, standing

Stage = Literal["pages", "queue", "applied", "reconciled"]

STAGES: Final[tuple[Stage, ...]] = ("pages", "queue", "applied", "reconciled")
# An observation costs Dagster's storage a connection and 10 ms of a worker.
_SECONDS_BETWEEN_OBSERVATIONS = 1.0


@dataclass(frozen=True)
class Progress:
    """How far one stage is.

    Attributes:
        entity: what is synced.
        stage: the asset of it that is being made.
        processed: records read, or lines applied (failed ones too), so far.
        total: how many there will be; None while nobody knows.
        failed: lines that failed for good, so far.
        elapsed_seconds: since the stage began in this process.
        is_last: the stage ended; nothing more comes from it.
    """

    entity: str
    stage: Stage
    processed: int
    total: int | None
    failed: int
    elapsed_seconds: float
    is_last: bool

    @property
    def rate_per_second(self) -> float:
        """Records or lines a second, over the whole stage."""
        return self.processed / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0


OnProgress = Callable[[Progress], None]

_listener: ContextVar[OnProgress | None] = ContextVar("sync_progress_listener", default=None)


@contextmanager
def listening(on_progress: OnProgress | None) -> Iterator[None]:
    """Stages that begin inside the block tell `on_progress`, from their worker threads too."""
    token = _listener.set(on_progress)
    try:
        yield
    finally:
        _listener.reset(token)


class Reporter:
    """Counts one stage. Threads may call it at once; a call is cheap but once a second."""

    def __init__(self, context: dg.AssetExecutionContext, stage: Stage, work: Work) -> None:
        self._context = context
        self._work = work
        self._stage = stage
        self._listener = _listener.get()
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._noted_at = self._began
        self._totals: dict[str, int | None] = {}
        self._processed = 0
        self._failed = 0
        self._before = 0
        self._tell(self._progress(is_last=False))

    def expect(self, what: str, total: int | None, *, processed: int = 0) -> None:
        """Say how many there will be of something, and how many were processed before."""
        with self._lock:
            self._totals[what] = total
            self._before += processed

    def add(self, processed: int, failed: int = 0) -> None:
        """Count what one page or batch brought."""
        with self._lock:
            self._processed += processed
            self._failed += failed
            now = self._progress(is_last=False)
            is_due = time.monotonic() - self._noted_at >= _SECONDS_BETWEEN_OBSERVATIONS
            if is_due:
                self._noted_at = time.monotonic()
        self._tell(now)
        if is_due:
            self._observe()

    def finish(self) -> Progress:
        """The stage ended: note how it stands, whatever was noted last."""
        last = self._progress(is_last=True)
        self._tell(last)
        self._observe()
        return last

    def _progress(self, *, is_last: bool) -> Progress:
        totals = list(self._totals.values())
        known = [total for total in totals if total is not None]
        return Progress(
            entity=self._work.entity.name,
            stage=self._stage,
            processed=self._before + self._processed,
            total=sum(known) if known and len(known) == len(totals) else None,
            failed=self._failed,
            elapsed_seconds=time.monotonic() - self._began,
            is_last=is_last,
        )

    def _tell(self, progress: Progress) -> None:
        if self._listener is not None:
            self._listener(progress)

    def _observe(self) -> None:
        try:
            now = standing(self._work.database, self._work.queue)
        except (SyncError, psycopg.Error):
            return  # what is wrong with the database is said by the stage itself
        self._context.log_event(
            dg.AssetObservation(
                asset_key=self._context.asset_key,
                partition=self._context.partition_key,
                metadata=observed(now),
            )
        )


def observed(now: Standing) -> dict[str, int | float]:
    """The figures of a queue as Dagster plots them: numbers only, and only what is known. Pure."""
    it = now.progress
    figures = {
        "processed": it.processed_count,
        "total": it.total_count,
        "failed": it.failed_count,
        "items_per_min": it.items_per_min,
        "eta_seconds": it.eta_seconds,
        "completion_percent": it.completion_percent,
        "last_batch_items_per_min": now.batches.last_items_per_min,
    }
    return {name: value for name, value in figures.items() if value is not None}
