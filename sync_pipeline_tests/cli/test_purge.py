"""`purge`: what went, what stays and why, on paper and as JSON."""

from datetime import UTC, datetime, timedelta

import pytest

from sync_pipeline.cli import purge as command
from sync_pipeline.orchestration.purge import PurgedRuns
from sync_pipeline.postgres.database import Database
from sync_pipeline_tests.cli.conftest import Cli
from sync_pipeline_tests.factories import apply_records, customer, make_connection, make_queue

LONG_AGO = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture
def old_sync(database: Database) -> None:
    """A sync of one customer that ended long ago, in a range that is not in use any more."""
    apply_records(database, make_connection(database), [customer(1)])
    with database.owner() as conn:
        conn.execute("UPDATE sync_queue SET finished_at = %s", [LONG_AGO])
        conn.execute("SELECT setval('sync_queue_queue_no_seq', 10000, false)")


@pytest.fixture
def few_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Dagster whose runs are purged already."""
    runs = PurgedRuns(deleted=3, kept=2, left=1)
    monkeypatch.setattr(command, "_purge_dagster", lambda *_, **__: runs)


@pytest.mark.usefixtures("old_sync")
def test_given_old_history_when_purged_then_the_document_says_what_went(cli: Cli):
    would = cli("purge", "--dry-run", "--json").document
    did = cli("purge", "--json").document

    assert (did["queues"], did["lines"], did["ranges"], did["held"]) == (1, 1, [0], [])
    assert did["runs"] == {"deleted": 0, "kept": 0, "left": 0}
    assert would == did | {"is_dry_run": True}


@pytest.mark.usefixtures("old_sync", "few_runs")
def test_given_a_sync_that_is_open_when_purged_then_it_is_named_as_what_stays(
    cli: Cli, database: Database
):
    with database.owner() as conn:
        conn.execute("SELECT setval('sync_queue_queue_no_seq', 50, false)")
    queue = make_queue(database, make_connection(database, name="other"))
    with database.owner() as conn:
        conn.execute("SELECT setval('sync_queue_queue_no_seq', 10000, false)")

    ran = cli("purge")

    assert ran.exit_code == 0
    assert f"Range 0 stays, queue {queue.id}: it is not finished." in ran.stdout
    assert "3, 2 kept for the latest of an asset, 1 left for the next time" in ran.stdout


@pytest.mark.usefixtures("few_runs")
def test_given_nothing_old_when_purged_then_it_says_so(cli: Cli):
    ran = cli("purge", "--dry-run")

    assert ran.exit_code == 0
    assert "syncs would go" in ran.stdout
    assert "0, with 0 lines" in ran.stdout
