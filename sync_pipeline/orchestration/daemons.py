"""Whether Dagster lives: its storage, and the heartbeats of its daemon.

Belongs here: finding the instance that works on a database without making one, the verdict on the
daemon, its metric. Does not: starting it (cli/dev.py, deploy/), other checks (health.py).
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._daemon.types import DaemonHeartbeat
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from sync_pipeline.orchestration.instance import STORAGE_VARIABLE, ensure_instance
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.health import Check, Status
from sync_pipeline.settings import DatabaseSettings

# Daemons tell that they live every 30 seconds.
_STALE_SECONDS: Final = 120.0
_START_DAEMON: Final = "Start it: dagster-daemon run. If none is meant to run: dagster-daemon wipe."
# Where there is no deployment a daemon runs as long as `dev` does: that it ended is no fault.
_RUN_DEV: Final = "While `sync-pipeline dev` runs there is one; without it nothing is retried."
# Dagster connects anew for each question: heartbeats are not asked for at every scrape.
_ASK_SECONDS: Final = 10.0


def dagster_checks(settings: DatabaseSettings, database: Database) -> list[Check]:
    """The checks of the instance that works on this database.

    Raises:
        As `existing_instance`.
    """
    instance = existing_instance(settings, database)
    if instance is None:
        seen = "Dagster has not run on this database yet"
        return [Check("dagster storage", Status.WARN, seen, "The first sync makes its storage.")]
    with instance:
        return instance_checks(instance, is_deployed=_deployed_home() is not None)


def daemon_check(
    heartbeats: Mapping[str, DaemonHeartbeat],
    required: Iterable[str],
    *,
    is_needed: bool,
    is_deployed: bool,
    now_seconds: float,
) -> Check:
    """Whether the Dagster daemon lives. Pure.

    Args:
        heartbeats: by daemon type, the last of each that ever ran.
        required: the daemon types that must live.
        is_needed: a sensor or a schedule is on.
        is_deployed: somebody sees to it that a daemon runs, so that its absence is a failure.
        now_seconds: of 1970.
    """
    kinds = sorted(required)
    absence, remedy = (Status.FAIL, _START_DAEMON) if is_deployed else (Status.WARN, _RUN_DEV)
    ages = {kind: now_seconds - heartbeats[kind].timestamp for kind in kinds if kind in heartbeats}
    if not ages and not is_needed:
        seen = "none has ever run: syncs start by hand only, and nothing is retried by itself"
        return Check("dagster daemon", Status.WARN, seen, remedy)
    silent = [kind for kind in kinds if ages.get(kind, _STALE_SECONDS + 1) > _STALE_SECONDS]
    if silent:
        oldest = max((ages[kind] for kind in silent if kind in ages), default=None)
        since = "ever" if oldest is None else f"for {oldest:.0f} s"
        seen = f"no sign of life {since}: {', '.join(silent)}"
        return Check("dagster daemon", absence, seen, remedy)
    ailing = [kind for kind in kinds if heartbeats[kind].errors]
    if ailing:
        seen = f"lives, and reports errors: {', '.join(ailing)}"
        return Check("dagster daemon", Status.WARN, seen, "See the daemon's log, or the UI.")
    return Check("dagster daemon", Status.OK, f"lives, {max(ages.values(), default=0):.0f} s ago")


def instance_checks(instance: dg.DagsterInstance, *, is_deployed: bool) -> list[Check]:
    """The storage answers, and the daemon lives; `is_deployed` as of `daemon_check`."""
    heartbeats = instance.get_daemon_heartbeats()
    is_needed = any(
        one.status in (InstigatorStatus.RUNNING, InstigatorStatus.DECLARED_IN_CODE)
        for one in instance.all_instigator_state()
    )
    required = instance.get_required_daemon_types()
    return [
        Check("dagster storage", Status.OK, "answers"),
        daemon_check(
            heartbeats,
            required,
            is_needed=is_needed,
            is_deployed=is_deployed,
            now_seconds=time.time(),
        ),
    ]


def existing_instance(settings: DatabaseSettings, database: Database) -> dg.DagsterInstance | None:
    """The Dagster instance that works here; None when there was never one. Makes none.

    A deployment's, when DAGSTER_HOME and the variable of its storage say where it is; else that of
    the commands, in the database `dagster` beside ours.
    """
    if home := _deployed_home():
        return dg.DagsterInstance.from_config(home)
    with database.owner() as conn:
        row = conn.execute("SELECT FROM pg_database WHERE datname = 'dagster'").fetchone()
    return None if row is None else ensure_instance(settings, database.url)


def _deployed_home() -> str | None:
    home = os.environ.get("DAGSTER_HOME", "")
    is_there = os.environ.get(STORAGE_VARIABLE) and home and (Path(home) / "dagster.yaml").is_file()
    return home if is_there else None


class DaemonCollector(Collector):
    """The age of the daemon's heartbeat. Nothing is told where no daemon has ever run."""

    def __init__(self, settings: DatabaseSettings, database: Callable[[], Database]) -> None:
        """`database` is asked for until there is an instance, and may raise."""
        self._settings = settings
        self._database = database
        self._instance: dg.DagsterInstance | None = None
        self._oldest: float | None = None
        self._asked_at = -_ASK_SECONDS
        self._asking = threading.Lock()

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked when the collector is registered."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """The one metric, from what was known some seconds ago at most."""
        age = GaugeMetricFamily(
            "sync_daemon_heartbeat_age_seconds", "Since the Dagster daemon's last sign of life."
        )
        with self._asking:
            self._ask()
        if self._oldest is not None:
            age.add_metric([], max(0.0, time.time() - self._oldest))
        yield age

    def _ask(self) -> None:
        if time.monotonic() - self._asked_at < _ASK_SECONDS:
            return
        self._asked_at = time.monotonic()
        try:
            self._instance = self._instance or existing_instance(self._settings, self._database())
            if self._instance is None:
                return
            required = self._instance.get_required_daemon_types()
            heartbeats = self._instance.get_daemon_heartbeats()
        except Exception:  # noqa: BLE001  (Dagster's storage is gone: the last age goes on growing)
            return
        beats = [heartbeats[kind].timestamp for kind in required if kind in heartbeats]
        self._oldest = min(beats, default=None)
