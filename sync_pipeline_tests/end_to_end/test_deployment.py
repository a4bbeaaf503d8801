"""The deployment of deploy/: its processes start, do the work, stop; its database comes back."""

import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_graphql import DagsterGraphQLClient

from sync_pipeline.demo import DemoServer
from sync_pipeline.orchestration.code_servers import unheld_runs
from sync_pipeline.orchestration.execution import LOCATION
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.embedded import _binaries
from sync_pipeline.postgres.migrations import rollback
from sync_pipeline.postgres.ranges import QUEUES_PER_RANGE
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.retention import purge
from sync_pipeline.settings import RetentionSettings
from sync_pipeline_tests.chaos.processes import IS_FULL, note
from sync_pipeline_tests.conftest import settings_for
from sync_pipeline_tests.end_to_end.installing import ON_A_SERVER_OF_ITS_OWN, installed_stack
from sync_pipeline_tests.end_to_end.stack import Stack
from sync_pipeline_tests.factories import (
    customer,
    make_connection,
    make_queue,
    row,
    rows,
    run_sync,
    store,
)

CUSTOMERS = 40
FILLED_LINES = 1_000_000 if IS_FULL else 100_000
PROCESSES = ("metrics", "daemon", "web", "code")
JOB = {"repository_location_name": LOCATION, "repository_name": "__repository__"}
BEGUN = dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename } } } } }"""
SENSORS = """{ sensorsOrError(repositorySelector: {
    repositoryLocationName: "sync_pipeline", repositoryName: "__repository__"
}) { ... on Sensors { results { name sensorState { status ticks(limit: 5) { status } } } } } }"""
FILL = (
    "INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)"
    " SELECT %(queue_no)s, n, 'acme', n::text, gen_random_uuid(), '{\"id\": 1}'"
    " FROM generate_series(1, %(lines)s) AS n",
    "INSERT INTO sync_activity (queue_no, line_no, org_id, activity_type, status)"
    " SELECT %(queue_no)s, n, 'acme', 'record_created', 'success'"
    " FROM generate_series(1, %(lines)s) AS n",
    "INSERT INTO customer (org_id, name) SELECT 'acme', 'c' || n FROM generate_series(1, 900) AS n",
)
FILL_BATCHES = (
    # Three quarters are done, one every 40 ms, the last of them now.
    "INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total, n_done,"
    " n_created, state, claimed_at, worked_at, worked_count, finished_at)"
    " SELECT %(queue_no)s, n, 'acme', n * 500 - 499, n * 500, 500, n_done, n_done,"
    " CASE WHEN n_done > 0 THEN 'done' ELSE 'ready' END, at, at, n_done, at"
    " FROM generate_series(1, %(lines)s / 500) AS n, LATERAL (SELECT n <= %(lines)s / 500 * 3 / 4)"
    " AS half (is_done), LATERAL (SELECT CASE WHEN is_done THEN 500 ELSE 0 END, CASE WHEN is_done"
    " THEN now() - (%(lines)s / 500 * 3 / 4 - n) * interval '40 ms' END) AS done (n_done, at)",
    "UPDATE sync_queue SET stage = 'apply', work_began_at = now() - interval '5 min'"
    " WHERE queue_no = %(queue_no)s",
    "ANALYZE sync_batch",
)
FINISH = (
    "UPDATE sync_batch SET state = 'done', n_done = n_total, n_created = n_total,"
    " finished_at = now()",
    "UPDATE sync_queue SET stage = 'finished', finished_at = now() - interval '60 days'",
)
LOOK = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + statement("queue/progress")
ROOM = """
    SELECT sum(pg_total_relation_size(oid))::bigint AS bytes FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname LIKE 'sync%%'
