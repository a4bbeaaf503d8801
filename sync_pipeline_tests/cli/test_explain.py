"""`explain`: the story of one record, on paper and as JSON."""

from sync_pipeline.cli.explain import differences
from sync_pipeline.postgres.database import Database
from sync_pipeline_tests.cli.conftest import Cli
from sync_pipeline_tests.factories import apply_records, customer, make_connection


class TestExplain:
    def test_given_a_changed_record_when_explained_then_the_change_is_shown(
        self, cli: Cli, database: Database
    ):
        shop = make_connection(database)
        apply_records(database, shop, [customer(7, first_name="Ann")])
        apply_records(database, shop, [customer(7, first_name="[b]Eve[/x]")])

        ran = cli("explain", "shop", "customers", "7")

        assert ran.exit_code == 0
        assert "name: Ann Number 7 became [b]Eve[/x] Number 7" in ran.stdout

    def test_given_a_record_when_explained_as_json_then_all_of_its_story_is_there(
        self, cli: Cli, database: Database
    ):
        apply_records(database, make_connection(database), [customer(7)])

        document = cli("explain", "shop", "customers", "7", "--json").document

        assert document["identity"]["ours"]["email"] == "c7@example.test"
        assert [one["activity_type"] for one in document["activity"]] == ["record_created"]
        assert [one["state"] for one in document["lines"]] == ["done"]
        assert document["conflicts"] == []
        assert document["reasons"][0].startswith("It is our row")

    def test_given_a_record_nobody_met_when_explained_then_it_is_wrong_input(
        self, cli: Cli, database: Database
    ):
        make_connection(database)

        ran = cli("explain", "shop", "customers", "7", "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, "input.unknown_record")

    def test_given_an_unknown_entity_when_explained_then_the_known_are_named(
        self, cli: Cli, database: Database
    ):
        make_connection(database)

        ran = cli("explain", "shop", "people", "7", "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, "input.unknown_entity")
        assert "customers" in ran.error["remedy"]


class TestDifferences:
    def test_given_objects_when_compared_then_only_the_changed_keys_are_named(self):
        before = {"name": "a", "address": {"city": "x", "street": "s"}}
        after = {"name": "a", "address": {"city": "y", "street": "s"}}

        assert differences(before, after) == [("address.city", "x", "y")]

    def test_given_no_before_when_compared_then_there_is_no_difference(self):
        assert differences(None, {"name": "a"}) == []
