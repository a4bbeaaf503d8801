"""`connect` and `doctor`: a store is registered, then examined."""

import pytest

from sync_pipeline.demo.auth import DEMO_KEY, DEMO_SECRET
from sync_pipeline.demo.recorded import recorded_store
from sync_pipeline.demo.server import DemoServer
from sync_pipeline.postgres.database import Database
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import find_connection, list_connections
from sync_pipeline.sources.throttle.breaker import Breaker
from sync_pipeline.sources.throttle.circuit import Policy
from sync_pipeline.sources.woocommerce.errors import StoreFaultedError
from sync_pipeline.stages.opening import connect_demo
from sync_pipeline_tests.cli.conftest import Cli, Ran

KEY = "ck_0123456789abcdef0123456789abcdef01234567"


def connect(cli: Cli, *more: str, url: str = "https://shop.example", **changes: str) -> Ran:
    options = {"org": "acme", "url": url, "key-env": "SHOP_KEY", "secret-env": "SHOP_SECRET"}
    named = options | {name.replace("_", "-"): value for name, value in changes.items()}
    pairs = [word for name, value in named.items() for word in (f"--{name}", value)]
    return cli("connect", "woocommerce", "shop", *pairs, *more)


class TestConnect:
    def test_given_a_store_when_connected_then_it_is_registered_and_doctor_suggested(
        self, cli: Cli, database: Database
    ):
        ran = connect(cli, url="https://Shop.example/wp-json/wc/v3/", role="all")

        made = find_connection(database, "shop")
        assert ran.exit_code == 0
        assert "sync-pipeline doctor shop" in ran.stdout
        assert (made.base_url, made.org_id) == ("https://shop.example", "acme")
        assert made.options == {"customer_role": "all"}

    @pytest.mark.parametrize(
        ("flags", "options"),
        [
            ((), {}),
            (("--no-include-guests",), {}),
            (("--include-guests",), {"include_guests": True}),
        ],
    )
    def test_given_guests_when_connected_then_they_are_included_only_when_asked_for(
        self, cli: Cli, database: Database, flags, options
    ):
        connect(cli, *flags)

        assert find_connection(database, "shop").options == options

    def test_given_what_becomes_of_deleted_records_when_connected_then_it_is_kept_or_refused(
        self, cli: Cli, database: Database
    ):
        limit = ("--deletion-limit-percent", "10")
        connect(cli, "--deletion", "customers=archive", "--deletion", "orders=delete", *limit)
        unknown = connect(cli, "--deletion", "customers=burn")
        nobody = connect(cli, "--deletion", "people=keep")

        assert find_connection(database, "shop").options == {
            "deletion_policy": {"customers": "archive", "orders": "delete"},
            "deletion_limit_percent": 10,
        }
        assert (unknown.exit_code, nobody.exit_code) == (2, 2)
        assert "There are keep, archive, delete." in unknown.stderr

    def test_given_policies_of_fields_when_connected_then_they_are_kept_or_refused(
        self, cli: Cli, database: Database
    ):
        connect(cli, "--policy", "customers.name=source_wins", "--policy", "orders.total=manual")
        refused = connect(cli, "--policy", "customers.name=newest_wins")

        assert find_connection(database, "shop").options["policies"] == {
            "customers": {"name": "source_wins"}, "orders": {"total": "manual"},
        }  # fmt: skip
        assert refused.exit_code == 2
        assert "none is the newest" in refused.stderr

    def test_given_json_when_connected_then_the_variables_that_are_not_set_are_named(
        self, cli: Cli
    ):
        document = connect(cli, "--json").document

        assert document["unset_variables"] == ["SHOP_KEY", "SHOP_SECRET"]

    def test_given_a_rate_when_connected_then_it_is_kept_with_the_connection(
        self, cli: Cli, database: Database
    ):
        connect(cli, requests_per_second="2.5")

        assert find_connection(database, "shop").options == {"requests_per_second": 2.5}

    def test_given_entities_when_connected_then_schedules_sync_these(
        self, cli: Cli, database: Database
    ):
        connect(cli, entities="customers, orders")
        refused = connect(cli, entities="customers,invoices")

        assert find_connection(database, "shop").options == {"entities": ["customers", "orders"]}
        assert refused.exit_code == 2
        assert "invoices" in refused.stderr

    @pytest.mark.parametrize(("given", "kept"), [("0", 0), ("15", 15)])
    def test_given_an_interval_when_connected_then_it_is_kept_with_the_connection(
        self, cli: Cli, database: Database, given: str, kept: int
    ):
        connect(cli, every_minutes=given)

        assert find_connection(database, "shop").options == {"sync_every_minutes": kept}

    @pytest.mark.parametrize("rate", ["-1", "nan", "inf", "fast"])
    def test_given_no_rate_when_connected_then_it_is_refused(self, cli: Cli, rate: str):
        assert connect(cli, requests_per_second=rate).exit_code == 2

    @pytest.mark.parametrize(
        "url", ["shop.example", "ftp://shop.example", "https://", "demo:recorded", "https://a b"]
    )
    def test_given_an_address_of_no_store_when_connected_then_nothing_is_registered(
        self, cli: Cli, database: Database, url: str
    ):
        ran = connect(cli, url=url)

        assert ran.exit_code == 2
        assert "https://shop.example" in ran.stderr
        assert list_connections(database) == []

    @pytest.mark.parametrize("option", ["key_env", "secret_env"])
    def test_given_a_key_instead_of_a_name_when_connected_then_it_is_not_repeated(
        self, cli: Cli, database: Database, option: str
    ):
        ran = connect(cli, **{option: KEY})

        assert ran.exit_code == 2
        assert KEY not in ran.stdout + ran.stderr
        assert "the name of an environment variable" in ran.stderr
        assert list_connections(database) == []

    def test_given_a_name_of_another_organization_when_connected_then_it_stays_theirs(
        self, cli: Cli, database: Database
    ):
        connect(cli)

        ran = connect(cli, "--json", org="globex")

        assert (ran.exit_code, ran.error["code"]) == (2, "connection.name_taken")
        assert find_connection(database, "shop").org_id == "acme"

    def test_given_a_role_that_is_none_when_connected_then_it_is_wrong_input(self, cli: Cli):
        assert connect(cli, role="Shop Manager!").exit_code == 2


