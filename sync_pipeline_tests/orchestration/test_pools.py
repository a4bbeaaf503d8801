"""Pools have their limits before runs ask for places, whoever comes first."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from psycopg import conninfo

from sync_pipeline.entities import ENTITIES
from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.instance import STORAGE_VARIABLE
from sync_pipeline.orchestration.jobs import job_name
from sync_pipeline.orchestration.pools import PLACES, ensure_pools, pool_names
from sync_pipeline.postgres.urls import dagster_url

DAGSTER_YAML = f"""
storage:
  postgres:
    postgres_url:
      env: {STORAGE_VARIABLE}
concurrency:
  pools:
    default_limit: 10
"""


@pytest.fixture
def instance(
    tmp_path: Path, make_database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    url = make_database()
    name = str(conninfo.conninfo_to_dict(url)["dbname"])
    monkeypatch.setenv(STORAGE_VARIABLE, dagster_url(url, name))
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance


def test_given_the_assets_then_each_of_their_pools_is_known_here():
    definitions = build_definitions()
    jobs = [definitions.resolve_job_def(job_name(entity.name)) for entity in ENTITIES]
    nodes = [node for job in jobs for node in job.all_node_defs]
    in_use = {pool for node in nodes if (pool := getattr(node, "pool", None))}

    assert in_use == pool_names()


def test_given_no_limits_when_many_ask_at_once_then_each_pool_has_its_own(instance):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: ensure_pools(instance), range(8)))

    assert limits(instance) == dict.fromkeys(pool_names(), (PLACES, False))


def test_given_a_limit_that_came_from_a_default_and_one_of_an_operator_then_only_the_first_is_set(
    instance,
):
    lowered, inherited = sorted(pool_names())[:2]
    instance.event_log_storage.set_concurrency_slots(lowered, 2)
    instance.event_log_storage.initialize_concurrency_limit_to_default(inherited)
    assert limits(instance)[inherited] == (10, True)

    ensure_pools(instance)

    assert limits(instance)[lowered] == (2, False)
    assert limits(instance)[inherited] == (PLACES, False)


def limits(instance: dg.DagsterInstance) -> dict[str, tuple[int, bool]]:
    found = instance.event_log_storage.get_pool_limits()
    return {pool.name: (pool.limit, pool.from_default) for pool in found}