"""
LOOKS = 20

EVERYBODY = "SELECT name, email FROM customer ORDER BY email"


@pytest.fixture(scope="module")
def shop() -> Iterator[DemoServer]:
    with DemoServer(store([customer(n) for n in range(1, CUSTOMERS + 1)])) as server:
        yield server


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, shop: DemoServer) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("deployed")
    with installed_stack(directory) as installed:
        make_connection(installed.database, base_url=shop.url)
        installed.start("code")
        installed.start("web", "daemon", "metrics")
        yield installed


@ON_A_SERVER_OF_ITS_OWN
class TestProcesses:
    """In the order of a deployment's life."""

    def test_given_the_processes_when_started_then_the_location_loads_and_sensors_tick(
        self, stack: Stack
    ):
        entries = stack.graphql(LOCATIONS)["workspaceOrError"]["locationEntries"]

        assert [(e["name"], e["locationOrLoadError"]["__typename"]) for e in entries] == [
            ("sync_pipeline", "RepositoryLocation")
        ]
        stack.wait_until(lambda: has_ticked(stack, "connections"), "the sensor has ticked")
        stack.wait_until(
            lambda: stack.instance.get_dynamic_partitions("connections") == ["shop"],
            "the connection has its partition",
        )

    # Dagster's client calls a newer gql in its old way.
    @pytest.mark.filterwarnings("ignore:Using variable_values:DeprecationWarning")
    def test_given_a_run_launched_over_the_api_then_the_daemon_starts_it_and_it_ends_well(
        self, stack: Stack
    ):
        client = DagsterGraphQLClient(
            "127.0.0.1", port_number=int(stack.environment["SYNC_WEBSERVER_PORT"])
        )

        run_id = client.submit_job_execution(
            "sync_customers", tags={"dagster/partition": "shop"}, **JOB
        )

        stack.wait_until(lambda: stack.instance.get_run_by_id(run_id).is_finished, "the run ends")
        assert stack.failures() == []
        run = stack.instance.get_run_by_id(run_id)
        stack.wait_until(lambda: unheld_runs(stack.instance, [run]), "no process is held for it")
        assert client.get_run_status(run_id) == dg.DagsterRunStatus.SUCCESS
        assert latest(stack) == ("done", CUSTOMERS)

    def test_given_a_sync_that_is_left_to_the_daemon_then_the_daemon_does_it(
        self, stack: Stack, shop: DemoServer
    ):
        shop.store.edit_customer(1, first_name="Renamed")

        opened = stack.command("sync", "shop", "--entity", "customers", "--no-wait")

        assert opened.returncode == 0, opened.stderr
        (begun,) = stack.wait_until(lambda: stack.instance.get_runs(BEGUN), "its run has begun")
        assert unheld_runs(stack.instance, [begun]) == set()
        stack.wait_until(lambda: latest(stack) == ("done", 1), "the one changed line is applied")

    def test_given_the_exporter_then_it_tells_of_the_daemon(self, stack: Stack):
        port = stack.environment["SYNC_METRICS_PORT"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            metrics = answer.read().decode()

        assert "sync_database_up 1.0" in metrics
        assert "sync_daemon_heartbeat_age_seconds" in metrics

    def test_given_the_processes_when_told_to_stop_then_each_ends_well_and_none_is_left(
        self, stack: Stack
    ):
        codes = {name: stack.stop(name) for name in PROCESSES}

        assert codes == dict.fromkeys(PROCESSES, 0)
        # multiprocessing's tracker of resources ends a moment after the process it tracks for.
        stack.wait_until(lambda: stack.processes() == {}, "no process is left", 10)
        for log in stack.directory.glob("*.log"):
            # A round of sensors may begin while Dagster closes its workspace (1.13.27).
            lived, _, _ = log.read_text().partition("Received interrupt")
            before, mark, after = lived.partition("Traceback")
            assert not mark, before[-1000:] + mark + after[:4000]


def test_given_a_filled_database_when_rolled_back_then_it_is_quick_and_customers_stay(
    own_database_url: str,
):
    with Database.open(settings_for(own_database_url)) as database:
        queue = make_queue(database, make_connection(database))
        with database.owner() as conn:
            for fill in FILL:
                conn.execute(fill, {"queue_no": queue.queue_no, "lines": FILLED_LINES})

    began = time.monotonic()
    rollback(own_database_url)
    seconds = time.monotonic() - began

    note(f"rolled back in {seconds:.2f} s")
    assert seconds < 1 or not IS_FULL
    with Database.open(settings_for(own_database_url)) as database, database.owner() as conn:
        left = conn.execute(
            "SELECT (SELECT count(*) FROM customer) AS customers, count(*) AS tables"
            " FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE 'sync%%'"
        ).fetchone()
    assert left == {"customers": 900, "tables": 0}


def test_given_a_filled_queue_when_looked_at_and_purged_then_both_are_quick_and_the_room_is_back(
    own_database_url: str,
):
    with Database.open(settings_for(own_database_url)) as database:
        queue = make_queue(database, make_connection(database))
        values = {"queue_no": queue.queue_no, "lines": FILLED_LINES}
        empty = room(database)
        change(database, (*FILL, *FILL_BATCHES), values)

        looks = [look(database, queue.queue_no) for _ in range(LOOKS)]

        # The quickest: what else the machine does at this moment is not the question.
        look_ms = min(plan["Execution Time"] for plan in looks)
        read = Counter(relations_read(looks[0]["Plan"]))
        note(f"a look at {FILLED_LINES:,} lines: {look_ms:.1f} ms, {dict(read)} rows")
        assert not [name for name in read if name.startswith(("sync_line", "sync_activity"))]
        assert read.total() < 3 * FILLED_LINES / 500
        assert look_ms < (2 if IS_FULL else 50)

        change(database, FINISH, values)
        next_no = f"SELECT setval('sync_queue_queue_no_seq', {QUEUES_PER_RANGE}, false)"
        change(database, [next_no], {})
        full = room(database)
        began = time.monotonic()
        purged = purge(database, RetentionSettings())
        seconds = time.monotonic() - began

        after = room(database)
        note(f"purged in {seconds:.2f} s: {empty:,} bytes empty, {full:,} full, {after:,} after")
        assert (purged.queues, purged.lines) == (1, FILLED_LINES)
        assert (full - after) / (full - empty) > 0.99
        assert seconds < 1 or not IS_FULL


# pg_dump of the embedded server writes settings that an older server does not know.
@ON_A_SERVER_OF_ITS_OWN
def test_given_a_database_restored_to_an_older_point_when_synced_then_it_is_as_if_never_lost(
    own_database_url: str, empty_database_url: str, shop: DemoServer, tmp_path: Path
):
    backup = str(tmp_path / "backup")
    with Database.open(settings_for(own_database_url)) as database:
        connection = make_connection(database, base_url=shop.url)
        run_sync(database, connection, shop)
    postgres("pg_dump", "-Fc", "-f", backup, "-d", own_database_url)
    shop.store.edit_customer(1, first_name="Renamed")
    shop.store.put_customer(customer(CUSTOMERS + 1) | {"_links": {}})
    with Database.open(settings_for(own_database_url)) as database:
        run_sync(database, connection, shop)
        expected = rows(database, EVERYBODY)

    postgres("pg_restore", "--exit-on-error", "-d", empty_database_url, backup)
    with Database.open(settings_for(empty_database_url)) as restored:
        sync = run_sync(restored, connection, shop)

        assert len(expected) == CUSTOMERS + 1
        assert rows(restored, EVERYBODY) == expected
        assert sync.verdict.agree is True


def change(database: Database, statements: Iterable[str], values: dict[str, int]) -> None:
    with database.owner() as conn:
        for text in statements:
            conn.execute(text.encode(), values if "%(" in text else None)


def look(database: Database, queue_no: int) -> dict[str, Any]:
    """The plan of a look at a queue's progress, as it was carried out."""
    with database.organization("acme") as conn:
        found = conn.execute(LOOK.encode(), {"queue_no": queue_no}).fetchone()
    assert found is not None
    plan: dict[str, Any] = found["QUERY PLAN"][0]
    return plan


def relations_read(node: dict[str, Any]) -> dict[str, int]:
    """How many rows each table gave, those included that were then left out."""
    read: Counter[str] = Counter()
    if "Relation Name" in node:
        rows_read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        read[node["Relation Name"]] += round(rows_read * node["Actual Loops"])
    for child in node.get("Plans", []):
        read.update(relations_read(child))
    return read


def room(database: Database) -> int:
    """Bytes on the disk of everything that syncs keep."""
    return int(row(database, ROOM)["bytes"])


def postgres(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL, as docs/operations.md says."""
    subprocess.run([str(_binaries() / program), *arguments], check=True, capture_output=True)


def has_ticked(stack: Stack, name: str) -> bool:
    found = {
        one["name"]: one["sensorState"]
        for one in stack.graphql(SENSORS)["sensorsOrError"]["results"]
    }
    assert found[name]["status"] == "RUNNING"
    return any(tick["status"] in ("SUCCESS", "SKIPPED") for tick in found[name]["ticks"])


def latest(stack: Stack) -> tuple[str, int]:
    """State and lines of the newest queue."""
    found = row(
        stack.database,
        "SELECT state, total_count FROM sync_queue_status ORDER BY queue_no DESC LIMIT 1",
    )
    return found["state"], found["total_count"]
