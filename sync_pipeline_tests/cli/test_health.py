"""`health`: a table for people, a document and an exit code for monitors."""

from sync_pipeline_tests.cli.conftest import NOBODY_LISTENS, Cli
from sync_pipeline_tests.factories import apply_records, customer, make_connection


def test_given_nothing_is_wrong_then_it_exits_with_0_and_says_each_check(cli: Cli) -> None:
    ran = cli("health", "--json", DAGSTER_HOME="")

    assert ran.exit_code == 0
    assert set(ran.document) == {"status", "checks"}
    assert ran.document["status"] in ("ok", "warn")
    assert {frozenset(check) for check in ran.document["checks"]} == {
        frozenset(("name", "status", "seen", "remedy"))
    }


def test_given_a_sync_whose_lines_all_failed_then_it_exits_with_1_and_names_the_store(
    cli: Cli, database, org_id
) -> None:
    apply_records(database, make_connection(database, org_id), [customer(1, email="bad")])

    ran = cli("health", "--no-stores", DAGSTER_HOME="")

    assert ran.exit_code == 1
    assert "100 % failures" in ran.stdout
    assert "sync-pipeline doctor shop" in ran.stdout


def test_given_a_database_that_is_down_then_the_document_is_whole_and_the_exit_code_1(
    run: Cli,
) -> None:
    ran = run("health", "--json", DATABASE_URL=NOBODY_LISTENS, DAGSTER_HOME="")

    assert ran.exit_code == 1
    assert ran.document["status"] == "fail"
    assert ran.document["checks"][0]["name"] == "database"


def test_given_the_help_then_it_says_what_the_exit_codes_mean(run: Cli) -> None:
    assert "Exit code 0: all is ok, or warns only." in run("health", "--help").stdout
