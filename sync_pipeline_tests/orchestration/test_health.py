"""The whole examination: bounded, complete, and silent about secrets."""

import socket
import threading
from collections.abc import Sequence

import pytest
from pydantic import SecretStr

from sync_pipeline.demo import DemoServer
from sync_pipeline.errors import InputError
from sync_pipeline.orchestration.health import bounded, examine
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.health import Check, Status, worst
from sync_pipeline.settings import DatabaseSettings, SourceSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline_tests.conftest import settings_for
from sync_pipeline_tests.orchestration.conftest import connect_shop

WELL = [Check("a", Status.OK, "well")]


@pytest.fixture(autouse=True)
def no_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def by_name(checks: Sequence[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


class TestBounded:
    def test_given_tasks_that_take_long_then_they_run_at_the_same_time_in_their_order(self) -> None:
        together = threading.Barrier(4)

        def slow(name: str) -> Sequence[Check]:
            together.wait(60)
            return [Check(name, Status.OK, "well")]

        found = bounded({name: lambda name=name: slow(name) for name in "dbca"}, 60)  # type: ignore[misc]

        assert [(check.name, check.seen) for check in found] == [(one, "well") for one in "dbca"]

    def test_given_a_task_that_hangs_then_it_fails_in_time_and_the_others_are_told(self) -> None:
        released = threading.Event()

        def hangs() -> Sequence[Check]:
            released.wait()
            return WELL

        hung, well = bounded({"stuck": hangs, "a": lambda: WELL}, 0.3)
        released.set()

        assert (hung.status, hung.seen) == (Status.FAIL, "no answer within 0.3 s")
        assert well == WELL[0]

    def test_given_a_task_that_breaks_then_only_the_kind_of_its_error_is_told(self) -> None:
        def breaks() -> Sequence[Check]:
            raise RuntimeError("postgresql://u:hunter2@host")

        def refuses() -> Sequence[Check]:
            raise InputError("it is wrong", remedy="Mend it.")

        broken, refused = bounded({"a": breaks, "b": refuses}, 5)

        assert broken.seen == "broke: RuntimeError"
        assert (refused.status, refused.remedy) == (Status.FAIL, "Mend it.")


class TestExamine:
    def test_given_all_is_well_then_every_check_is_there_and_none_fails(
        self, database_settings: DatabaseSettings, connection: Connection, shop: DemoServer
    ) -> None:
        checks = examine(database_settings, SourceSettings(), with_stores=True)

        assert {check.name for check in checks} >= {
            "database",
            "migrations",
            "stuck queues",
            "due retries",
            "failures",
            "action required",
            "paused",
            "circuits",
            "ranges",
            "dagster storage",
            "store shop",
        }
        assert [check for check in checks if check.status is Status.FAIL] == []
        assert len(shop.requests) == 1

    def test_given_no_stores_are_to_be_asked_then_none_is(
        self, database_settings: DatabaseSettings, connection: Connection, shop: DemoServer
    ) -> None:
        checks = examine(database_settings, SourceSettings(), with_stores=False)

        assert "store shop" not in by_name(checks)
        assert len(shop.requests) == 0

    def test_given_a_dead_store_then_it_fails_and_the_others_are_well(
        self, database_settings: DatabaseSettings, database: Database, connection: Connection
    ) -> None:
        connect_shop(database, "http://127.0.0.1:9", "dead")

        found = by_name(examine(database_settings, SourceSettings(), with_stores=True))

        assert found["store dead"].status is Status.FAIL
        assert found["store shop"].status is Status.OK

    def test_given_an_open_circuit_then_its_store_is_left_alone_and_it_is_told(
        self,
        database_settings: DatabaseSettings,
        database: Database,
        connection: Connection,
        shop: DemoServer,
    ) -> None:
        with database.owner() as conn:
            conn.execute(
                "INSERT INTO sync_circuit (connection_id, org_id, state, opened_at, open_until)"
                " VALUES (%s, 'acme', 'open', now(), now() + interval '1 min')",
                [connection.connection_id],
            )

        found = by_name(examine(database_settings, SourceSettings(), with_stores=True))

        assert found["circuits"].status is Status.FAIL
        assert "store shop" not in found
        assert len(shop.requests) == 0

    def test_given_an_unmigrated_database_then_what_to_run_is_said(
        self, empty_database_url: str
    ) -> None:
        checks = examine(settings_for(empty_database_url), SourceSettings(), with_stores=True)

        assert by_name(checks)["migrations"].status is Status.FAIL
        assert by_name(checks)["migrations"].remedy == "Run: sync-pipeline db migrate"

    @pytest.mark.parametrize(
        ("damage", "seen", "status"),
        [
            (
                "COMMENT ON VIEW sync_queue_status IS 'old'",
                "the views are of another release",
                Status.FAIL,
            ),
            (
                "INSERT INTO sync_migration VALUES ('x', '9999_later', now())",
                "the database is newer: 9999_later",
                Status.WARN,
            ),
        ],
    )
    def test_given_a_schema_of_another_release_then_it_is_told(
        self, own_database_url: str, damage: str, seen: str, status: Status
    ) -> None:
        settings = settings_for(own_database_url)
        with Database.open(settings) as database, database.owner() as conn:
            conn.execute(damage.encode())

        found = by_name(examine(settings, SourceSettings(), with_stores=False))["migrations"]

        assert (found.seen, found.status) == (seen, status)

    def test_given_no_tables_for_the_next_queues_then_it_warns_and_for_this_one_it_fails(
        self, own_database_url: str
    ) -> None:
        settings = settings_for(own_database_url)
        with Database.open(settings) as database:
            connection = connect_shop(database, "http://127.0.0.1:9")
            with database.owner() as conn:
                conn.execute(
                    "INSERT INTO sync_queue (org_id, connection_id, entity, queue_name,"
                    " source_system, batch_size, batch_delay_ms, max_retries, initial_backoff_ms,"
                    " lifetime_value_rule) VALUES ('acme', %s, 'customers', 'q', 'woocommerce',"
                    " 1, 0, 0, 0, 'all_orders')",
                    [connection.connection_id],
                )
                conn.execute("DROP TABLE IF EXISTS sync_page_r1")
            next_one = by_name(examine(settings, SourceSettings(), with_stores=False))["ranges"]
            with database.owner() as conn:
                conn.execute("DROP TABLE sync_page_r0")
            this_one = by_name(examine(settings, SourceSettings(), with_stores=False))["ranges"]

        assert next_one.status is Status.WARN
        assert "sync_page_r1" in next_one.seen
        assert this_one.status is Status.FAIL

    def test_given_a_dead_database_then_that_is_told_without_its_password(
        self,
    ) -> None:
        settings = settings_for("postgresql://sync:hunter2@127.0.0.1:9/sync")
        sources = SourceSettings.model_validate(
            {"REDIS_URL": SecretStr("redis://:hunter2@127.0.0.1:9/0")}
        )

        checks = examine(settings, sources, with_stores=True)

        assert checks[0].status is Status.FAIL
        assert worst(checks) is Status.FAIL
        assert by_name(checks)["queues"].seen == "not examined: the database cannot be used"
        assert by_name(checks)["redis"].status is Status.WARN
        assert "hunter2" not in repr(checks)

    def test_given_a_server_that_accepts_and_never_answers_then_the_end_is_bounded(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sync_pipeline.orchestration.health.PATIENCE_SECONDS", 1.0)
        with silent_server() as port:
            settings = settings_for(f"postgresql://sync@127.0.0.1:{port}/sync")

            checks = examine(settings, SourceSettings(), with_stores=True)

        assert checks[0].seen == "no answer within 1 s"


class silent_server:  # noqa: N801  (used as a function)
    """A port that takes connections and says nothing."""

    def __enter__(self) -> int:
        self._socket = socket.create_server(("127.0.0.1", 0))
        return int(self._socket.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._socket.close()
