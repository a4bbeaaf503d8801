"""What all commands share: help, errors, exit codes, and that few of them load Dagster."""

import json
import subprocess
import sys

import pytest

from sync_pipeline.cli import status
from sync_pipeline.postgres.server_errors import DiskFullError
from sync_pipeline_tests.cli.conftest import NOBODY_LISTENS, Cli

COMMANDS = ("demo", "dev", "db", "connect", "doctor", "sync", "orchestrate", "status", "explain")


class TestHelp:
    def test_given_help_when_printed_then_it_lists_every_command(self, run: Cli):
        ran = run("--help")

        assert ran.exit_code == 0
        assert all(name in ran.stdout for name in COMMANDS)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_given_a_command_when_asked_for_help_then_it_has_some(self, run: Cli, name: str):
        ran = run(name, "--help")

        assert ran.exit_code == 0
        assert f"sync-pipeline {name}" in ran.stdout or f"root {name}" in ran.stdout

    def test_given_version_when_asked_then_it_is_printed(self, run: Cli):
        assert run("--version").stdout.startswith("sync-pipeline 0.")


class TestStart:
    def test_given_every_command_when_imported_then_dagster_is_not(self):
        names = ", ".join(f"sync_pipeline.cli.{name}" for name in COMMANDS)
        code = f"import sys, {names}; print(sorted(m for m in sys.modules if 'dagster' in m))"

        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )

        assert done.stdout == "[]\n"

    def test_given_help_when_printed_then_neither_the_database_nor_http_is_loaded(self):
        code = (
            "import sys\n"
            "from sync_pipeline.cli.app import main\n"
            "sys.argv[1:] = ['--help']\n"
            "try: main()\n"
            "except SystemExit: print({'psycopg', 'requests', 'pydantic'} & set(sys.modules))"
        )

        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
        )

        assert done.stdout.endswith("set()\n")


