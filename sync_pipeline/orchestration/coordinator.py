"""The order in which queued runs start: no organization starves another, however many it queues.

Belongs here: what a run is tagged with when it is queued, whoever queued it (sensor, schedule, UI,
backfill). Does not: how many run at once (dagster.yaml), starting them (Dagster's daemon).

Dagster starts queued runs first come, first served, skipping those that a limit holds back
(1.13.27). An organization that may have 5 of 10 places is skipped at its 6th run, but two of them
with 100 queued runs each would keep a third one waiting to the end. So each run is queued with a
priority that falls by one with every run that its organization has outstanding: the organizations
take turns. It falls by one with every minute too: a run that came later by more minutes than its
organization had runs before this one is behind it, so that nobody is overtaken for ever.
"""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import dagster as dg
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

from sync_pipeline.errors import SyncError
from sync_pipeline.orchestration.pools import ensure_pools
from sync_pipeline.orchestration.resource import SyncResource
from sync_pipeline.orchestration.tags import ORGANIZATION_TAG, PARTITION_TAG
from sync_pipeline.sources.connections import find_connection

_log = logging.getLogger(__name__)

PRIORITY_TAG: Final = "dagster/priority"
_OUTSTANDING: Final = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


class FairRunCoordinator(QueuedRunCoordinator[dg.DagsterInstance]):
    """Dagster's queue, in which organizations take turns. Named in dagster.yaml."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Queue a run, with its organization and its turn; the pools that it needs are there."""
        run = context.dagster_run
        ensure_pools(self._instance)
        if run.status is dg.DagsterRunStatus.NOT_STARTED:
            self._tag(run)
        return super().submit_run(context)

    def _tag(self, run: dg.DagsterRun) -> None:
        organization = run.tags.get(ORGANIZATION_TAG) or organization_of(run.tags)
        if organization is None:
            return
        outstanding = self._instance.get_runs_count(
            dg.RunsFilter(tags={ORGANIZATION_TAG: organization}, statuses=_OUTSTANDING)
        )
        turn = turn_tags(run.tags, organization, outstanding, datetime.now(UTC))
        self._instance.add_run_tags(run.run_id, turn)


def turn_tags(
    tags: Mapping[str, str], organization: str, outstanding: int, now: datetime
) -> dict[str, str]:
    """What a run is tagged with before it is queued. Pure.

    Args:
        tags: the run's own; a priority that somebody gave it stays: from 0 on, before all others.
        organization: whose run it is.
        outstanding: runs of the organization that are queued or under way.
        now: when it is queued, by a clock that all who queue runs share.
    """
    minutes = int(now.timestamp() // 60)
    turn = {} if PRIORITY_TAG in tags else {PRIORITY_TAG: str(-(minutes + outstanding))}
    return {ORGANIZATION_TAG: organization, **turn}


def organization_of(tags: Mapping[str, str]) -> str | None:
    """The organization of the run's partition, which is a connection; None when nobody knows.

    A run that a person starts in the UI names its partition only. It is queued all the same when
    the database does not answer: what is wrong then is said by the run.
    """
    if (name := tags.get(PARTITION_TAG)) is None:
        return None
    try:
        return find_connection(SyncResource().database(), name).org_id
    except SyncError as error:
        _log.warning("The organization of a run of %s is not known: %s", name, error)
        return None
