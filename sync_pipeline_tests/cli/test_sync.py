"""`sync`: a real Dagster run in this process, against a store on loopback."""

import io
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import dagster as dg
import pytest
from psycopg import conninfo
from rich.console import Console

from sync_pipeline.cli import progress_bar
from sync_pipeline.cli.summary import rules_differ
from sync_pipeline.demo.auth import DEMO_KEY, DEMO_SECRET
from sync_pipeline.demo.server import DemoServer
from sync_pipeline.orchestration import instance
from sync_pipeline.orchestration.progress import Progress
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.actions import pause
from sync_pipeline.queue.filters import Filters
from sync_pipeline_tests.cli.conftest import Cli, Ran
from sync_pipeline_tests.factories import (
    customer,
    full_order,
    make_connection,
    make_queue,
    order,
    row,
    store,
)


@pytest.fixture(scope="module")
def dagster_database(make_database: Callable[..., str]) -> str:
    return str(conninfo.conninfo_to_dict(make_database())["dbname"])


@pytest.fixture
def server(
    database: Database, dagster_database: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DemoServer]:
    """A store of three customers, connected as `shop`; Dagster has a database of its own."""
    to_our_own = partial(instance.dagster_url, database=dagster_database)
    monkeypatch.setattr(instance, "dagster_url", to_our_own)
    for name in ("DAGSTER_HOME", instance.STORAGE_VARIABLE):
        monkeypatch.setenv(name, "")
    with DemoServer(store([customer(1), customer(2), customer(3)], [order(1)])) as server:
        make_connection(database, base_url=server.url)
        yield server


def sync(cli: Cli, *options: str, **environment: str) -> Ran:
    keys = {"SHOP_KEY": DEMO_KEY, "SHOP_SECRET": DEMO_SECRET}
    entity = () if "--entity" in options else ("--entity", "customers")
    return cli("sync", "shop", *entity, *options, **keys | environment)


def queues(database: Database) -> int:
    return row(database, "SELECT count(*) AS n FROM sync_queue")["n"]


class TestSync:
    def test_given_a_store_when_synced_twice_then_the_second_has_nothing_to_change(
        self, cli: Cli, server: DemoServer
    ):
        first = sync(cli, "--json").document
        again = sync(cli)

        assert (first["success"], first["state"], first["agree"]) == (True, "done", True)
        assert (first["read_count"], first["created_count"], first["is_new"]) == (3, 3, True)
        assert list(first["stage_seconds"]) == ["pages", "queue", "applied", "reconciled"]
        assert again.exit_code == 0
        assert "Nothing to change: 0 lines." in again.stdout
        assert "Both sides agree: 3 records." in again.stdout

    def test_given_a_bad_record_when_synced_then_partial_is_a_failure_with_its_reason(
        self, cli: Cli, server: DemoServer
    ):
        server.store.put_customer(customer(4, email="no address"))

        ran = sync(cli)

        assert ran.exit_code == 1
        assert "shop customers: partial" in ran.stdout
        assert "1 of 4 lines failed" in ran.stdout
        assert "customers 4: " in ran.stdout

    def test_given_filters_when_synced_then_only_that_is_read(self, cli: Cli, server: DemoServer):
        document = sync(cli, "--external-id", "2", "--json").document

        assert (document["created_count"], document["agree"]) == (1, None)

    def test_given_a_key_used_before_when_synced_then_it_is_the_same_sync(
        self, cli: Cli, server: DemoServer, database: Database
    ):
        first = sync(cli, "--idempotency-key", "monday", "--json").document
        again = sync(cli, "--idempotency-key", "monday", "--json").document

        assert again["queue_id"] == first["queue_id"]
        assert (again["is_new"], queues(database)) == (False, 1)

    def test_given_a_sync_that_stopped_when_synced_then_it_goes_on_and_says_so(
        self, cli: Cli, server: DemoServer, database: Database
    ):
        shop = make_connection(database, base_url=server.url)
        stopped = make_queue(database, shop)

        ran = sync(cli)

        assert ran.exit_code == 0
        assert f"it stopped in extract and goes on there (queue {stopped.id})" in ran.stderr
        assert queues(database) == 1


class TestPaused:
    @pytest.mark.parametrize("options", [(), ("--no-wait",), ("--json",)])
    def test_given_a_paused_sync_when_synced_then_it_says_who_and_no_run_is_made(
        self, cli: Cli, server: DemoServer, database: Database, options: tuple[str, ...]
    ):
        queue = make_queue(database, make_connection(database, base_url=server.url))
        begun = "SELECT process_count, last_dagster_run_id AS run FROM sync_queue"
        before = row(database, begun)
        pause(database, str(queue.id), by="ann", reason="the shop moves")

        ran = sync(cli, *options)

        told = str(ran.error) if "--json" in options else ran.stderr
        assert ran.exit_code == 2
        assert "It is paused by ann: the shop moves" in told
        assert f"sync-pipeline resume {queue.id}" in told
        assert "goes on there" not in told
        assert row(database, begun) == before
        assert server.requests == ()


