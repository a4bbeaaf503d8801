"""`status`: the last queues, one of them whole, and following one."""

import json

import pytest

from sync_pipeline.cli import status as status_command
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.actions import cancel
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.cli.conftest import Cli
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    land_records,
    make_connection,
    make_queue,
    queue_settings,
)

KEYS = [
    *("queue_id", "connection", "entity", "state", "total_count", "draft_count"),
    *("processing_count", "done_count", "failed_count", "cancelled_count", "created_count"),
    *("updated_count", "unchanged_count", "progress", "processed_count", "items_per_min"),
    *("eta_seconds", "completion_percent", "is_processing", "is_action_required"),
    *("action_required_reason", "process_count", "certificate", "deleted_count"),
    "kind",
]


class TestOne:
    def test_given_a_queue_when_printed_as_json_then_it_has_exactly_the_agreed_keys(
        self, cli: Cli, database: Database
    ):
        queue, _ = apply_records(
            database, make_connection(database), [customer(1), customer(2, email="no address")]
        )

        document = cli("status", str(queue.id), "--json").document

        assert list(document) == KEYS
        assert (document["queue_id"], document["state"]) == (str(queue.id), "partial")
        assert (document["created_count"], document["failed_count"]) == (1, 1)
        assert (document["progress"], document["completion_percent"]) == (50.0, 100.0)

    def test_given_a_failed_line_when_printed_then_its_reason_and_what_to_type_are_there(
        self, cli: Cli, database: Database
    ):
        apply_records(
            database, make_connection(database), [customer(1), customer(2, email="no address")]
        )

        ran = cli("status", "--latest")

        assert ran.exit_code == 0
        assert "Needs a person" in ran.stdout
        assert "no address" in ran.stdout
        assert "sync-pipeline explain shop customers" in ran.stdout

    def test_given_markup_in_data_when_printed_then_it_is_shown_as_it_is(
        self, cli: Cli, database: Database
    ):
        apply_records(database, make_connection(database), [customer(1, email="[red]x[/nope]")])

        assert "[red]x[/nope]" in cli("status", "--latest").stdout

    def test_given_a_cancelled_sync_that_never_began_when_printed_then_nothing_is_yet_to_come(
        self, cli: Cli, database: Database
    ):
        queue, _ = open_queue(
            database, make_connection(database), "customers", settings=queue_settings()
        )
        cancel(database, str(queue.id), by="ann", reason=None)

        shown = cli("status", "--latest").stdout

        assert "finished, never started" in shown
        assert "it ended before the store was read" in shown
        assert "none: it ended before there were lines" in shown
        assert not any(words in shown for words in ("not started yet", "100 %", "?"))

    def test_given_no_uuid_when_asked_then_it_is_wrong_input(self, cli: Cli):
        ran = cli("status", "17", "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, "input.invalid")

    def test_given_a_queue_that_is_not_there_when_asked_then_it_says_so(self, cli: Cli):
        ran = cli("status", "00000000-0000-0000-0000-000000000000", "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, "input.unknown_queue")

    def test_given_a_queue_and_latest_when_asked_then_it_wants_one_of_them(self, cli: Cli):
        assert cli("status", "00000000-0000-0000-0000-000000000000", "--latest").exit_code == 2

    def test_given_nothing_synced_when_asked_for_the_latest_then_it_says_how_to_start(
        self, cli: Cli
    ):
        ran = cli("status", "--latest")

        assert ran.exit_code == 2
        assert "sync-pipeline sync" in ran.stderr


class TestList:
    def test_given_queues_of_two_organizations_when_listed_then_both_are_there(
        self, cli: Cli, database: Database
    ):
        apply_records(database, make_connection(database), [customer(1)])
        apply_records(database, make_connection(database, "globex", "other"), [customer(1)])

        ran = cli("status")
        document = cli("status", "--json").document

        assert ("shop" in ran.stdout, "other" in ran.stdout) == (True, True)
        assert [one["connection"] for one in document["queues"]] == ["other", "shop"]
        assert list(document["queues"][0]) == KEYS

    def test_given_nothing_synced_when_listed_then_it_says_how_to_start(self, cli: Cli):
        assert "sync-pipeline demo" in cli("status").stdout
        assert cli("status", "--json").document == {"queues": []}


class TestWatch:
    def test_given_an_open_queue_when_watched_then_it_prints_until_it_is_finished(
        self, cli: Cli, database: Database, monkeypatch
    ):
        queue = fill_queue(database, make_connection(database), [customer(1), customer(2)])

        def work_instead_of_waiting(_seconds: float) -> None:
            upsert(database, queue, CUSTOMERS, queue_settings())

        monkeypatch.setattr(status_command.time, "sleep", work_instead_of_waiting)

        ran = cli("status", str(queue.id), "--watch", "--json")

        states = [json.loads(line)["state"] for line in ran.stdout.splitlines()]
        assert states == ["processing", "done"]

    def test_given_a_finished_queue_when_watched_then_it_is_printed_whole_at_once(
        self, cli: Cli, database: Database
    ):
        apply_records(database, make_connection(database), [customer(1)])

        ran = cli("status", "--watch")

        assert ran.stdout.startswith("shop customers done: 1 of 1 lines (100 %)")
        assert "What happened" in ran.stdout

    def test_given_ctrl_c_when_watching_then_it_ends_without_a_word_about_errors(
        self, cli: Cli, database: Database, monkeypatch
    ):
        queue = fill_queue(database, make_connection(database), [customer(1), customer(2)])

        def interrupt(_seconds: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(status_command.time, "sleep", interrupt)

        ran = cli("status", str(queue.id), "--watch")

        assert ran.exit_code == 0
        assert ran.stdout == "shop customers processing: 0 of 2 lines (0 %), 0 failed\n"
        assert "Watching ended" in ran.stderr

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ("is_paused = true", "processing (paused): 0 of 2 lines (0 %), 0 failed, paused"),
            (
                "retry_at = now() + interval '30 s', last_error_code = 'source.down',"
                " last_error = 'it [/answers] 500'",
                "after source.down: it [/answers] 500",
            ),
            (
                "is_action_required = true, action_required_reason = 'keys are wrong'",
                "needs a person: keys are wrong",
            ),
            ("stage_lease_until = now() - interval '1 s'", "its process is gone"),
        ],
    )
    def test_given_a_queue_that_stands_still_when_watched_then_it_says_why(
        self, cli: Cli, database: Database, monkeypatch, change, words
    ):
        queue = fill_queue(database, make_connection(database), [customer(1), customer(2)])
        change_queue(database, change)

        def end_instead_of_waiting(_seconds: float) -> None:
            change_queue(database, "stage = 'finished', finished_at = now(), cancelled_at = now()")

        monkeypatch.setattr(status_command.time, "sleep", end_instead_of_waiting)

        ran = cli("status", str(queue.id), "--watch")

        still, ended = ran.stdout.splitlines()[:2]
        assert words in still
        assert ended.startswith("shop customers cancelled")

    def test_given_a_queue_that_stands_still_when_printed_whole_then_it_says_why(
        self, cli: Cli, database: Database
    ):
        fill_queue(database, make_connection(database), [customer(1)])
        change_queue(database, "retry_at = now() + interval '90 s', last_error = 'no answer'")

        assert "no answer" in cli("status", "--latest").stdout


class TestReading:
    def test_given_a_store_that_is_read_when_asked_then_records_are_its_progress(
        self, cli: Cli, database: Database
    ):
        queue = make_queue(database, make_connection(database))
        land_records(database, queue, "customers", [customer(1), customer(2)])
        with database.owner() as conn:
            conn.execute("UPDATE sync_page SET total = 8")

        document = cli("status", str(queue.id), "--json").document
        words = cli("status", str(queue.id)).stdout

        assert (document["processed_count"], document["total_count"]) == (2, 8)
        assert document["completion_percent"] == 25.0
        assert "2 of 8 so far" in words


class TestAlarm:
    def test_given_nothing_but_failures_when_printed_then_the_store_and_mapping_are_suspected(
        self, cli: Cli, database: Database
    ):
        apply_records(database, make_connection(database), [customer(1, email="none")])

        assert (
            "Every line failed: check the store and the mapping."
            in cli("status", "--latest").stdout
        )


def change_queue(database: Database, change: str) -> None:
    with database.owner() as conn:
        conn.execute(f"UPDATE sync_queue SET {change}")  # type: ignore[arg-type]
