"""One whole sync of a served store: the four stages, without Dagster.

    python -m benchmarks.one_sync DATABASE_URL STORE_URL ENTITY

runs one in a process of its own and prints the records it applied, how long each stage took, and
the most memory it used.

Belongs here: running the stages as a job runs them. Does not: measuring.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.landing import ORGANIZATION
from benchmarks.throwaway import settings_for
from sync_pipeline.demo.auth import DEMO_KEY, DEMO_SECRET
from sync_pipeline.entities import Entity
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import begin
from sync_pipeline.settings import QueueSettings, SourceSettings
from sync_pipeline.sources.connections import Connection, connect
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.source import WooCommerceSource
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.extract import extract
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline.stages.upsert import upsert

_STATUS = Path("/proc/self/status")
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


class SyncDisagreesError(Exception):
    """The sync ended, and both sides differ."""


Seconds = dict[str, float]


def sync_once(
    database: Database,
    store_url: str,
    source_settings: SourceSettings | None = None,
    entity: Entity = CUSTOMERS,
    seconds: Seconds | None = None,
) -> int:
    """Sync the store's records with default settings; how many were applied.

    Args:
        seconds: is told how long each stage took.

    Raises:
        SyncDisagreesError: both sides do not agree afterwards.
    """
    source_settings = source_settings or SourceSettings()
    queue_settings = QueueSettings()
    seconds = {} if seconds is None else seconds
    connection = connect_store(database, store_url)
    queue, _ = open_queue(database, connection, entity.name, settings=queue_settings)
    begin(database, queue, run_id=None)
    source = WooCommerceSource(WooCommerceClient(store_url, DEMO_KEY, DEMO_SECRET, source_settings))
    try:
        with _told(seconds, "extract"):
            extract(database, queue, connection, entity, source, source_settings)
    finally:
        source.close()
    with _told(seconds, "enqueue"):
        enqueue(database, queue, entity)
    with _told(seconds, "upsert"):
        outcome = upsert(database, queue, entity, queue_settings)
    with _told(seconds, "reconcile"):
        verdict = reconcile(database, queue, entity)
    if not verdict.agree:
        raise SyncDisagreesError(verdict.in_words)
    return outcome.done


def connect_store(database: Database, store_url: str) -> Connection:
    """The connection that is synced; made once."""
    return connect(
        database,
        org_id=ORGANIZATION,
        name="bench",
        system="woocommerce",
        base_url=store_url,
        key_env="BENCH_KEY",
        secret_env="BENCH_SECRET",
    )


@contextmanager
def _told(seconds: Seconds, stage: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[stage] = time.monotonic() - started


def peak_bytes() -> int:
    """The most memory that this process held resident.

    On Linux from VmHWM: ru_maxrss there begins with what the parent held when it started us.
    """
    if _STATUS.exists():
        fields = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
        return int(fields["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_BYTES


def main() -> int:
    """The process of its own."""
    database_url, store_url, name = sys.argv[1:]
    entity = {one.name: one for one in (CUSTOMERS, ORDERS)}[name]
    seconds: Seconds = {}
    with Database.open(settings_for(database_url)) as database:
        applied = sync_once(database, store_url, entity=entity, seconds=seconds)
    said = {"applied": applied, "peak_mb": peak_bytes() / 1e6, "seconds": seconds}
    print(json.dumps(said))
    return 0


if __name__ == "__main__":
    sys.exit(main())