class TestInterrupt:
    @pytest.mark.parametrize("as_json", [False, True])
    def test_given_ctrl_c_while_it_reads_when_synced_then_it_stops_and_can_go_on(
        self, cli: Cli, server: DemoServer, database: Database, as_json: bool
    ):
        with DemoServer(store([customer(1)]), latency_seconds=2.0) as slow:
            make_connection(database, base_url=slow.url)
            interrupter = threading.Thread(target=interrupt_when_asked, args=[slow])
            interrupter.start()
            ran = sync(cli, *(["--json"] if as_json else []))
            interrupter.join()

        assert ran.exit_code == 130
        assert "goes on from there" in (ran.error["remedy"] if as_json else ran.stderr)
        assert row(database, "SELECT stage FROM sync_queue")["stage"] == "extract"

    def test_given_ctrl_c_before_the_first_step_when_synced_then_it_ends_as_one(
        self, cli: Cli, server: DemoServer, monkeypatch: pytest.MonkeyPatch
    ):
        stored = dg.DagsterInstance.handle_new_event

        def interrupting(
            instance: dg.DagsterInstance, event: dg.EventLogEntry, **more: Any
        ) -> None:
            stored(instance, event, **more)
            said = event.dagster_event
            if said is not None and said.event_type_value == "RESOURCE_INIT_STARTED":
                os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(dg.DagsterInstance, "handle_new_event", interrupting)

        ran = sync(cli)

        assert ran.exit_code == 130
        assert "goes on from there" in ran.stderr
        assert server.requests == ()


def interrupt_when_asked(server: DemoServer) -> None:
    deadline = time.monotonic() + 60
    while not server.requests and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGINT)


class TestStoreTrouble:
    def test_given_a_wrong_key_when_synced_then_the_code_and_the_remedy_are_the_stores(
        self, cli: Cli, server: DemoServer, database: Database
    ):
        secret = "cs_0123456789abcdef0123456789abcdef01234567"

        ran = sync(cli, "--json", SHOP_SECRET=secret)

        assert (ran.exit_code, ran.error["code"]) == (1, "woocommerce.authentication_failed")
        assert "REST API" in ran.error["message"]
        assert secret not in ran.stdout + ran.stderr
        assert row(database, "SELECT count(*) AS n FROM customer")["n"] == 0