class TestErrors:
    def test_given_an_unknown_command_when_run_then_it_is_wrong_input(self, run: Cli):
        assert run("synk").exit_code == 2

    def test_given_wrong_usage_and_json_when_run_then_stdout_is_a_document(self, run: Cli):
        ran = run("status", "--most", "0", "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, "input.usage")

    def test_given_a_database_that_is_down_when_run_then_it_says_so_without_the_password(
        self, run: Cli
    ):
        ran = run("status", DATABASE_URL=NOBODY_LISTENS)

        assert (ran.exit_code, ran.stdout) == (1, "")
        assert "127.0.0.1 does not answer" in ran.stderr
        assert "Is it running" in ran.stderr

    def test_given_a_database_that_is_down_when_run_with_json_then_the_error_is_the_document(
        self, run: Cli
    ):
        ran = run("status", "--json", DATABASE_URL=NOBODY_LISTENS)

        assert (ran.exit_code, ran.error["code"]) == (1, "database.unavailable")
        assert ran.error["remedy"]

    def test_given_a_url_that_is_none_when_run_then_it_is_wrong_input(self, run: Cli):
        ran = run("status", DATABASE_URL="mysql://sync:hunter2@host/sync")

        assert (ran.exit_code, ran.stdout) == (2, "")
        assert "not a PostgreSQL URL" in ran.stderr

    def test_given_a_database_that_is_too_old_when_run_then_it_says_which_is_old_enough(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("sync_pipeline.postgres.database.OLDEST_VERSION", 99)

        ran = cli("status")

        assert ran.exit_code == 1
        assert "99 is the oldest that is supported" in ran.stderr

    def test_given_a_full_disk_for_the_embedded_server_when_run_then_it_says_so(
        self, run: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        def full(local_dir: object) -> str:
            raise DiskFullError("could not write: No space left on device")

        monkeypatch.setattr("sync_pipeline.postgres.urls.ensure_embedded", full)

        ran = run("demo")

        assert ran.exit_code == 1
        assert "no room on the disk" in ran.stderr
        assert "SYNC_LOCAL_DIR" in ran.stderr

    def test_given_a_directory_that_cannot_be_when_run_then_it_says_so(self, run: Cli):
        ran = run("status", SYNC_LOCAL_DIR="/proc/nowhere")

        assert ran.exit_code == 1
        assert "cannot use its directory" in ran.stderr

    def test_given_a_database_without_the_schema_when_run_then_it_names_the_command(
        self, run: Cli, empty_database_url: str
    ):
        ran = run("status", DATABASE_URL=empty_database_url)

        assert ran.exit_code == 1
        assert "sync-pipeline db migrate" in ran.stderr

    def test_given_a_setting_that_is_refused_when_run_then_its_value_is_not_repeated(
        self, run: Cli, database_url: str
    ):
        ran = run("status", DATABASE_URL=database_url, SYNC_POOL_MAX_CONNECTIONS="hunter2")

        assert ran.exit_code == 2
        assert "SYNC_POOL_MAX_CONNECTIONS" in ran.stderr

    @pytest.mark.parametrize(
        ("variables", "said"),
        [
            ({"SYNC_MAX_CONCURRENT_RUNS": "0"}, "SYNC_MAX_CONCURRENT_RUNS: Input should be"),
            ({"SYNC_NIGHTLY_HOUR_UTC": "24"}, "SYNC_NIGHTLY_HOUR_UTC: Input should be"),
            (
                {"SYNC_QUEUE_MAX_BACKOFF_MS": "10"},
                "SYNC_QUEUE_MAX_BACKOFF_MS is below SYNC_QUEUE_INITIAL_BACKOFF_MS",
            ),
        ],
    )
    def test_given_any_setting_that_is_refused_when_health_is_asked_then_its_variable_is_named(
        self, run: Cli, database_url: str, variables: dict[str, str], said: str
    ):
        ran = run("health", DATABASE_URL=database_url, **variables)

        assert ran.exit_code == 2
        assert f"Error: {said}" in ran.stderr

    @pytest.mark.parametrize("as_json", [False, True])
    def test_given_a_fault_of_ours_when_run_then_it_is_one_sentence_without_secrets(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch, as_json: bool
    ):
        def broken(*_arguments: object, **_options: object) -> None:
            raise RuntimeError("lost it at https://u:hunter2@shop/?consumer_secret=cs_0123456789")

        monkeypatch.setattr(status, "recent", broken)

        ran = cli("status", *(["--json"] if as_json else []))

        assert ran.exit_code == 1
        assert "cs_0123456789" not in ran.stdout + ran.stderr
        message = ran.error["message"] if as_json else ran.stderr
        assert "RuntimeError: lost it" in message

    def test_given_sync_debug_when_something_breaks_then_the_traceback_is_shown(
        self, database_url: str
    ):
        done = subprocess.run(
            [sys.executable, "-m", "sync_pipeline.cli", "status", "not-a-queue", "--json"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={"DATABASE_URL": database_url, "SYNC_DEBUG": "1", "PYTHONPATH": ":".join(sys.path)},
        )

        assert done.returncode == 2
        assert "Traceback" in done.stderr
        assert json.loads(done.stdout)["error"]["code"] == "input.invalid"

    def test_given_ctrl_c_when_running_then_it_says_that_nothing_is_lost(
        self, cli: Cli, monkeypatch: pytest.MonkeyPatch
    ):
        def interrupted(*_arguments: object, **_options: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(status, "recent", interrupted)

        ran = cli("status")

        assert ran.exit_code == 130
        assert "goes on from there" in ran.stderr


class TestLogs:
    def test_given_every_log_when_json_is_asked_for_then_stdout_holds_nothing_else(self, cli):
        ran = cli("status", "--json", SYNC_LOG_LEVEL="debug", SYNC_LOG_FORMAT="json")

        assert ran.document == {"queues": []}

    def test_given_a_level_that_is_none_when_a_command_runs_then_it_is_wrong_input(self, cli):
        ran = cli("status", "--json", SYNC_LOG_LEVEL="loud")

        assert (ran.exit_code, ran.error["code"]) == (2, "input.settings")
        assert ran.error["message"].startswith("SYNC_LOG_LEVEL: Input should be")
