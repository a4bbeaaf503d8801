import pytest

from sync_pipeline.demo import Fault
from sync_pipeline.errors import UnknownConnectionError, UnknownEntityError
from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.execution import LOCATION
from sync_pipeline.orchestration.launch import launch_sync
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import QueueOpenError


class TestTwoSyncs:
    def test_given_a_shop_when_synced_twice_then_the_second_finds_nothing_to_change(
        self, instance, database, connection, capfd
    ):
        progress = []

        first = launch_sync(instance, database, "shop", "customers", on_progress=progress.append)
        second = launch_sync(instance, database, "shop", "customers")

        assert (first.success, first.state, first.error) == (True, "done", None)
        assert (first.read, first.lines, first.created, first.unchanged) == (30, 30, 30, 0)
        assert first.is_new
        assert first.verdict is not None
        assert first.verdict.agree
        assert list(first.stage_seconds) == ["pages", "queue", "applied", "reconciled"]
        assert first.status["total_count"] == 30
        assert (second.lines, second.unchanged, second.state) == (0, 30, "done")
        assert second.queue_id != first.queue_id
        last = {one.stage: one for one in progress if one.is_last}
        assert (last["applied"].processed, last["applied"].total) == (30, 30)
        assert capfd.readouterr() == ("", "")

    def test_when_synced_then_the_run_is_one_that_the_ui_knows_and_can_execute_again(
        self, instance, database, connection
    ):
        report = launch_sync(instance, database, "shop", "customers")

        run = instance.get_run_by_id(report.run_id)
        job = build_definitions().resolve_job_def("sync_customers")
        assert run.job_name == "sync_customers"
        assert run.job_snapshot_id == job.get_job_snapshot_id()
        assert run.remote_job_origin.location_name == LOCATION
        assert run.tags["dagster/partition"] == "shop"
        assert run.tags["sync/queue_id"] == report.queue_id


class TestSettings:
    def test_given_filters_when_synced_then_only_those_are_read(
        self, instance, database, connection
    ):
        report = launch_sync(
            instance, database, "shop", "customers", filters=Filters(limit=4), batch_size=3
        )

        assert (report.read, report.created, report.status["batch_size"]) == (4, 4, 3)
        assert report.verdict is not None
        assert report.verdict.agree is None

    def test_given_a_key_that_was_used_when_synced_then_the_first_queue_is_meant(
        self, instance, database, connection
    ):
        first = launch_sync(instance, database, "shop", "customers", idempotency_key="monday")
        again = launch_sync(instance, database, "shop", "customers", idempotency_key="monday")

        assert again.queue_id == first.queue_id
        assert (first.is_new, again.is_new) == (True, False)
        assert (again.created, again.success) == (30, True)


class TestTrouble:
    def test_given_a_store_that_is_down_when_synced_then_the_report_says_so_in_words(
        self, instance, database, shop, connection
    ):
        shop.faults = [Fault("unavailable")]

        report = launch_sync(instance, database, "shop", "customers")

        assert not report.success
        assert report.state == "processing"
        assert report.error_code == "woocommerce.store_unavailable"
        assert "503" in report.error
        assert "Traceback" not in report.error
        assert report.verdict is None

    def test_given_a_store_that_came_back_when_synced_then_the_sync_goes_on(
        self, instance, database, shop, connection
    ):
        shop.faults = [Fault("unavailable", path="orders$")]
        stopped = launch_sync(instance, database, "shop", "customers")
        shop.faults = []

        resumed = launch_sync(instance, database, "shop", "customers")

        assert (resumed.queue_id, resumed.is_new) == (stopped.queue_id, False)
        assert (resumed.state, resumed.created) == ("done", 30)
        assert resumed.status["process_count"] == 2

    def test_given_ctrl_c_when_synced_then_it_ends_and_the_next_sync_goes_on(
        self, instance, database, connection
    ):
        def interrupt(_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            launch_sync(instance, database, "shop", "customers", on_progress=interrupt)

        resumed = launch_sync(instance, database, "shop", "customers")
        assert (resumed.is_new, resumed.state) == (False, "done")

    @pytest.mark.parametrize(
        ("names", "error"),
        [
            (("shoop", "customers"), UnknownConnectionError),
            (("shop", "customer"), UnknownEntityError),
        ],
    )
    def test_given_a_wrong_name_when_synced_then_nothing_starts(
        self, instance, database, connection, names, error
    ):
        runs = instance.get_runs_count()

        with pytest.raises(error):
            launch_sync(instance, database, *names)

        assert instance.get_runs_count() == runs

    def test_given_another_open_sync_when_synced_then_nothing_starts(
        self, instance, database, shop, connection
    ):
        shop.faults = [Fault("unavailable")]
        launch_sync(instance, database, "shop", "customers", filters=Filters(limit=2))

        with pytest.raises(QueueOpenError, match="--limit 2"):
            launch_sync(instance, database, "shop", "customers")