class TestWrongInput:
    @pytest.mark.parametrize(
        ("options", "code"),
        [
            (["--entity", "people"], "input.unknown_entity"),
            (["--limit", "-1"], "input.invalid"),
            (["--limit", "0"], "input.invalid"),
            (["--batch-size", "0"], "input.invalid"),
            (["--email", "nobody"], "input.invalid"),
            (["--external-id", "x"], "input.invalid"),
            (["--limit", "many"], "input.usage"),
        ],
    )
    def test_given_wrong_options_when_synced_then_no_queue_is_opened(
        self, cli: Cli, database: Database, options: list[str], code: str
    ):
        make_connection(database)

        ran = sync(cli, *options, "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, code)
        assert queues(database) == 0

    def test_given_a_limit_of_deletions_for_everything_when_synced_then_one_entity_is_wanted(
        self, cli: Cli, database: Database
    ):
        make_connection(database)

        ran = cli("sync", "shop", "--deletion-limit-percent", "100")

        assert (ran.exit_code, queues(database)) == (2, 0)
        assert "--deletion-limit-percent 100 is about one entity." in ran.stderr

    def test_given_an_unknown_connection_when_synced_then_the_known_are_named(
        self, cli: Cli, database: Database
    ):
        make_connection(database, name="other")

        ran = sync(cli, "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, "input.unknown_connection")
        assert "other" in ran.error["remedy"]

    def test_given_keys_that_are_not_set_when_synced_then_nothing_is_opened(
        self, cli: Cli, database: Database
    ):
        make_connection(database)

        ran = sync(cli, "--json", SHOP_SECRET="")

        assert (ran.exit_code, ran.error["code"]) == (2, "connection.secret_missing")
        assert queues(database) == 0

    @pytest.mark.parametrize(
        ("standing", "said"),
        [(None, "without an idempotency key"), ("k0", "under another idempotency key")],
    )
    def test_given_a_sync_open_when_a_key_is_given_then_the_key_is_what_differs(
        self, cli: Cli, server: DemoServer, database: Database, standing: str | None, said: str
    ):
        make_connection(database, base_url=server.url)
        key = [] if standing is None else ["--idempotency-key", standing]
        sync(cli, "--entity", "products", "--no-wait", *key)

        ran = sync(cli, "--entity", "products", "--no-wait", "--idempotency-key", "k1")

        assert ran.exit_code == 2
        assert f"is open {said}" in ran.stderr
        assert "Finish it first: sync-pipeline sync shop --entity products." in ran.stderr

    def test_given_another_sync_open_when_synced_then_it_says_which(
        self, cli: Cli, server: DemoServer, database: Database
    ):
        shop = make_connection(database, base_url=server.url)
        standing = make_queue(database, shop, Filters(limit=1))

        ran = sync(cli, "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, "queue.open")
        assert str(standing.id) in ran.error["message"]


class TestProgressBar:
    def test_given_no_terminal_when_syncing_then_there_is_no_bar(self):
        with progress_bar.showing_progress(is_quiet=False) as tell:
            assert tell is None

    def test_given_a_terminal_when_several_are_synced_then_each_stage_of_each_has_a_bar(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        shown = Console(file=io.StringIO(), force_terminal=True, width=100)
        monkeypatch.setattr(progress_bar.sys.stderr, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(progress_bar.output, "stderr", lambda: shown)

        with progress_bar.showing_progress(is_quiet=False, names_entity=True) as tell:
            for entity in ("customers", "orders"):
                tell(Progress(entity, "pages", 3, 3, 0, 1.0, is_last=True))

        text = shown.file.getvalue()
        assert "customers: read the store" in text
        assert "orders: read the store" in text


class TestLifetimeValueRules:
    def test_given_sums_that_differ_when_told_then_both_and_their_distance_are_named(self):
        amounts = {"lifetime_value_all_orders": "1000.50", "lifetime_value_paid_net": "900.45"}

        words = rules_differ(amounts, "all_orders")

        assert "1,000.50 by all orders, 900.45 by paid orders" in words
        assert "100.05 apart, 10.0% of it" in words

    def test_given_equal_sums_when_told_then_nothing_is_said(self):
        amounts = {"lifetime_value_all_orders": "7.00", "lifetime_value_paid_net": "7"}

        assert rules_differ(amounts, "all_orders") == ""


class TestNoWait:
    def test_given_a_daemon_elsewhere_then_the_queue_is_opened_for_it_and_nothing_is_read(
        self, cli: Cli, database: Database, server: DemoServer
    ):
        ran = sync(cli, "--no-wait", "--full", "--created-by", "ann")
        again = sync(cli, "--no-wait", "--full", "--json")

        kept = row(
            database,
            "SELECT id::text AS id, created_by, is_full, process_count, batch_size FROM sync_queue",
        )
        assert (kept["created_by"], kept["is_full"], kept["process_count"]) == ("ann", True, 0)
        assert kept["batch_size"] == 500
        assert f"Opened {kept['id']}." in ran.stdout
        assert f"sync-pipeline status {kept['id']} --watch" in ran.stdout
        assert again.document == {"success": True, "queue_id": kept["id"], "is_new": False}
        assert server.requests == ()

    def test_given_a_queue_that_waits_for_a_person_then_it_waits_no_longer(
        self, cli: Cli, database: Database, server: DemoServer
    ):
        sync(cli, "--no-wait")
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_queue SET is_action_required = true, action_required_reason = 'key'"
            )

        ran = sync(cli, "--no-wait")

        assert "It was started before:" in ran.stdout
        assert row(database, "SELECT is_action_required AS is_so FROM sync_queue") == {
            "is_so": False
        }

    def test_given_an_open_sync_of_changes_when_everything_is_wanted_then_it_is_not_joined(
        self, cli: Cli, server: DemoServer
    ):
        sync(cli, "--no-wait")

        ran = sync(cli, "--no-wait", "--full")

        assert ran.exit_code == 2
        assert "is open with other settings" in ran.stderr


class TestSeveral:
    def test_given_entities_when_synced_then_each_is_there_and_refers_to_the_others(
        self, cli: Cli, server: DemoServer, database: Database
    ):
        server.store.put_order(full_order(1, customer_id=1))
        keys = {"SHOP_KEY": DEMO_KEY, "SHOP_SECRET": DEMO_SECRET}

        document = cli("sync", "shop", "--entities", "orders,customers", "--json", **keys).document

        assert (document["success"], document["state"]) == (True, "done"), document
        assert [(one["entity"], one["created_count"]) for one in document["entities"]] == [
            ("customers", 3),
            ("orders", 1),
        ]
        assert row(database, "SELECT customer_id FROM sales_order")["customer_id"] is not None
