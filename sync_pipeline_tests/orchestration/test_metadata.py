import pytest

from sync_pipeline.orchestration.figures import Change, Table
from sync_pipeline.orchestration.metadata import (
    enqueued_metadata,
    rate_metadata,
    store_links,
    table_metadata,
)
from sync_pipeline.orchestration.previews import changes_table, numbers_table
from sync_pipeline.sources.connections import Connection
from sync_pipeline.stages.enqueued import Enqueued


def connection(base_url: str) -> Connection:
    return Connection(1, "acme", "shop", "woocommerce", base_url, "K", "S", {}, 100)


class TestLinks:
    @pytest.mark.parametrize(
        ("base_url", "link"),
        [
            ("https://shop.test/store/", "https://shop.test/store"),
            ("https://ck_1:cs_2@shop.test:8443", "https://shop.test:8443"),
            ("https://shop.test?consumer_secret=cs_2", "https://shop.test"),
        ],
    )
    def test_given_an_address_when_shown_then_it_keeps_no_secret(self, base_url, link):
        shown = store_links(connection(base_url))

        assert shown["store"].value == link
        assert "cs_2" not in str(shown)

    def test_given_the_demo_when_shown_then_it_is_said_in_words(self):
        assert store_links(connection("demo:recorded")).keys() == {"store"}


class TestNumbers:
    def test_given_no_time_when_shown_then_the_rate_is_zero(self):
        assert rate_metadata("lines", 5, 0.0)["lines_per_second"].value == 0.0

    def test_given_a_table_when_shown_then_dagster_knows_its_columns(self):
        shown = table_metadata(
            Table("db.public.t", (("id", "uuid", True), ("name", "text", False))),
            rows=5,
            partition_rows=2,
        )

        columns = shown["dagster/column_schema"].value.columns
        assert [(one.name, one.type, one.constraints.nullable) for one in columns] == [
            ("id", "uuid", False),
            ("name", "text", True),
        ]
        assert shown["dagster/row_count"].value == 5
        assert shown["dagster/partition_row_count"].value == 2


class TestEnqueued:
    @pytest.mark.parametrize(("guests", "shown"), [(0, None), (7, 7)])
    def test_given_guests_that_were_made_into_records_then_they_are_counted(self, guests, shown):
        metadata = enqueued_metadata(Enqueued(scanned=30, lines=37, unchanged=0, guests=guests))

        assert metadata["lines"].value == 37
        assert (metadata["guests"].value if "guests" in metadata else None) == shown


class TestChanges:
    def test_given_nothing_when_shown_then_it_says_so(self):
        assert changes_table([]).startswith("Nothing changed")

    def test_given_changes_when_shown_then_there_is_a_row_per_field(self):
        table = changes_table(
            [
                Change(
                    "record_updated",
                    "7",
                    {"name": "A", "tags": ["x"]},
                    {"name": "B", "tags": []},
                    None,
                ),
                Change("record_created", "8", {}, {"name": "C", "email": "c@x.test"}, None),
                Change("record_failed", "9", {}, {}, "not an e-mail address"),
            ]
        )

        cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
        assert cells[2:] == [
            ["7", "updated", "name", "A", "B"],
            ["7", "updated", "tags", '["x"]', "[]"],
            ["8", "created", "", "", "C, c@x.test"],
            ["9", "failed", "", "", "not an e-mail address"],
        ]

    def test_given_text_that_breaks_tables_when_shown_then_it_stays_in_its_cell(self):
        table = changes_table(
            [Change("record_updated", "7", {"name": "a\n|b"}, {"name": "x" * 200}, None)]
        )

        assert len(table.splitlines()) == 3
        assert "a \\|b" in table
        assert "x" * 61 not in table

    def test_given_numbers_when_shown_then_they_are_a_table(self):
        assert numbers_table([("read", 3)]).splitlines()[-1] == "| read | 3 |"
