"""`sync-pipeline purge`: drop history that is past its time.

Belongs here: the command and its words. Does not: what goes (queue/retention.py,
orchestration/purge.py).

With --json: the fields of queue.expiry.Purged, and of orchestration.purge.PurgedRuns as `runs`.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from sync_pipeline.cli import output
from sync_pipeline.cli.output import said
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import retention
from sync_pipeline.queue.expiry import Purged
from sync_pipeline.settings import DatabaseSettings, RetentionSettings

if TYPE_CHECKING:
    from sync_pipeline.orchestration.purge import PurgedRuns

app = typer.Typer(add_completion=False)


@app.command()
def purge(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: output.AsJson = False,
) -> None:
    """Drop finished syncs, landed pages and Dagster's runs that are past their time.

    How long they are kept: SYNC_RETENTION_…_DAYS. A range of syncs goes as a whole, when the last
    of them is past its time; what keeps one is named.
    """
    settings = RetentionSettings()
    database_settings = DatabaseSettings()
    with Database.open(database_settings) as database:
        purged = retention.purge(database, settings, is_dry_run=dry_run)
        runs = _purge_dagster(database_settings, database.url, settings, is_dry_run=dry_run)
    if as_json:
        output.print_json({**asdict(purged), "runs": asdict(runs), "is_dry_run": dry_run})
    else:
        _print(purged, runs, is_dry_run=dry_run)


def _purge_dagster(
    database_settings: DatabaseSettings,
    url: str,
    settings: RetentionSettings,
    *,
    is_dry_run: bool,
) -> "PurgedRuns":
    from sync_pipeline.orchestration.instance import ensure_instance  # noqa: PLC0415  (seconds)
    from sync_pipeline.orchestration.purge import known_checks, purge_runs  # noqa: PLC0415

    with ensure_instance(database_settings, url) as instance:
        return purge_runs(
            instance,
            older_than_days=settings.dagster_runs_days,
            now_utc=datetime.now(UTC),
            check_keys=known_checks(),
            is_dry_run=is_dry_run,
        )


def _print(purged: Purged, runs: "PurgedRuns", *, is_dry_run: bool) -> None:
    would = "would go" if is_dry_run else "dropped"
    output.show(
        output.facts(
            [
                (f"syncs {would}", f"{purged.queues}, with {purged.lines} lines"),
                (f"pages {would}", f"those of {len(purged.page_ranges)} further ranges"),
                ("room", f"{purged.n_bytes / 1e6:.1f} MB"),
                (f"Dagster runs {would}", _runs_in_words(runs)),
            ]
        )
    )
    for one in purged.held:
        queue = f"queue {one.queue_id}: " if one.queue_id else ""
        output.show(f"Range {one.range_no} stays, {said(queue + one.reason)}.")


def _runs_in_words(runs: "PurgedRuns") -> str:
    kept = f", {runs.kept} kept for the latest of an asset" if runs.kept else ""
    left = f", {runs.left} left for the next time" if runs.left else ""
    return f"{runs.deleted}{kept}{left}"
