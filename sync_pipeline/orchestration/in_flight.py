"""Runs that have not ended: what they are about, and which of them are dead.

Belongs here: judging runs by their status, age and tags (pure), and closing the dead. Does not:
which queues need a run (queue/attention.py).

Dagster's own launcher does not watch its workers, and what watches runs is a daemon that may be
killed too. So nothing here waits for Dagster to notice a death.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import dagster as dg

from sync_pipeline.orchestration.code_servers import unheld_runs
from sync_pipeline.orchestration.processes import close_run, is_dead
from sync_pipeline.orchestration.tags import (
    ENTITY_TAG,
    EVERY_ENTITY,
    ORCHESTRATION_TAG,
    PARTITION_TAG,
    PROCESS_TAG,
    QUEUE_TAG,
)
from sync_pipeline.queue.life import Life

UNFINISHED: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_WAITING: Final = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED]
_ENDED: Final = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]
# Starting takes 2 to 5 s, nearly all of it CPU: many that start at once wait for each other. A run
# that is closed too early is started again, and would then be closed again: those that have begun
# by now, or were closed, made the last one wait too. However many there were, ten minutes are the
# end; where Dagster watches runs, its start_timeout_seconds is.
_LONGEST_START_SECONDS: Final = 30.0
_LONGER_PER_OTHER_SECONDS: Final = 15.0
# One that a person started, with no queue yet: it is not started again.
_LONGEST_START_ALONE_SECONDS: Final = 180.0
# Failures may be of other kinds, such as kills: they must not keep a dead start for minutes.
_MOST_FAILED_BEFORE: Final = 2
# From a launch until the code server has a process for the run: milliseconds, on an idle machine.
_LONGEST_UNHELD_SECONDS: Final = 15.0
_LONGER_UNHELD_PER_OTHER_SECONDS: Final = 5.0
_LONGEST_PATIENCE_SECONDS: Final = 600.0
_LONGEST_LAUNCH_SECONDS: Final = 120.0
# On top of a lease that ran out.
_LONGEST_SILENCE_SECONDS: Final = 15.0

Together = Mapping[tuple[str, str], Sequence[str]]
"""Ids of queues that are worked in one run, by orchestration and connection."""

_NONE_TOGETHER: Final[Together] = {}

GONE: Final = "The process of this run is gone."
NEVER_BEGAN: Final = "No process began this run in time."
SILENT: Final = "The process of this run has shown no sign of life: it is gone, or it hangs."


@dataclass(frozen=True)
class SeenRun:
    """A run that has not ended.

    Attributes:
        queue_id: of the queue that it is tagged with; None before it opened one. Of several, the
            one that it works on now.
        entity: "all" for a run over all entities; None for one that is no sync.
        has_worker: a process has said that it executes this very run.
        is_dead: that process was of this machine and is gone.
        age_seconds: since its status changed last.
        patience_seconds: how long it may take to begin, as many as started beside it.
        orchestration_id: whose queues of this partition it works, all of them.
    """

    run_id: str
    status: dg.DagsterRunStatus
    queue_id: str | None
    entity: str | None
    partition: str | None
    has_worker: bool
    is_dead: bool
    age_seconds: float
    patience_seconds: float = _LONGEST_START_SECONDS
    orchestration_id: str | None = None

    @property
    def is_starting(self) -> bool:
        """A run of ours that was launched, and whose process has not shown itself."""
        is_launched = self.status not in _WAITING
        return is_launched and self.entity is not None and not (self.has_worker or self.is_dead)

    @property
    def is_alone(self) -> bool:
        """It has no queue that another run would go on with."""
        return self.queue_id is None and self.orchestration_id is None

    @property
    def is_ahead(self) -> bool:
        """Its work has yet to begin, and there is no reason to think that it will not."""
        if self.status == dg.DagsterRunStatus.QUEUED:
            return True
        if self.is_dead or self.has_worker:
            return False
        if self.status == dg.DagsterRunStatus.NOT_STARTED:
            return self.age_seconds <= _LONGEST_LAUNCH_SECONDS
        return self.age_seconds <= self.patience_seconds


def queues_in_flight(runs: Iterable[SeenRun], together: Together = _NONE_TOGETHER) -> set[str]:
    """Ids of queues whose run has yet to show itself. Pure.

    One that works shows it with its queues: by their leases.

    Args:
        together: the queues of each connection in the orchestrations that runs work.
    """
    return {queue_id for run in runs if run.is_ahead for queue_id in queues_of(run, together)}


def queues_of(run: SeenRun, together: Together) -> tuple[str, ...]:
    """Ids of the queues that a run is about. Pure."""
    own = () if run.queue_id is None else (run.queue_id,)
    return own + tuple(together.get((run.orchestration_id or "", run.partition or ""), ()))


def partitions_in_flight(runs: Iterable[SeenRun], entity: str | None = None) -> set[str]:
    """Partitions that a run which has not ended is about, of one entity when it is named. Pure."""
    return {
        run.partition
        for run in runs
        if run.partition is not None and (entity is None or run.entity in (entity, EVERY_ENTITY))
    }


def runs_to_close(
    runs: Iterable[SeenRun], lives: Mapping[str, Life], together: Together = _NONE_TOGETHER
) -> dict[str, str]:
    """Runs that nobody works on any more, by id, and why they are taken for dead. Pure.

    Args:
        runs: all that have not ended.
        lives: of the queues that they are about.
        together: as for `queues_in_flight`.
    """
    runs, reasons = list(runs), {}
    ids = {run.run_id for run in runs}
    for run in runs:
        known = [lives[one] for one in queues_of(run, together) if one in lives]
        if (reason := _death(run, known, ids - {run.run_id})) is not None:
            reasons[run.run_id] = reason
    return reasons


def _death(run: SeenRun, lives: Sequence[Life], others: Collection[str]) -> str | None:
    if run.is_dead:
        return GONE
    if run.status == dg.DagsterRunStatus.QUEUED or run.entity is None:
        return None
    if not run.has_worker:
        return None if run.is_ahead else NEVER_BEGAN
    # Only of the run that worked on the queue last is the queue's lease a sign. Of several queues
    # those that are over are silent; the one in hand, and those to come, are not.
    if all(life.last_dagster_run_id != run.run_id for life in lives):
        return None
    # One that it joined and has not come to names the run before, which has ended.
    own = [one for one in lives if one.last_dagster_run_id not in others]
    is_silent = min(one.silent_seconds for one in own) > _LONGEST_SILENCE_SECONDS
    return SILENT if is_silent else None


def unfinished_runs(instance: dg.DagsterInstance, now: datetime) -> list[SeenRun]:
    """Every run that has not ended; in one query, and another when a start takes long.

    The code servers of such starts are asked, too, whether they have a process for them.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED))
    runs = [_seen(record, now) for record in records]
    longest = max((run.age_seconds for run in runs if run.is_starting), default=0.0)
    if longest <= _LONGEST_UNHELD_SECONDS:
        return runs
    starts = _starts_within(instance, runs, now, longest)
    late = {
        run.run_id for run in runs if run.is_starting and run.age_seconds > _LONGEST_UNHELD_SECONDS
    }
    launched = [record.dagster_run for record in records if record.dagster_run.run_id in late]
    unheld = unheld_runs(instance, launched)
    return [
        replace(
            run,
            patience_seconds=patience_with(
                starts + (_failed_before(instance, run, now) if run.run_id in late else 0),
                is_held=run.run_id not in unheld,
                is_alone=run.is_alone,
            ),
        )
        for run in runs
    ]


