"""One Dagster instance for all tests of the shell, and shops that are served while a test runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pytest

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET, DemoServer, made_store
from sync_pipeline.entities import CUSTOMERS, Entity
from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.jobs import job_name
from sync_pipeline.orchestration.partitions import ensure_partition
from sync_pipeline.orchestration.progress import STAGES, Stage
from sync_pipeline.orchestration.resource import SyncResource, provided
from sync_pipeline.orchestration.results import asset_key
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.queues import Queue, latest_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import Connection, connect

CUSTOMERS_MADE = 30
ORDERS_MADE = 60


@pytest.fixture(scope="session")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        ensure_partition(instance, "shop")
        yield instance


@pytest.fixture(scope="module", autouse=True)
def shop_keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_KEY", DEMO_KEY)
        patch.setenv("SHOP_SECRET", DEMO_SECRET)
        patch.setenv("SYNC_SOURCE_MAX_ATTEMPTS", "1")
        yield


@pytest.fixture
def shop() -> Iterator[DemoServer]:
    """A store of 30 customers and 60 orders."""
    with DemoServer(made_store(CUSTOMERS_MADE, ORDERS_MADE)) as server:
        yield server


@pytest.fixture
def connection(database: Database, shop: DemoServer) -> Connection:
    return connect_shop(database, shop.url)


def connect_shop(database: Database, url: str, name: str = "shop") -> Connection:
    return connect(
        database,
        org_id="acme",
        name=name,
        system="woocommerce",
        base_url=url,
        key_env="SHOP_KEY",
        secret_env="SHOP_SECRET",
    )


def materialize(
    instance: dg.DagsterInstance,
    database: Database,
    stages: Sequence[Stage] = STAGES,
    *,
    config: Mapping[str, Any] | None = None,
    sync: SyncResource | None = None,
    partition: str = "shop",
    entity: Entity = CUSTOMERS,
) -> dg.ExecuteInProcessResult:
    """Materialize some assets of the shop in a run of their own, as the UI would."""
    job = build_definitions(sync=sync).resolve_job_def(job_name(entity.name))
    loggers = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    step = asset_key(entity, "pages").to_python_identifier()
    ops = {"ops": {step: {"config": dict(config)}}} if config is not None else {}
    with provided(database):
        return job.execute_in_process(
            instance=instance,
            partition_key=partition,
            asset_selection=[asset_key(entity, stage) for stage in stages],
            raise_on_error=False,
            run_config=loggers | ops,
        )


def failure_of(result: dg.ExecuteInProcessResult) -> dg.Failure:
    """What the first failed step said to people."""
    (event,) = result.filter_events(lambda event: event.is_step_failure)
    said = event.step_failure_data.user_failure_data
    assert said is not None, event.step_failure_data.error.to_string()
    return dg.Failure(description=said.description, metadata=said.metadata)


def metadata_of(result: dg.ExecuteInProcessResult, stage: Stage) -> dict[str, Any]:
    """Values of an asset's metadata, by name."""
    step = asset_key(CUSTOMERS, stage).to_python_identifier()
    (materialization,) = result.asset_materializations_for_node(step)
    return {name: value.value for name, value in materialization.metadata.items()}


def newest_queue(database: Database) -> Queue:
    return latest_queue(database, connection="shop", entity="customers")


def settings_with(**values: Any) -> QueueSettings:
    return QueueSettings(**values)
