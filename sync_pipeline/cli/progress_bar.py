"""The bars of a sync on a terminal: records read, then lines applied.

Belongs here: from what stages tell to rich's bars. Does not: counting (orchestration/progress.py).
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sync_pipeline.cli import output

STAGE_WORDS = {
    "pages": "read the store",
    "queue": "make the queue",
    "applied": "apply the lines",
    "reconciled": "compare both sides",
}


class StageProgress(Protocol):
    """What a stage tells; orchestration.progress.Progress is one."""

    @property
    def entity(self) -> str:
        """What is synced."""

    @property
    def stage(self) -> str:
        """Which asset is being made."""

    @property
    def processed(self) -> int:
        """Records or lines so far."""

    @property
    def total(self) -> int | None:
        """How many there will be, if known."""

    @property
    def is_last(self) -> bool:
        """The stage ended."""


@contextmanager
def showing_progress(
    is_quiet: bool,  # noqa: FBT001
    *,
    names_entity: bool = False,
) -> Iterator[Callable[[StageProgress], None] | None]:
    """Bars on stderr while the block runs, gone at its end; None where nobody would see them.

    Args:
        names_entity: several are synced, and each bar says which it is about.
    """
    if is_quiet or not sys.stderr.isatty():
        yield None
        return
    bars = Progress(
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=output.stderr(),
        transient=True,
    )
    tasks: dict[tuple[str, str], TaskID] = {}

    def tell(progress: StageProgress) -> None:
        words = STAGE_WORDS.get(progress.stage, progress.stage)
        key = (progress.entity, progress.stage)
        if key not in tasks:
            shown = f"{progress.entity}: {words}" if names_entity else words
            tasks[key] = bars.add_task(shown, total=None)
        total = progress.processed if progress.is_last else progress.total
        bars.update(tasks[key], completed=progress.processed, total=total)

    with bars:
        yield tell