def patience_with(starts: int, *, is_held: bool = True, is_alone: bool = False) -> float:
    """How long each of so many runs may take to begin. Pure.

    Args:
        is_held: its code server has a process for it, or nobody can tell.
        is_alone: nobody starts another in its place.
    """
    own_seconds, per_other_seconds = (
        (_LONGEST_START_SECONDS, _LONGER_PER_OTHER_SECONDS)
        if is_held
        else (_LONGEST_UNHELD_SECONDS, _LONGER_UNHELD_PER_OTHER_SECONDS)
    )
    if is_alone and is_held:
        own_seconds = _LONGEST_START_ALONE_SECONDS
    return min(own_seconds + per_other_seconds * max(starts - 1, 0), _LONGEST_PATIENCE_SECONDS)


def _starts_within(
    instance: dg.DagsterInstance, runs: Iterable[SeenRun], now: datetime, seconds: float
) -> int:
    """Runs that started within the last seconds, and maybe began and ended since."""
    seconds = min(seconds, _LONGEST_PATIENCE_SECONDS)
    under_way = sum(run.status not in _WAITING and run.age_seconds <= seconds for run in runs)
    since = now - timedelta(seconds=seconds)
    return under_way + instance.get_runs_count(dg.RunsFilter(statuses=_ENDED, updated_after=since))


def _failed_before(instance: dg.DagsterInstance, run: SeenRun, now: datetime) -> int:
    """Runs of the same queue that failed lately: a start that is given up has longer next time."""
    if run.queue_id is None:
        return 0
    since = now - timedelta(seconds=_LONGEST_PATIENCE_SECONDS)
    failed = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.FAILURE],
        tags={QUEUE_TAG: run.queue_id},
        updated_after=since,
    )
    return min(instance.get_runs_count(failed), _MOST_FAILED_BEFORE)


def close(instance: dg.DagsterInstance, reasons: Mapping[str, str]) -> list[str]:
    """Mark runs failed, each for its reason, and free their slots; the ids of those closed."""
    return [run_id for run_id, reason in reasons.items() if close_run(instance, run_id, reason)]


def _seen(record: dg.RunRecord, now: datetime) -> SeenRun:
    run, changed = record.dagster_run, record.update_timestamp
    if changed.tzinfo is None:
        changed = changed.replace(tzinfo=UTC)
    return SeenRun(
        run_id=run.run_id,
        status=run.status,
        queue_id=run.tags.get(QUEUE_TAG),
        orchestration_id=_orchestration_of(run),
        entity=run.tags.get(ENTITY_TAG),
        partition=run.tags.get(PARTITION_TAG),
        has_worker=run.tags.get(PROCESS_TAG, "").startswith(run.run_id),
        is_dead=is_dead(run),
        age_seconds=(now - changed).total_seconds(),
    )


def _orchestration_of(run: dg.DagsterRun) -> str | None:
    """Of a run over all entities; one of a single queue names its orchestration for people."""
    is_over_all = run.tags.get(ENTITY_TAG) == EVERY_ENTITY
    return run.tags.get(ORCHESTRATION_TAG) if is_over_all else None
