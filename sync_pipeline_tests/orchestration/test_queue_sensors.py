from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from sync_pipeline.errors import DatabaseUnusableError
from sync_pipeline.orchestration import queue_sensors
from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.processes import process_tag
from sync_pipeline.orchestration.resource import SyncResource, provided
from sync_pipeline.orchestration.starts import run_request
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue import actions, attention, heartbeat
from sync_pipeline.queue.attention import needing_attention, queues_to_start
from sync_pipeline.queue.failures import Failure, record_failure
from sync_pipeline.queue.life import Life
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.queue.queues import begin
from sync_pipeline.settings import DatabaseSettings, QueueSettings
from sync_pipeline_tests.conftest import settings_for
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    make_queue,
    rows,
)


class ConfiguredSync(SyncResource):
    """As if DATABASE_URL were set."""

    def database_settings(self) -> DatabaseSettings:
        return settings_for("postgresql://somewhere/sync")


@pytest.fixture
def own_instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


_CONFIGURED = ConfiguredSync()
_definitions = build_definitions(sync=_CONFIGURED)


def _definitions_with(sync: SyncResource) -> dg.Definitions:
    """Making them takes longer than a look."""
    return _definitions if sync is _CONFIGURED else build_definitions(sync=sync)


def tick(
    name: str,
    instance: dg.DagsterInstance,
    database: Database,
    *,
    sync: SyncResource | None = None,
    cursor: str | None = None,
) -> dg.SensorResult:
    sync = sync or _CONFIGURED
    sensor = _definitions_with(sync).resolve_sensor_def(name)
    with (
        dg.build_sensor_context(
            instance=instance, cursor=cursor, resources={"sync": sync}
        ) as context,
        provided(database),
    ):
        return sensor(context)


def ticks(instance, database) -> dict[str, list[str]]:
    """Connections that each sensor starts."""
    return {
        name: [run.partition_key for run in tick(name, instance, database).run_requests or []]
        for name in ("pending", "retry", "recovery")
    }


def change(database: Database, assignments: str) -> None:
    with database.owner() as conn:
        conn.execute(f"UPDATE sync_queue SET {assignments}")


def add_run(
    instance: dg.DagsterInstance, queue, status=dg.DagsterRunStatus.STARTED, **tags: str
) -> dg.DagsterRun:
    run = dg.DagsterRun(
        job_name="sync_customers",
        status=status,
        tags={
            "sync/queue_id": str(queue.id),
            "sync/entity": "customers",
            "dagster/partition": queue.connection,
        }
        | {name.replace("__", "/"): value for name, value in tags.items()},
    )
    return instance.add_run(run)


def status_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus:
    current = instance.get_run_by_id(run.run_id)
    assert current is not None
    return current.status


