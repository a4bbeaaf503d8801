"""`revert`: a look first, then a real Dagster run in this process; there is no store to ask."""

from functools import partial

import pytest
from psycopg import conninfo

from sync_pipeline.orchestration import instance
from sync_pipeline_tests.factories import apply_records, customer, make_connection, row, rows


@pytest.fixture(scope="module")
def dagster_database(make_database):
    return str(conninfo.conninfo_to_dict(make_database())["dbname"])


@pytest.fixture
def synced(database, org_id, dagster_database, monkeypatch):
    """Two customers, then one of them changed and a third: the id of that second sync."""
    to_our_own = partial(instance.dagster_url, database=dagster_database)
    monkeypatch.setattr(instance, "dagster_url", to_our_own)
    for name in ("DAGSTER_HOME", instance.STORAGE_VARIABLE):
        monkeypatch.setenv(name, "")
    shop = make_connection(database, org_id)
    apply_records(database, shop, [customer(1), customer(2)])
    queue, _ = apply_records(
        database, shop, [customer(1, last_name="Changed"), customer(2), customer(3)]
    )
    return str(queue.id)


def names(database):
    return [one["name"] for one in rows(database, "SELECT name FROM customer ORDER BY email")]


def test_given_a_preview_then_it_shows_fields_and_writes_nothing(cli, synced, database):
    ran = cli("revert", synced[:13], "--preview")

    assert ran.exit_code == 0
    assert "would touch 2 records" in ran.stdout
    assert "name: Ann Changed becomes Ann Number 1" in ran.stdout
    document = cli("revert", synced, "--preview", "--json").document
    assert document["counts"]["removed"] == document["counts"]["updated"] == 1
    assert document["records"][1]["fields"]["name"] == {
        "left": "Ann Changed", "now": "Ann Changed", "becomes": "Ann Number 1",
    }  # fmt: skip
    assert names(database) == ["Ann Changed", "Ann Number 2", "Ann Number 3"]


def test_given_a_revert_then_it_is_done_audited_and_taken_back_again(cli, synced, database):
    ran = cli("revert", synced, "--by", "mia", "--reason", "wrong file")

    assert ran.exit_code == 0, ran.stdout + ran.stderr
    assert names(database) == ["Ann Number 1", "Ann Number 2"]
    undone = row(database, "SELECT id FROM sync_queue WHERE is_beside")["id"]
    assert f"sync-pipeline revert {undone}" in ran.stdout
    (told,) = rows(
        database,
        "SELECT details FROM sync_activity WHERE activity_type = 'record_updated'"
        " AND details ->> 'by' = 'mia'",
    )
    assert told["details"]["why"] == f"taking back queue {synced}: wrong file"

    document = cli("revert", str(undone), "--json").document

    assert document["success"], document
    assert (document["created_count"], document["updated_count"]) == (1, 1)
    assert names(database) == ["Ann Changed", "Ann Number 2", "Ann Number 3"]
    assert not rows(database, "SELECT FROM sync_page WHERE queue_no > 2")


def test_given_no_wait_then_the_queue_waits_for_a_daemon(cli, synced, database):
    document = cli("revert", synced, "--no-wait", "--json").document

    assert document["is_new"]
    assert document["reverts"] == synced
    waits = row(database, "SELECT stage, process_count FROM sync_queue WHERE is_beside")
    assert waits == {"stage": "apply", "process_count": 0}


def test_given_what_moved_since_then_it_says_where_to_look_and_exits_with_1(cli, synced, database):
    with database.organization("acme") as conn:
        conn.execute("UPDATE customer SET name = 'By Hand' WHERE name = 'Ann Changed'")

    ran = cli("revert", synced)

    assert ran.exit_code == 1
    assert "sync-pipeline conflicts list shop" in ran.stdout
    assert names(database) == ["By Hand", "Ann Number 2"]
    again = cli("revert", synced, "--json")
    assert (again.exit_code, again.error["code"]) == (1, "queue.partial")
    assert not again.document["is_new"]
    (conflict,) = cli("conflicts", "list", "--json").document["conflicts"]
    shown = cli("conflicts", "show", conflict["id"])
    assert "the undo wants" in shown.stdout
    assert "in the store" not in shown.stdout


def test_given_a_queue_that_changed_nothing_then_exit_code_2(cli, synced, database):
    cli("revert", synced, "--no-wait", "--yes")
    undone = row(database, "SELECT id FROM sync_queue WHERE is_beside")["id"]

    refused = cli("revert", str(undone), "--json")

    assert refused.exit_code == 2
    assert refused.error["code"] == "revert.impossible"
