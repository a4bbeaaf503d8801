"""`pause`, `resume`, `cancel`, `force-done`, `retry` as they are typed."""

import getpass
from functools import partial

import pytest
from psycopg import conninfo

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET, DemoServer, Fault
from sync_pipeline.orchestration import instance
from sync_pipeline.postgres.database import Database
from sync_pipeline_tests.cli.conftest import Cli
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    row,
    status,
    store,
)


@pytest.fixture
def open_queue(database: Database, org_id: str):
    return fill_queue(database, make_connection(database, org_id), [customer(1), customer(2)])


@pytest.fixture
def partial_queue(database: Database, org_id: str):
    shop = make_connection(database, org_id)
    return apply_records(database, shop, [customer(1), customer(2, email="nobody")])[0]


class TestActions:
    def test_given_an_open_sync_when_paused_and_resumed_then_it_says_so(
        self, cli: Cli, database, open_queue
    ):
        paused = cli("pause", str(open_queue.id), "--reason", "the shop moves")
        resumed = cli("resume", str(open_queue.id)[:13])

        assert (paused.exit_code, resumed.exit_code) == (0, 0)
        assert "Paused" in paused.stdout
        assert "shop customers: processing, paused, 2 to do" in paused.stdout
        assert "Resumed" in resumed.stdout
        assert status(database, open_queue)["is_paused"] is False

    def test_when_nobody_is_named_then_who_typed_it_is_kept(self, cli: Cli, database, open_queue):
        cli("pause", "--latest", "--reason", "lunch")
        cli("resume", "--latest", "--by", "bob")

        kept = row(
            database,
            "SELECT min(details ->> 'by') FILTER (WHERE activity_type = 'queue_paused') AS paused,"
            " min(details ->> 'by') FILTER (WHERE activity_type = 'queue_resumed') AS resumed"
            " FROM sync_activity",
        )
        assert kept == {"paused": getpass.getuser(), "resumed": "bob"}

    def test_when_printed_as_json_then_the_result_is_there_whole(self, cli: Cli, partial_queue):
        document = cli("retry", str(partial_queue.id), "--json").document

        assert document["success"] is True
        assert (document["action"], document["changed"]) == ("retry", True)
        assert (document["retried_lines"], document["draft_count"]) == (1, 1)
        assert (document["state"], document["queue_id"]) == ("processing", str(partial_queue.id))

    def test_given_a_partial_sync_when_forced_done_twice_then_the_second_time_changes_nothing(
        self, cli: Cli, partial_queue
    ):
        first = cli("force-done", "--latest", "--json")
        second = cli("force-done", "--latest", "--json")

        assert (first.document["changed"], second.document["changed"]) == (True, False)
        assert (first.exit_code, second.exit_code) == (0, 0)
        assert first.document["state"] == "done"

    def test_given_an_open_sync_when_cancelled_then_what_was_left_is_counted(
        self, cli: Cli, open_queue
    ):
        ran = cli("cancel", "--latest")

        assert "Cancelled: 2 lines were not done." in ran.stdout
        assert "cancelled, 2 cancelled" in ran.stdout


class TestRefusals:
    def test_given_a_state_that_forbids_it_then_it_is_wrong_input_and_says_why(
        self, cli: Cli, partial_queue
    ):
        ran = cli("pause", "--latest", "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, "queue.state_forbids")
        assert "it is finished" in ran.error["message"]

    @pytest.mark.parametrize("arguments", [[], ["64d10946", "--latest"], ["17"], ["64d10946"]])
    def test_given_no_queue_or_two_answers_then_it_is_wrong_input(
        self, cli: Cli, database, arguments
    ):
        ran = cli("retry", *arguments, "--json")

        assert ran.exit_code == 2
        assert ran.error["code"].startswith("input.")

    def test_given_several_commands_in_one_module_then_each_has_its_own_help(self, cli: Cli):
        for name in ("retry", "force-done", "pause", "resume", "cancel"):
            ran = cli(name, "--help")
            assert ran.exit_code == 0
            assert f" {name} " in ran.stdout


class TestWait:
    @pytest.fixture
    def server(self, database: Database, make_database, monkeypatch):
        """A store of three customers, connected as `shop`; Dagster has a database of its own."""
        own = str(conninfo.conninfo_to_dict(make_database())["dbname"])
        monkeypatch.setattr(instance, "dagster_url", partial(instance.dagster_url, database=own))
        changes = {
            "SHOP_KEY": DEMO_KEY,
            "SHOP_SECRET": DEMO_SECRET,
            "SYNC_SOURCE_MAX_ATTEMPTS": "1",
        }
        for name, value in changes.items():
            monkeypatch.setenv(name, value)
        for name in ("DAGSTER_HOME", instance.STORAGE_VARIABLE):
            monkeypatch.setenv(name, "")
        with DemoServer(store([customer(1), customer(2), customer(3)])) as server:
            make_connection(database, base_url=server.url)
            yield server

    def test_given_a_record_that_the_store_serves_again_when_retried_here_then_the_sync_is_done(
        self, cli: Cli, server
    ):
        server.faults = [Fault("poison", record_id=2)]
        synced = cli("sync", "shop", "--entity", "customers", "--json")
        server.faults = []

        retried = cli("retry", "--latest", "--wait", "--json")
        again = cli("retry", "--latest", "--wait", "--json")

        assert (synced.exit_code, synced.document["failed_count"]) == (1, 1)
        assert retried.exit_code == 0
        assert (retried.document["state"], retried.document["created_count"]) == ("done", 3)
        assert retried.document["action"]["retried_lines"] == 1
        assert retried.document["agree"] is True
        assert again.document["changed"] is False
