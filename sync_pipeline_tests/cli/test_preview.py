"""`preview`, and `sync --preview`: a served store, a real database, no Dagster."""

import csv
from collections.abc import Iterator

import pytest

from sync_pipeline.demo import DEMO_KEY, DEMO_SECRET
from sync_pipeline.demo.server import DemoServer
from sync_pipeline.postgres.database import Database
from sync_pipeline_tests.cli.conftest import Cli
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    order,
    row,
    rows,
    store,
)

HERE = [customer(1), customer(2), customer(3)]
THERE = [customer(1, first_name="Renamed"), customer(2, first_name="Theirs"), customer(4)]


@pytest.fixture
def server(
    database: Database, org_id: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DemoServer]:
    """One record renamed there, one on both sides, one new."""
    monkeypatch.setenv("SHOP_KEY", DEMO_KEY)
    monkeypatch.setenv("SHOP_SECRET", DEMO_SECRET)
    with DemoServer(store(THERE, [order(1, 1)])) as server:
        shop = make_connection(database, base_url=server.url)
        apply_records(database, shop, HERE)
        with database.owner() as conn:
            conn.execute(
                "UPDATE customer SET name = 'Ours' WHERE id = (SELECT local_id FROM sync_record"
                " WHERE external_id = '2')"
            )
        yield server


def test_given_changes_when_previewed_then_counts_come_first_and_each_field_is_shown(
    cli: Cli, server: DemoServer, database: Database, tmp_path
):
    file = tmp_path / "changes.csv"

    ran = cli("preview", "shop", "--entity", "customers", "--csv", str(file))

    assert ran.exit_code == 0
    words = [" ".join(line.split()) for line in ran.stdout.splitlines()]
    assert words[2:8] == [
        "created 1",
        "updated 1",
        "deleted 0",
        "unchanged 0 of 3 customers that were read",
        "in conflict 1 a person decides",
        "failed 0",
    ]
    assert any(line.startswith("2 in conflict name Ours there: Theirs") for line in words)
    assert any(line.startswith("1 updated") for line in words)
    preview = row(database, "SELECT id FROM sync_queue WHERE is_beside")["id"]
    assert f"sync-pipeline sync shop --entity customers --preview {preview}" in ran.stdout
    with file.open() as lines:
        written = list(csv.DictReader(lines))
    assert {one["external_id"] for one in written} == {"1", "2", "4"}
    (disputed,) = (one for one in written if one["external_id"] == "2")
    assert (disputed["field"], disputed["before"]) == ("name", "Ours")


def test_given_a_preview_when_its_sync_is_opened_twice_then_it_is_one_sync(
    cli: Cli, server: DemoServer, database: Database
):
    shown = cli("preview", "shop", "--entity", "customers", "--rows", "1", "--json").document
    assert shown["counts"]["in_conflict"] == 1
    assert [one["external_id"] for one in shown["changes"]] == ["2"]
    server.log.clear()
    sync = ("sync", "shop", "--entity", "customers", "--no-wait", "--json")
    meant = ("--preview", shown["preview_id"][:13])

    made = [cli(*sync, *meant).document for _ in range(2)]

    assert [one["is_new"] for one in made] == [True, False]
    assert made[0]["queue_id"] == made[1]["queue_id"]
    assert not server.requests
    assert len(rows(database, "SELECT FROM sync_queue WHERE filters ? 'applies'")) == 1
    listed = cli("status").stdout.splitlines()
    assert [line.split("  ")[-1] for line in listed[1:3]] == ["applied preview", "preview"]
    kinds = [one["kind"] for one in cli("status", "--json").document["queues"]]
    assert kinds == ["applied_preview", "preview", "sync"]


def test_given_what_was_read_before_when_previewed_then_the_store_is_not_asked(
    cli: Cli, server: DemoServer
):
    shown = cli("preview", "shop", "--entity", "customers", "--from-pages", "--json").document

    assert not server.requests
    # What was edited here is of no concern: the record is as it was applied.
    assert shown["counts"]["unchanged"] == len(HERE)


def test_given_an_unknown_preview_when_synced_then_wrong_input(cli: Cli, server: DemoServer):
    ran = cli("sync", "shop", "--entity", "customers", "--preview", "abcd", "--json")

    assert (ran.exit_code, ran.error["code"]) == (2, "preview.unusable")
