"""`report`: on paper, as JSON, as files; what cannot be written is wrong input."""

import pytest

from sync_pipeline.entities import entity_of
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    full_order,
    make_connection,
    order,
)

SECTIONS = [
    "customers",
    "lifetime_values",
    "revenue",
    "refunds",
    "stock_below_zero",
    "failures",
]


@pytest.fixture
def shop(database, org_id):
    made = make_connection(database, org_id)
    apply_records(database, made, [customer(1)], [order(1, total="1234.50")])
    apply_records(
        database, made, [full_order(1, total="1234.50")], entity=entity_of("woocommerce", "orders")
    )
    return made


@pytest.mark.usefixtures("shop")
class TestReport:
    def test_given_a_synced_store_when_reported_then_each_table_is_printed(self, cli):
        ran = cli("report", "shop")

        assert ran.exit_code == 0
        assert "2026-02  EUR            1  1,234.50         0  1,234.50" in ran.stdout
        assert "Never synced: sync-pipeline sync shop --entity inventory" in ran.stdout

    def test_given_a_synced_store_when_reported_as_json_then_money_is_exact_text(self, cli):
        document = cli("report", "shop", "--json").document

        assert list(document["sections"]) == SECTIONS
        assert document["sections"]["revenue"]["rows"] == [
            {
                "month": "2026-02",
                "currency": "EUR",
                "orders": 1,
                "gross": "1234.50",
                "refunded": "0",
                "net": "1234.50",
            }
        ]
        assert (document["sections"]["stock_below_zero"]["is_synced"], document["files"]) == (
            False,
            [],
        )

    def test_given_places_for_files_when_reported_then_they_are_there_and_named(
        self, cli, tmp_path
    ):
        page = tmp_path / "report.html"

        document = cli(
            "report", "shop", "--csv", str(tmp_path / "csv"), "--html", str(page), "--json"
        ).document

        files = [str(tmp_path / "csv" / f"{name}.csv") for name in SECTIONS]
        assert document["files"] == [*files, str(page)]
        assert "1,234.50" in page.read_text(encoding="utf-8")

    @pytest.mark.parametrize("option", ["--csv", "--html"])
    def test_given_a_place_that_cannot_be_written_then_it_is_wrong_input(
        self, cli, tmp_path, option
    ):
        (tmp_path / "file").write_text("")

        ran = cli("report", "shop", option, str(tmp_path / "file" / "there"), "--json")

        assert (ran.exit_code, ran.error["code"]) == (2, "input.report_file")


def test_given_an_unknown_connection_when_reported_then_it_is_wrong_input(cli):
    ran = cli("report", "nowhere", "--json")

    assert (ran.exit_code, ran.error["code"]) == (2, "input.unknown_connection")
