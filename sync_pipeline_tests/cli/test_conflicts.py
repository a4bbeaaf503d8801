"""`conflicts list | show | resolve | stats` as they are typed."""

from datetime import timedelta

import pytest

from sync_pipeline.cli.conflicts_view import parts_of
from sync_pipeline.cli.conflicts_words import age_of, values_of
from sync_pipeline.errors import InputError
from sync_pipeline.queue.conflicts import Side
from sync_pipeline_tests.cli.conftest import Cli
from sync_pipeline_tests.factories import apply_records, customer, make_connection, row

NUMBERS = (1, 2, 3)


def there(number, phone):
    made = customer(number)
    return made | {"billing": made["billing"] | {"phone": phone}}


@pytest.fixture
def disputed(database, org_id):
    """Three customers whose phone was edited here and there, and one whose e-mail is none."""
    shop = make_connection(database, org_id)
    apply_records(database, shop, [there(number, "1") for number in NUMBERS])
    with database.organization("acme") as conn:
        conn.execute("UPDATE customer SET phone = 'here'")
    records = [there(number, "there") for number in NUMBERS]
    return apply_records(database, shop, [*records, customer(9, email="bad")])[0]


def listed(cli, *options):
    return cli("conflicts", "list", "--json", *options).document["conflicts"]


class TestList:
    def test_given_conflicts_then_each_is_a_line_and_filters_choose_among_them(
        self, cli: Cli, disputed
    ):
        everything = cli("conflicts", "list").stdout
        by_type = listed(cli, "shop", "--type", "DataMismatch", "--field", "phone")

        assert everything.splitlines()[0].split() == [
            "id", "connection", "entity", "record", "type", "what", "age",
        ]  # fmt: skip
        assert "DataMismatch" in everything
        assert "ValidationError" in everything
        assert [one["external_id"] for one in by_type] == ["3", "2", "1"]
        assert listed(cli, "--field", "name") == []
        assert listed(cli, "--older-than", "1h") == []
        assert len(listed(cli, "--record", "9")) == 1

    def test_given_more_than_are_wanted_then_the_next_page_follows(self, cli: Cli, disputed):
        first = cli("conflicts", "list", "--most", "3", "--json").document
        second = cli("conflicts", "list", "--after", first["next"], "--json").document

        assert len(first["conflicts"]) == 3
        assert [len(second["conflicts"]), second["next"]] == [1, None]

    @pytest.mark.parametrize(
        "options",
        [("--type", "Quarrel"), ("--state", "over"), ("--older-than", "soon"), ("--after", "zz")],
    )
    def test_given_what_cannot_be_then_it_is_wrong_input(self, cli: Cli, options):
        assert cli("conflicts", "list", *options).exit_code == 2


class TestShowAndStats:
    def test_given_a_conflict_then_both_sides_and_the_ways_to_decide_are_shown(
        self, cli: Cli, disputed
    ):
        conflict_id = listed(cli, "--record", "1")[0]["id"]

        words = cli("conflicts", "show", conflict_id[:8]).stdout
        document = cli("conflicts", "show", conflict_id, "--json").document

        assert "phone" in words
        assert f"conflicts resolve {conflict_id[:8]} --version 1 --take source" in words
        assert document["sides"] == [
            {"name": "phone", "base": "1", "ours": "here", "theirs": "there", "merged": "here",
             "is_disputed": True}
        ]  # fmt: skip

    def test_given_conflicts_then_they_are_counted_by_what_they_are(self, cli: Cli, disputed):
        document = cli("conflicts", "stats", "--json").document

        assert document["total"] == 4
        assert [(one["value"], one["n_conflicts"]) for one in document["by_type"]] == [
            ("DataMismatch", 3), ("ValidationError", 1),
        ]  # fmt: skip
        assert [one["value"] for one in document["by_age"]] == ["up to an hour"]
        assert [one["value"] for one in document["by_connection"]] == ["shop customers"]
        assert "4 conflicts are open" in cli("conflicts", "stats").stdout


class TestResolve:
    def test_given_one_when_decided_twice_then_the_second_time_says_who_did(
        self, cli: Cli, database, disputed
    ):
        conflict_id = listed(cli, "--record", "1")[0]["id"]
        say = ("conflicts", "resolve", conflict_id, "--take", "source", "--by", "ann")

        first, second = cli(*say, "--reason", "they called"), cli(*say)

        assert (first.exit_code, second.exit_code) == (0, 0)
        assert "1 resolved." in first.stdout
        assert "Nothing to do: resolved by ann" in second.stdout
        assert "they called" in second.stdout
        phones = row(database, "SELECT count(*) AS n FROM customer WHERE phone = 'there'")
        assert phones["n"] == 1

    def test_given_all_of_a_filter_then_it_asks_and_with_yes_each_is_decided(
        self, cli: Cli, database, disputed
    ):
        say = ("conflicts", "resolve", "--all", "--type", "DataMismatch", "--set", "phone=typed")

        asked = cli(*say)
        document = cli(*say, "--yes", "--json").document

        assert asked.exit_code == 2
        assert "3 conflicts?" in asked.stderr
        assert (document["resolved"], len(document["queues"])) == (3, 1)
        assert row(database, "SELECT min(phone) AS p FROM customer")["p"] == "typed"

    def test_given_another_version_then_it_is_refused_with_the_code(self, cli: Cli, disputed):
        conflict_id = listed(cli, "--record", "1")[0]["id"]

        refused = cli(
            "conflicts", "resolve", conflict_id, "--take", "target", "--version", "7", "--json"
        )

        assert (refused.exit_code, refused.error["code"]) == (2, "conflict.moved")

    def test_given_what_failed_then_it_is_skipped_or_retried(self, cli: Cli, disputed):
        retried = cli("conflicts", "resolve", "--all", "--record", "9", "--retry", "--yes")
        skipped = cli("conflicts", "resolve", "--all", "--record", "9", "--skip", "--yes", "--json")

        assert f"Open again: {disputed.id}" in retried.stdout
        assert skipped.document["skipped"] == 1

    @pytest.mark.parametrize(
        "options",
        [
            (),
            ("--take", "source"),
            ("abcdef01", "--take", "source"),
            ("--all", "--take", "source", "--skip", "--yes"),
            ("--all", "--take", "both", "--yes"),
            ("--all", "--set", "phone", "--yes"),
            ("--all", "--fields", "phone", "--set", "phone=1", "--yes"),
            ("abcdef01", "--record", "1", "--skip"),
        ],
    )
    def test_given_no_clear_word_then_nothing_is_done(self, cli: Cli, database_url, options):
        assert cli("conflicts", "resolve", *options).exit_code == 2


def test_given_an_object_in_dispute_then_only_its_keys_that_differ_are_shown():
    here, there = {"city": "Bonn", "zip": "1"}, {"city": "Ulm", "zip": "1"}

    parts = parts_of(Side("address", None, here, there, here, is_disputed=True))

    assert parts == [Side("address.city", None, "Bonn", "Ulm", "Bonn", is_disputed=True)]


def test_given_ages_and_values_then_they_are_read():
    assert age_of("12h") == timedelta(hours=12)
    assert values_of(["phone=", "name=a=b"]) == {"phone": "", "name": "a=b"}
    with pytest.raises(InputError):
        age_of("0d")
