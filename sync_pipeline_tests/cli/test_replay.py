"""`replay`, and windows of `sync`: a real Dagster run in this process, without a store for one."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from psycopg import conninfo

from sync_pipeline.demo.server import DemoServer
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.orchestration import instance
from sync_pipeline.postgres.database import Database
from sync_pipeline_tests.cli.conftest import Cli
from sync_pipeline_tests.factories import (
    full_order,
    make_connection,
    row,
    rows,
    run_sync,
    store,
)

JANUARY = ("--created-after", "2024-01-01", "--created-before", "2024-02-01")


@pytest.fixture(scope="module")
def dagster_database(make_database: Callable[..., str]) -> str:
    return str(conninfo.conninfo_to_dict(make_database())["dbname"])


@pytest.fixture
def server(
    database: Database, org_id: str, dagster_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DemoServer]:
    """Three orders, synced once; Dagster has a database of its own."""
    to_our_own = partial(instance.dagster_url, database=dagster_database)
    monkeypatch.setattr(instance, "dagster_url", to_our_own)
    for name in ("DAGSTER_HOME", instance.STORAGE_VARIABLE):
        monkeypatch.setenv(name, "")
    with DemoServer(store([], [full_order(n) for n in (1, 2, 3)])) as server:
        shop = make_connection(database, base_url=server.url)
        run_sync(database, shop, server, entity=ORDERS)
        server.log.clear()
        yield server


def newest(database: Database) -> dict:
    return rows(database, "SELECT * FROM sync_queue ORDER BY queue_no DESC LIMIT 1")[0]


class TestReplay:
    def test_given_no_keys_and_a_record_kept_no_more_when_replayed_then_done_without_a_call(
        self, cli: Cli, server: DemoServer, database: Database
    ):
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_page")
            conn.execute("DELETE FROM sync_line WHERE external_id = '3'")
            conn.execute("UPDATE sync_record SET content_hash = gen_random_uuid()")

        ran = cli("replay", "shop", "--entity", "orders")

        assert (ran.exit_code, len(server.requests)) == (0, 0)
        assert row(database, "SELECT count(*) AS n FROM sync_queue")["n"] == 2
        assert newest(database)["stage"] == "finished"
        said = " ".join(ran.stdout.split())
        assert "1 of 3 orders are kept no more, or lack fields that are asked for now" in said
        assert "sync-pipeline sync shop --entity orders --full reads them" in said

    def test_given_a_queue_when_replayed_by_a_daemon_then_its_records_are_meant(
        self, cli: Cli, server: DemoServer, database: Database
    ):
        first = str(newest(database)["id"])

        made = cli(
            "replay", "shop", "--entity", "orders", "--queue", first[:8], "--no-wait", "--json"
        )

        assert made.document["is_new"] is True
        assert newest(database)["filters"] == {"replay": True, "replay_of": first}

    def test_given_an_unknown_queue_when_replayed_then_it_is_said(
        self, cli: Cli, server: DemoServer
    ):
        ran = cli("replay", "shop", "--entity", "orders", "--queue", "abcd", "--json")

        assert (ran.exit_code, ran.error["message"]) == (2, "There is no queue abcd.")


class TestWindows:
    def test_given_a_window_when_opened_then_it_stands_beside_the_sync_of_what_changed(
        self, cli: Cli, server: DemoServer, database: Database
    ):
        sync = ("sync", "shop", "--entity", "orders", "--no-wait", "--json")

        both = [cli(*sync, *options).document for options in ((), JANUARY, JANUARY)]

        assert [one["is_new"] for one in both] == [True, True, False]
        assert newest(database)["filters"] == {
            "created_after": "2024-01-01T00:00:00Z",
            "created_before": "2024-02-01T00:00:00Z",
        }

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--entity", "customers", *JANUARY), "customers cannot be chosen by created_after"),
            (("--entity", "orders", "--created-after", "soon"), "created_after is 'soon'"),
            (JANUARY, "chooses among the records of one entity"),
        ],
    )
    def test_given_a_window_that_cannot_be_when_synced_then_wrong_input(
        self, cli: Cli, server: DemoServer, database: Database, options: tuple[str, ...], said: str
    ):
        ran = cli("sync", "shop", *options, "--no-wait", "--json")

        assert ran.exit_code == 2
        assert said in ran.error["message"]
