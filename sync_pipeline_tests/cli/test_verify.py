"""`sync-pipeline verify`: what it says, writes and ends with."""

import csv

import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.stages.reconcile import reconcile
from sync_pipeline_tests.factories import apply_records, customer, make_connection, rows


@pytest.fixture
def shop(database):
    shop = make_connection(database)
    queue, _ = apply_records(database, shop, [customer(n) for n in range(1, 31)])
    reconcile(database, queue, CUSTOMERS)
    return shop


def edit_all(database):
    with database.owner() as conn:
        conn.execute("UPDATE customer SET company = 'Mine'")


def test_given_equal_sides_when_verified_then_it_says_so_and_ends_with_0(cli, database, shop):
    ran = cli("verify", "shop")

    assert ran.exit_code == 0
    assert "shop customers: both sides agree" in ran.stdout
    assert "30 records, digest " in ran.stdout


def test_given_a_row_changed_by_hand_when_verified_then_field_before_and_now_are_shown(
    cli, database, shop
):
    with database.owner() as conn:
        conn.execute("UPDATE customer SET company = '[b]Mine' WHERE email = 'c7@example.test'")

    ran = cli("verify", "shop", "--entity", "customers")

    assert ran.exit_code == 1
    assert "both sides differ" in ran.stdout
    shown = next(line for line in ran.stdout.splitlines() if "company" in line)
    assert " ".join(shown.split()) == '7 changed here by hand company null "[b]Mine"'


def test_given_many_differences_when_verified_then_some_are_shown_and_all_are_in_the_file(
    cli, database, shop, tmp_path
):
    edit_all(database)

    ran = cli("verify", "shop", "--csv", str(tmp_path / "all.csv"))

    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert "and 10 more records" in ran.stdout
    assert len(written) == 30
    assert {(one["entity"], one["kind"], one["field"], one["ours"]) for one in written} == {
        ("customers", "drift", "company", '"Mine"')
    }


def test_given_differences_when_printed_as_json_then_counts_and_the_first_ones_are_there(
    cli, database, shop
):
    edit_all(database)

    ran = cli("verify", "shop", "--json")

    (proof,) = ran.document["entities"]
    assert (ran.exit_code, ran.document["success"], proof["agree"]) == (1, False, False)
    assert (proof["counts"], len(proof["first_ones"])) == ({"drift": 30}, 20)
    assert proof["theirs_digest"] == proof["ours_digest"]


def test_given_a_file_that_cannot_be_written_when_verified_then_wrong_input(
    cli, database, shop, tmp_path
):
    ran = cli("verify", "shop", "--csv", str(tmp_path / "nowhere" / "all.csv"))

    assert (ran.exit_code, "cannot be written" in ran.stderr) == (2, True)


def test_given_a_connection_that_was_never_synced_when_verified_then_how_to_start(cli, database):
    make_connection(database)

    ran = cli("verify", "shop")

    assert (ran.exit_code, "sync-pipeline sync shop" in ran.stderr) == (2, True)


def test_given_no_pages_when_verified_then_what_reads_them_and_it_ends_with_1(cli, database, shop):
    with database.owner() as conn:
        conn.execute("DELETE FROM sync_page")

    ran = cli("verify", "shop")

    assert ran.exit_code == 1
    assert "sync-pipeline sync shop --entity customers --full reads it" in ran.stdout
    assert rows(database, "SELECT * FROM sync_page") == []
