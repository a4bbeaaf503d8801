"""What stages note in Dagster, and how often: the figures of the view, at most once a second."""

from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.orchestration import progress as progress_module
from sync_pipeline.orchestration.progress import Reporter, listening, observed
from sync_pipeline.orchestration.runs import Work
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.progress import standing
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    customer,
    fill_queue,
    make_connection,
    make_queue,
    queue_settings,
)


class Context:
    """An asset's context, as far as a reporter knows it."""

    asset_key = dg.AssetKey(["woocommerce", "customers", "applied"])
    partition_key = "shop"

    def __init__(self) -> None:
        self.events: list[dg.AssetObservation] = []

    def log_event(self, event: dg.AssetObservation) -> None:
        self.events.append(event)

    def figures(self) -> list[dict[str, Any]]:
        return [
            {name: value.value for name, value in event.metadata.items()} for event in self.events
        ]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Seconds, as the reporter sees them pass."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def work(database: Database) -> Work:
    connection = make_connection(database)
    queue = fill_queue(
        database, connection, [customer(number) for number in range(1, 11)], batch_size=5
    )
    return Work(database, connection, CUSTOMERS, queue)


class TestObservations:
    def test_given_many_batches_in_a_second_when_they_report_then_one_is_noted(self, work, clock):
        context = Context()
        reporter = Reporter(context, "applied", work)  # type: ignore[arg-type]

        for _ in range(20):
            clock.now += 0.06
            reporter.add(5)

        assert len(context.events) == 1

    def test_given_batches_when_noted_then_the_figures_are_those_that_status_shows(
        self, work, clock
    ):
        context = Context()
        reporter = Reporter(context, "applied", work)  # type: ignore[arg-type]

        outcome = upsert(work.database, work.queue, CUSTOMERS, queue_settings(workers=1))
        reporter.add(outcome.done)
        reporter.finish()

        now = standing(work.database, work.queue)
        assert context.figures() == [observed(now)]
        assert observed(now)["processed"] == 10
        assert observed(now)["completion_percent"] == 100
        assert observed(now)["items_per_min"] == now.progress.items_per_min > 0

    def test_given_what_nobody_knows_when_noted_then_it_is_left_out_of_the_plot(
        self, database: Database
    ):
        queue = make_queue(database, make_connection(database))

        found = observed(standing(database, queue))

        assert found == {
            "processed": 0,
            "failed": 0,
            "items_per_min": 0.0,
            "completion_percent": 0.0,
        }

    def test_given_a_database_that_went_away_when_a_batch_reports_then_the_stage_says_so_itself(
        self, work, clock
    ):
        context = Context()
        reporter = Reporter(context, "applied", work)  # type: ignore[arg-type]
        with work.database.owner() as conn:
            conn.execute("DELETE FROM sync_queue")
        clock.now += 2

        reporter.add(5)

        assert context.events == []


class TestListening:
    def test_given_a_listener_when_batches_report_then_it_hears_of_each_with_the_whole(
        self, work, clock
    ):
        heard = []
        with listening(heard.append):
            reporter = Reporter(Context(), "applied", work)  # type: ignore[arg-type]
            reporter.expect("lines", 10, processed=3)
            reporter.add(5, 1)
            reporter.finish()

        assert [(one.processed, one.failed, one.is_last) for one in heard] == [
            (0, 0, False),
            (8, 1, False),
            (8, 1, True),
        ]
        assert heard[-1].total == 10