class TestWhoStartsWhat:
    def test_given_a_queue_opened_elsewhere_then_pending_starts_it_and_makes_its_partition(
        self, own_instance, database
    ):
        connection = make_connection(database)
        queue, _ = open_queue(database, connection, "customers", settings=QueueSettings())

        result = tick("pending", own_instance, database)

        (request,) = result.run_requests
        (partitions,) = result.dynamic_partitions_requests
        assert request.job_name == "sync_customers"
        assert request.partition_key == "shop"
        assert request.tags["sync/queue_id"] == str(queue.id)
        assert request.tags["sync/reason"] == "pending"
        assert request.run_config == {
            "ops": {"woocommerce__customers__pages": {"config": {"queue_id": str(queue.id)}}}
        }
        assert partitions.partition_keys == ["shop"]
        assert ticks(own_instance, database) == {"pending": ["shop"], "retry": [], "recovery": []}

    def test_given_a_queue_whose_last_run_failed_then_retry_starts_it_when_its_wait_is_over(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        failure = Failure("store.down", "the store is down", is_permanent=False)
        record_failure(database, queue, failure, QueueSettings(), run_id=None)

        before = ticks(own_instance, database)
        change(database, "retry_at = now() - interval '1 s'")
        after = ticks(own_instance, database)

        assert before == {"pending": [], "retry": [], "recovery": []}
        assert after == {"pending": [], "retry": ["shop"], "recovery": []}

    def test_given_a_queue_whose_process_died_then_recovery_starts_it_when_the_lease_ran_out(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        heartbeat.announce(database, queue)

        before = ticks(own_instance, database)
        change(database, "stage_lease_until = now() - interval '1 s'")
        after = ticks(own_instance, database)

        assert before == {"pending": [], "retry": [], "recovery": []}
        assert after == {"pending": [], "retry": [], "recovery": ["shop"]}

    @pytest.mark.parametrize(
        "assignments",
        [
            "is_paused = true",
            "is_action_required = true",
            "stage = 'finished', finished_at = now(), cancelled_at = now()",
        ],
    )
    def test_given_a_queue_that_waits_for_a_person_then_nobody_starts_it(
        self, own_instance, database, assignments
    ):
        make_queue(database, make_connection(database))
        change(database, assignments)

        assert ticks(own_instance, database) == {"pending": [], "retry": [], "recovery": []}

    def test_given_an_open_circuit_then_a_queue_that_would_read_waits_for_it(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        with database.owner() as conn:
            conn.execute(
                "INSERT INTO sync_circuit (connection_id, org_id, state, opened_at, open_until)"
                " VALUES (%s, %s, 'open', now(), now() + interval '1 minute')",
                [queue.connection_id, queue.org_id],
            )

        before = ticks(own_instance, database)
        change(database, "stage = 'apply'")

        assert before["retry"] == []
        assert ticks(own_instance, database)["retry"] == ["shop"]

    def test_given_a_finished_queue_that_was_never_compared_then_it_is_started_once_more(
        self, own_instance, database
    ):
        apply_records(database, make_connection(database), [customer(1)])

        at_once = ticks(own_instance, database)
        change(database, "finished_at = now() - interval '2 minutes'")

        assert at_once == {"pending": [], "retry": [], "recovery": []}
        assert ticks(own_instance, database)["retry"] == ["shop"]
        change(database, "last_error_code = 'sync.unexpected'")
        assert ticks(own_instance, database)["retry"] == []

    def test_given_batches_that_are_due_later_then_the_run_starts_a_little_ahead(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        change(database, "stage = 'apply'")
        with database.owner() as conn:
            conn.execute(
                "INSERT INTO sync_batch"
                " (queue_no, batch_no, org_id, first_line, last_line, n_total, available_at)"
                " VALUES (%s, 1, 'acme', 1, 1, 1, now() + interval '60 s')",
                [queue.queue_no],
            )
        early = ticks(own_instance, database)
        with database.owner() as conn:
            conn.execute("UPDATE sync_batch SET available_at = now() + interval '8 s'")

        assert early["retry"] == []
        assert ticks(own_instance, database)["retry"] == ["shop"]

    def test_given_a_queue_of_an_entity_nobody_knows_then_the_others_start_and_the_log_says_so_once(
        self, own_instance, database, caplog
    ):
        make_queue(database, make_connection(database, name="newer"))
        change(database, "entity = 'coupons'")
        make_queue(database, make_connection(database))

        found = [ticks(own_instance, database) for _ in range(2)]

        assert found == [{"pending": [], "retry": ["shop"], "recovery": []}] * 2
        assert caplog.text.count("'coupons'") == 1

    def test_given_more_paused_queues_than_a_look_takes_then_a_later_look_comes_to_the_others(
        self, own_instance, database, monkeypatch
    ):
        monkeypatch.setattr(attention, "ROWS_PER_LOOK", 5)
        for number in range(5):
            make_queue(database, make_connection(database, name=f"paused-{number}"))
        change(database, "is_paused = true")
        make_queue(database, make_connection(database))
        done, _ = apply_records(database, make_connection(database, name="done"), [customer(1)])
        change(database, "finished_at = finished_at - interval '2 minutes'")
        with database.owner() as conn:
            conn.execute(
                "UPDATE sync_queue SET last_error_code = 'x' WHERE queue_no = %s", [done.queue_no]
            )

        first = tick("retry", own_instance, database)
        second = tick("retry", own_instance, database, cursor=first.cursor)

        assert not first.run_requests
        assert [run.partition_key for run in second.run_requests or []] == ["shop"]
        assert second.cursor == "0"

    def test_given_a_database_that_cannot_be_read_then_the_tick_turns_red(
        self, own_instance, empty_database_url
    ):
        with (
            Database.open(settings_for(empty_database_url)) as unmigrated,
            pytest.raises(DatabaseUnusableError),
        ):
            tick("pending", own_instance, unmigrated)

    def test_given_an_unconfigured_checkout_without_tables_then_nothing_is_started(
        self, own_instance, empty_database_url
    ):
        with Database.open(settings_for(empty_database_url)) as unmigrated:
            result = tick("pending", own_instance, unmigrated, sync=SyncResource())

        assert not result.run_requests


class TestOneRunForOneCause:
    @pytest.mark.parametrize(
        "status",
        [
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
        ],
    )
    def test_given_a_run_that_is_about_to_begin_then_no_other_is_started(
        self, own_instance, database, status
    ):
        queue, _ = open_queue(
            database, make_connection(database), "customers", settings=QueueSettings()
        )
        add_run(own_instance, queue, status)

        assert ticks(own_instance, database)["pending"] == []

    def test_given_a_quarter_of_a_minute_then_the_key_is_the_same_until_the_queue_was_begun(
        self, database
    ):
        queue = make_queue(database, make_connection(database))
        now = datetime(2026, 11, 22, 3, 7, 15, tzinfo=UTC)

        def key(at):
            (row,) = needing_attention(database, ["customers"])
            (start,) = queues_to_start([row], set(), datetime.now(UTC), 1)
            return run_request(start, at).run_key

        first = key(now)
        assert key(now + timedelta(seconds=14)) == first
        assert key(now + timedelta(seconds=15)) != first
        begin(database, queue, run_id=None)
        assert key(now) != first

    def test_given_a_pause_that_refused_the_run_when_resumed_then_another_starts_at_once(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        now = datetime.now(UTC)
        seen = []
        for act in (actions.pause, actions.resume):
            (row,) = needing_attention(database, ["customers"])
            seen += queues_to_start([row], set(), now, 1)
            act(database, str(queue.id), by="ann")
        (row,) = needing_attention(database, ["customers"])
        seen += queues_to_start([row], set(), now, 1)

        first, second = (run_request(start, now).run_key for start in seen)
        assert first != second


class TestDeadRuns:
    def test_given_a_run_of_another_host_that_fell_silent_then_it_is_closed(
        self, own_instance, database, monkeypatch
    ):
        queue = make_queue(database, make_connection(database))
        run = add_run(own_instance, queue)
        own_instance.add_run_tags(run.run_id, {"sync/process": f"{run.run_id} elsewhere 1 2"})
        begin(database, queue, run_id=run.run_id)

        change(database, "stage_lease_until = now() + interval '5 s'")
        tick("recovery", own_instance, database)
        alive = status_of(own_instance, run)
        monkeypatch.setattr(queue_sensors, "signs_of_life", lambda *_: silent_for(queue, run))
        tick("recovery", own_instance, database)

        assert alive == dg.DagsterRunStatus.STARTED
        assert status_of(own_instance, run) == dg.DagsterRunStatus.FAILURE

    def test_given_a_process_of_this_host_that_is_gone_then_its_run_is_closed_at_once(
        self, own_instance, database
    ):
        queue = make_queue(database, make_connection(database))
        run = add_run(own_instance, queue)
        name, host, _, _ = process_tag(run.run_id).split()
        own_instance.add_run_tags(run.run_id, {"sync/process": f"{name} {host} 999999999 1"})

        tick("recovery", own_instance, database)

        assert status_of(own_instance, run) == dg.DagsterRunStatus.FAILURE
        assert rows(database, "SELECT message FROM sync_activity WHERE status = 'warning'") == [
            {"message": f"Run {run.run_id} failed: The process of this run is gone."}
        ]


def silent_for(queue, run):
    """Nobody has worked on the queue for a while since the run did."""
    return {str(queue.id): Life(run.run_id, 16.0)}