class TestDoctor:
    def test_given_the_demo_store_when_examined_then_it_is_well(self, cli: Cli, database: Database):
        connect_demo(database)

        ran = cli("doctor", "demo")

        assert ran.exit_code == 0
        assert "1000 customers" in ran.stdout

    def test_given_a_wrong_key_when_examined_then_it_fails_with_a_remedy(self, cli: Cli):
        with DemoServer(recorded_store()) as server:
            connect(cli, url=server.url)

            ran = cli("doctor", "shop", "--json", SHOP_KEY=KEY, SHOP_SECRET=KEY)

        failing = [one for one in ran.document["findings"] if one["outcome"] == "fail"]
        assert ran.exit_code == 1
        assert "auth" in [one["check"] for one in failing]
        assert all(one["remedy"] for one in failing)
        assert KEY not in ran.stdout

    def test_given_the_right_key_on_plain_http_when_examined_then_it_signs_by_itself(
        self, cli: Cli
    ):
        with DemoServer(recorded_store()) as server:
            connect(cli, url=server.url)

            ran = cli("doctor", "shop", "--json", SHOP_KEY=DEMO_KEY, SHOP_SECRET=DEMO_SECRET)

        seen = {one["check"]: one["seen"] for one in ran.document["findings"]}
        assert ran.exit_code == 0
        assert seen["auth"] == "oauth1"

    def test_given_an_open_circuit_when_examined_then_it_says_so_and_when_it_is_tried_again(
        self, cli: Cli, database: Database
    ):
        demo = connect_demo(database)
        policy = Policy.of(SourceSettings())
        Breaker(database, demo, policy).gave_up(StoreFaultedError("answered 500."), None)

        ran = cli("doctor", "demo", "--json")

        found = {one["check"]: one for one in ran.document["findings"]}["circuit"]
        assert ran.exit_code == 0  # the store is well again, and the sync finds out by itself
        assert found["outcome"] == "warn"
        assert "woocommerce.store_faulted" in found["seen"]
        assert "UTC" in found["remedy"]

    def test_given_keys_that_are_not_set_when_examined_then_the_variables_are_named(self, cli: Cli):
        connect(cli)

        ran = cli("doctor", "shop")

        assert ran.exit_code == 2
        assert "SHOP_KEY and SHOP_SECRET are not set" in ran.stderr

    def test_given_an_unknown_connection_when_examined_then_the_known_are_named(self, cli: Cli):
        connect(cli)

        ran = cli("doctor", "shpo")

        assert ran.exit_code == 2
        assert "Known: shop" in ran.stderr
