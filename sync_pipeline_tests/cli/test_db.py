"""`db`: where the database is, its schema, psql."""

import pytest

from sync_pipeline.cli.db import without_password
from sync_pipeline_tests.cli.conftest import NOBODY_LISTENS, Cli


class TestUrl:
    def test_given_a_password_when_printed_then_it_is_hidden(self, run: Cli):
        ran = run("db", "url", DATABASE_URL=NOBODY_LISTENS)

        assert ran.stdout == "postgresql://sync:***@127.0.0.1:9/sync\n"

    def test_given_json_when_printed_then_it_is_a_document(self, run: Cli):
        document = run("db", "url", "--json", DATABASE_URL=NOBODY_LISTENS).document

        assert document == {"url": "postgresql://sync:***@127.0.0.1:9/sync", "is_embedded": False}

    def test_given_show_password_when_printed_then_it_is_there(self, run: Cli):
        url = "postgresql://sync:visible@127.0.0.1:9/sync"

        assert run("db", "url", "--show-password", DATABASE_URL=url).stdout == f"{url}\n"

    @pytest.mark.parametrize(
        ("address", "shown"),
        [
            ("postgresql://a:b@h/d", "postgresql://a:***@h/d"),
            ("postgresql://a:b%40:c@h:5/d?sslmode=require", "postgresql://a:***@h:5/d?sslmode=require"),
            ("postgresql://h/d?user=a&password=b&x=y", "postgresql://h/d?user=a&password=***&x=y"),
            ("postgresql://a@h/d", "postgresql://a@h/d"),
            ("postgresql://h:5432/d", "postgresql://h:5432/d"),
            ("user=a password=b host=h", "user=a password=*** host=h"),
        ],
    )  # fmt: skip
    def test_given_an_address_when_shown_then_no_password_is_left(self, address: str, shown: str):
        assert without_password(address) == shown


class TestSchema:
    def test_given_an_empty_database_when_migrated_twice_then_the_second_does_nothing(
        self, run: Cli, empty_database_url: str
    ):
        first = run("db", "migrate", "--json", DATABASE_URL=empty_database_url)
        second = run("db", "migrate", DATABASE_URL=empty_database_url)

        assert first.document["applied"][0] == "0001_core"
        assert second.stdout == "Nothing to apply.\n"

    def test_given_an_empty_database_when_verified_then_all_that_is_missing_is_named(
        self, run: Cli, empty_database_url: str
    ):
        ran = run("db", "verify", DATABASE_URL=empty_database_url)

        assert ran.exit_code == 1
        assert "table sync_queue" in ran.stdout

    def test_given_a_migrated_database_when_verified_then_nothing_is_missing(self, cli: Cli):
        assert cli("db", "verify", "--json").document == {"success": True, "missing": []}

    def test_given_nobody_to_ask_when_rolled_back_then_it_wants_yes_and_drops_nothing(
        self, cli: Cli
    ):
        for options in ([], ["--json"]):
            ran = cli("db", "rollback", *options)
            assert ran.exit_code == 2
        assert "--yes" in ran.error["remedy"]
        assert cli("db", "verify").exit_code == 0

    def test_given_yes_when_rolled_back_then_the_sync_tables_are_gone(
        self, run: Cli, own_database_url: str
    ):
        ran = run("db", "rollback", "--yes", "--json", DATABASE_URL=own_database_url)

        assert ran.document["rolled_back"][-1] == "0001_core"
        assert run("db", "verify", DATABASE_URL=own_database_url).exit_code == 1


class TestPsql:
    def test_given_a_query_when_passed_on_then_psql_runs_it(self, cli: Cli, capfd):
        ran = cli("db", "psql", "-X", "-Atc", "SELECT 6 * 7")

        assert ran.exit_code == 0
        assert capfd.readouterr().out == "42\n"

    def test_given_no_psql_on_path_when_run_then_the_one_of_the_embedded_server_is_used(
        self, cli: Cli, capfd, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr("shutil.which", lambda _name: None)

        assert cli("db", "psql", "-X", "-Atc", "SELECT 6 * 7").exit_code == 0
        assert capfd.readouterr().out == "42\n"

    def test_given_a_query_that_fails_when_run_then_the_exit_code_is_that_of_psql(
        self, cli: Cli, capfd
    ):
        assert cli("db", "psql", "-X", "-c", "SELECT nothing").exit_code == 1
        assert "nothing" in capfd.readouterr().err

    def test_given_a_database_that_is_down_when_run_then_the_error_is_ours(self, run: Cli):
        ran = run("db", "psql", DATABASE_URL=NOBODY_LISTENS)

        assert ran.exit_code == 1
        assert "does not answer" in ran.stderr
