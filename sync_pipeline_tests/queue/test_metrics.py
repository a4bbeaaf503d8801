"""Metrics: every number right while a sync runs, and none falls when its rows go."""

import time
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql

from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.actions import cancel, force_done, pause, resume, retry
from sync_pipeline.queue.completion import complete
from sync_pipeline.queue.leases import claim
from sync_pipeline.queue.metrics import SyncCollector
from sync_pipeline.queue.queues import finish
from sync_pipeline.queue.situations import situations
from sync_pipeline.sources.call_stats import CallStats
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.conftest import settings_for
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    fill_queue,
    make_connection,
    queue_settings,
)

SHOP = {"connection": "shop", "organization": "acme"}
PAIR = SHOP | {"entity": "customers"}


class Exposition:
    """What a scrape reads, by name and labels."""

    def __init__(self, text):
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def __call__(self, name, **labels):
        return self.samples[name, frozenset(labels.items())]

    def totals(self):
        return {key: value for key, value in self.samples.items() if key[0].endswith("_total")}


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def scrape(database):
    """Each call is a scrape of a process that has just started."""

    def scrape(of=None):
        registry = CollectorRegistry()
        registry.register(of or SyncCollector(lambda: database))
        return Exposition(generate_latest(registry).decode())

    return scrape


def complete_next(database, queue, worker="a"):
    with database.organization("acme") as conn:
        lease = claim(conn, queue.queue_no, worker=worker, lease_seconds=60)
    with database.organization("acme") as conn:
        return complete(conn, lease, queue, CUSTOMERS, backoff_seconds=0)


class TestLines:
    def test_given_a_sync_that_runs_when_batches_are_done_then_the_counter_is_there_at_once(
        self, database, shop, scrape
    ):
        queue = fill_queue(database, shop, [customer(n) for n in range(1, 7)], batch_size=2)

        seen = []
        for _ in range(3):
            complete_next(database, queue)
            seen.append(scrape()("sync_lines_total", **PAIR, state="created"))
        before_the_end = scrape()
        finish(database, queue)

        assert seen == [2, 4, 6]
        assert scrape()("sync_lines_total", **PAIR, state="created") == 6
        assert before_the_end("sync_queues_finished_total", **PAIR, state="done") == 0
        assert scrape()("sync_queues_finished_total", **PAIR, state="done") == 1

    def test_given_an_open_queue_then_its_depth_is_told_by_state(self, database, shop, scrape):
        records = [customer(1, email="bad"), *(customer(n) for n in range(2, 8))]
        queue = fill_queue(database, shop, records, batch_size=2)
        complete_next(database, queue)
        with database.organization("acme") as conn:
            claim(conn, queue.queue_no, worker="b", lease_seconds=60)

        found = scrape()

        depth = {
            state: found("sync_queue_lines", **PAIR, state=state)
            for state in ("draft", "processing", "failed")
        }
        assert depth == {"draft": 3, "processing": 2, "failed": 1}
        assert found("sync_open_queues", **PAIR, state="processing") == 1

    def test_given_failed_lines_then_they_count_when_the_queue_ends(self, database, shop, scrape):
        apply_records(database, shop, [customer(1, email="bad"), customer(2)])

        found = scrape()

        assert found("sync_lines_total", **PAIR, state="failed") == 1
        assert found("sync_queues_finished_total", **PAIR, state="partial") == 1
        assert found("sync_queues_action_required", **PAIR) == 1
        assert found("sync_open_conflicts", **PAIR, type="ValidationError") == 1
        assert found("sync_open_queues", **PAIR, state="processing") == 0

    def test_given_a_sync_that_failed_whole_then_the_alarm_is_on_until_one_goes_well(
        self, database, shop, scrape
    ):
        apply_records(database, shop, [customer(1, email="bad")])
        failed = scrape()
        apply_records(database, shop, [customer(1)])

        assert failed("sync_all_failed", **PAIR) == 1
        assert scrape()("sync_all_failed", **PAIR) == 0

    def test_given_several_syncs_then_they_add_up(self, database, shop, scrape):
        apply_records(database, shop, [customer(1), customer(2)])
        apply_records(database, shop, [customer(1, first_name="Eve"), customer(3)])

        found = scrape()

        assert found("sync_lines_total", **PAIR, state="created") == 3
        assert found("sync_lines_total", **PAIR, state="updated") == 1
        assert found("sync_queues_finished_total", **PAIR, state="done") == 2

    def test_given_a_queue_opened_again_when_its_line_fails_again_then_only_that_is_added(
        self, database, shop, scrape
    ):
        queue, _ = apply_records(database, shop, [customer(1, email="bad"), customer(2)])
        with database.organization("acme") as conn:
            conn.execute(
                "UPDATE sync_line SET state = 'draft' WHERE queue_no = %s AND state = 'failed'",
                [queue.queue_no],
            )
            conn.execute(
                "UPDATE sync_batch SET state = 'ready', n_failed = 0, pass = pass + 1,"
                " finished_at = NULL WHERE queue_no = %s",
                [queue.queue_no],
            )
            conn.execute(
                "UPDATE sync_queue SET stage = 'apply', finished_at = NULL WHERE queue_no = %s",
                [queue.queue_no],
            )
        reopened = scrape()
        complete_next(database, queue)
        finish(database, queue)

        assert reopened("sync_lines_total", **PAIR, state="failed") == 1
        assert reopened("sync_lines_total", **PAIR, state="created") == 1
        assert scrape()("sync_lines_total", **PAIR, state="failed") == 2
        assert scrape()("sync_lines_total", **PAIR, state="created") == 1
        assert scrape()("sync_retries_total", **PAIR) == 1

    def test_given_a_queue_that_is_cancelled_before_its_batches_then_its_lines_are_counted(
        self, database, shop, scrape
    ):
        queue = fill_queue(database, shop, [customer(1), customer(2)])
        with database.organization("acme") as conn:
            conn.execute(
                "UPDATE sync_queue SET stage = 'finished', finished_at = now(),"
                " cancelled_at = now() WHERE queue_no = %s",
                [queue.queue_no],
            )
            conn.execute(
                "UPDATE sync_batch SET state = 'cancelled', n_cancelled = n_total"
                " WHERE queue_no = %s",
                [queue.queue_no],
            )

        found = scrape()

        assert found("sync_lines_total", **PAIR, state="cancelled") == 2
        assert found("sync_queues_finished_total", **PAIR, state="cancelled") == 1


class TestMonotonic:
    def test_given_history_that_is_purged_then_no_counter_falls(self, database, shop, scrape):
        apply_records(database, shop, [customer(1, email="bad"), customer(2)])
        before = scrape().totals()
        with database.owner() as conn:
            conn.execute("TRUNCATE sync_line, sync_batch, sync_conflict")
            conn.execute("DELETE FROM sync_queue")

        assert scrape().totals() == before
        assert sum(before.values()) == 3

    def test_given_every_action_of_an_operator_then_no_counter_falls_at_any_moment(
        self, database, shop, scrape
    ):
        records = [customer(n) for n in range(2, 8)]
        moments = [scrape().totals()]

        def act(action, queue):
            action(database, str(queue.id), by="ann", reason=None)
            moments.append(scrape().totals())

        queue, _ = apply_records(database, shop, [customer(1, email="bad"), *records], batch_size=2)
        moments.append(scrape().totals())
        act(retry, queue)
        act(pause, queue)
        act(resume, queue)
        upsert(database, queue, CUSTOMERS, queue_settings())
        moments.append(scrape().totals())
        act(retry, queue)
        act(force_done, queue)
        changed = [one | {"first_name": "Eve"} for one in records]
        queue = fill_queue(database, shop, changed, batch_size=2)
        complete_next(database, queue)
        moments.append(scrape().totals())
        act(cancel, queue)

        for before, after in pairwise(moments):
            assert [key for key, value in before.items() if after[key] < value] == []
        total = scrape()
        ends = {
            state: total("sync_lines_total", **PAIR, state=state)
            for state in ("created", "updated", "failed", "cancelled")
        }
        assert ends == {"created": 6, "updated": 2, "failed": 2, "cancelled": 5}
        assert total("sync_queues_finished_total", **PAIR, state="partial") == 2
        assert total("sync_queues_finished_total", **PAIR, state="done") == 1
        assert total("sync_queues_finished_total", **PAIR, state="cancelled") == 1

    @pytest.mark.parametrize("good", [0, 1])
    def test_given_a_sync_that_ended_when_forced_done_then_it_is_done_and_ended_once(
        self, database, shop, scrape, good
    ):
        records = [customer(1, email="bad"), *(customer(n) for n in range(2, 2 + good))]
        queue, _ = apply_records(database, shop, records)
        before = scrape()

        for _ in range(2):
            force_done(database, str(queue.id), by="ann", reason=None)
        after = scrape()

        fallen = [key for key, value in before.totals().items() if after.totals()[key] < value]
        assert fallen == []
        ended = [
            after("sync_queues_finished_total", **PAIR, state=state)
            for state in ("done", "partial", "failed")
        ]
        assert sum(ended) == 1
        lines = [
            after("sync_lines_total", **PAIR, state=state)
            for state in ("created", "failed", "cancelled")
        ]
        assert lines == [good, 1, 1]
        assert after("sync_all_failed", **PAIR) == 0
        with database.control() as conn:
            (found,) = situations(conn)
        assert (found.ended_state, found.is_failing_whole) == ("done", False)

    def test_given_queues_forced_done_before_that_was_counted_then_migrating_mends_them(
        self, database, shop, scrape
    ):
        apply_records(database, shop, [customer(1, email="bad")])
        with database.owner() as conn:
            conn.execute("ALTER TABLE sync_queue DISABLE TRIGGER sync_queue_ended")
            conn.execute("UPDATE sync_queue SET forced_done_at = now()")
            conn.execute("UPDATE sync_batch SET n_failed = 0, n_cancelled = 1")
            conn.execute("ALTER TABLE sync_queue ENABLE TRIGGER sync_queue_ended")
        wrong = scrape()
        with database.owner() as conn:
            for _ in range(2):
                conn.execute(statement("migrations/0009_forced_done"))

        assert wrong("sync_all_failed", **PAIR) == 1
        assert scrape()("sync_all_failed", **PAIR) == 0
        assert scrape()("sync_lines_total", **PAIR, state="cancelled") == 1

    def test_given_a_server_that_lost_its_last_commits_then_this_exporter_holds_the_counter(
        self, database, shop, scrape
    ):
        queue = fill_queue(database, shop, [customer(1), customer(2)])
        complete_next(database, queue)
        collector = SyncCollector(lambda: database)
        before = scrape(collector).totals()
        with database.owner() as conn:
            conn.execute("UPDATE sync_batch SET n_done = 0, n_created = 0")

        assert scrape(collector).totals() == before

    def test_given_queues_from_before_there_were_counters_then_migrating_counts_them_once(
        self, database, shop, scrape
    ):
        apply_records(database, shop, [customer(1), customer(2)])
        before = scrape().totals()
        with database.owner() as conn:
            conn.execute("TRUNCATE sync_counter")
            conn.execute("UPDATE sync_queue SET tally = NULL")
            for _ in range(2):
                conn.execute(statement("migrations/0005_metrics"))
                conn.execute(statement("migrations/0009_forced_done"))

        assert scrape().totals() == before


class TestWaits:
    def test_given_a_lease_that_was_taken_over_then_it_is_counted(self, database, shop, scrape):
        queue = fill_queue(database, shop, [customer(1)])
        for worker in ("a", "b"):
            with database.organization("acme") as conn:
                claim(conn, queue.queue_no, worker=worker, lease_seconds=0)

        assert scrape()("sync_lease_takeovers_total", **PAIR) == 1

        complete_next(database, queue)
        finish(database, queue)

        assert scrape()("sync_lease_takeovers_total", **PAIR) == 2

    def test_given_a_retry_that_is_due_then_the_seconds_since_are_told(
        self, database, shop, scrape
    ):
        queue = fill_queue(database, shop, [customer(1)])
        with database.organization("acme") as conn:
            conn.execute(
                "UPDATE sync_batch SET pass = 2, available_at = now() - interval '40 s'"
                " WHERE queue_no = %s",
                [queue.queue_no],
            )

        assert 40 <= scrape()("sync_oldest_due_retry_seconds", **PAIR) < 60

    def test_given_a_connection_never_synced_then_it_ages_from_its_registration(
        self, database, shop, scrape
    ):
        with database.owner() as conn:
            conn.execute("UPDATE sync_connection SET created_at = now() - interval '2 h'")

        assert scrape()("sync_age_seconds", **SHOP, entity="") >= 7200

    def test_given_a_whole_sync_then_the_age_is_since_its_end_and_a_failed_one_changes_nothing(
        self, database, shop, scrape
    ):
        apply_records(database, shop, [customer(1)])
        with database.owner() as conn:
            conn.execute("UPDATE sync_counter SET value = value - 3600 WHERE name = 'complete_at'")
        apply_records(database, shop, [customer(2, email="bad")])

        assert 3600 <= scrape()("sync_age_seconds", **PAIR) < 3660


class TestStores:
    def test_given_calls_of_two_processes_then_they_add_up_in_a_histogram(
        self, database, shop, scrape
    ):
        for _ in range(2):
            with CallStats(database, shop) as calls:
                calls.observed(0.2, None, waited_seconds=1.5)
                calls.observed(3.0, "woocommerce.store_timeout")

        found = scrape()

        assert found("sync_store_calls_total", **SHOP, code="ok") == 2
        assert found("sync_store_calls_total", **SHOP, code="woocommerce.store_timeout") == 2
        assert found("sync_store_token_wait_seconds_total", **SHOP) == 3
        assert found("sync_store_call_seconds_bucket", **SHOP, le="0.25") == 2
        assert found("sync_store_call_seconds_bucket", **SHOP, le="5") == 4
        assert found("sync_store_call_seconds_bucket", **SHOP, le="+Inf") == 4
        assert found("sync_store_call_seconds_count", **SHOP) == 4
        assert found("sync_store_call_seconds_sum", **SHOP) == pytest.approx(6.4)

    def test_given_an_open_circuit_then_its_state_is_told(self, database, shop, scrape):
        before = scrape()
        with database.owner() as conn:
            conn.execute(
                "INSERT INTO sync_circuit (connection_id, org_id, state, opened_at, open_until)"
                " VALUES (%s, 'acme', 'open', now(), now() + interval '1 min')",
                [shop.connection_id],
            )

        assert before("sync_store_circuit", **SHOP, state="closed") == 1
        assert scrape()("sync_store_circuit", **SHOP, state="open") == 1
        assert scrape()("sync_store_circuit", **SHOP, state="closed") == 0


class TestScrape:
    def test_given_no_database_then_that_is_what_is_told_and_it_comes_back_by_itself(
        self, database, shop, scrape
    ):
        places = iter(
            [
                Database(
                    "postgresql://127.0.0.1:9/none",
                    settings_for("").model_copy(update={"connect_timeout_seconds": 1}),
                ),
                database,
            ]
        )
        collector = SyncCollector(lambda: next(places))

        gone, back = scrape(SyncCollector(lambda: next(places))), scrape(collector)

        assert gone("sync_database_up") == 0
        assert not gone.totals()
        assert back("sync_database_up") == 1

    def test_given_labels_then_none_grows_with_the_data(self, database, shop, scrape):
        apply_records(database, shop, [customer(n) for n in range(1, 20)], batch_size=2)
        with CallStats(database, shop) as calls:
            calls.observed(0.1, None)

        names = {name for _, labels in scrape().samples for name, _ in labels}

        assert names == {"connection", "organization", "entity", "state", "code", "le"}

    def test_given_a_hundred_connections_and_a_long_history_then_reading_takes_little(
        self, database, org_id
    ):
        fill_history(database, connections=100, queues_each=20, batches_each=20)

        took_seconds = []
        with database.control() as conn:
            for _ in range(5):
                began = time.perf_counter()
                found = situations(conn)
                conn.execute(statement("metrics/calls")).fetchall()
                took_seconds.append(time.perf_counter() - began)

        assert len(found) == 100
        assert min(took_seconds) < 0.02 * SLACK, took_seconds

    def test_given_a_long_history_then_only_open_queues_have_their_batches_read(
        self, database, org_id
    ):
        fill_history(database, connections=20, queues_each=50, batches_each=20)

        with database.control() as conn:
            found = conn.execute(
                sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + sql.SQL(statement("health/situations"))
            ).fetchone()
        plan = list(nodes(found["QUERY PLAN"][0]["Plan"]))

        read = {
            name: sum(
                (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                for node in plan
                if node.get("Relation Name") == name
            )
            for name in ("sync_batch", "sync_queue")
        }
        assert read["sync_batch"] <= 20 * 20 + 20
        assert read["sync_queue"] <= 20 + 4 * 20
        assert "sync_queue_latest_idx" in {node.get("Index Name") for node in plan}


# Two cores shared by several test workers.
SLACK = 20


def nodes(node):
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def fill_history(database, *, connections, queues_each, batches_each):
    """Connections whose newest queue is open and whose older ones are done, and their calls."""
    with database.owner() as conn:
        conn.execute(
            "INSERT INTO sync_connection (org_id, name, system, base_url, key_env, secret_env)"
            " SELECT 'acme', 'shop-' || n, 'woocommerce', 'http://127.0.0.1:9', 'K', 'S'"
            " FROM generate_series(1, %s) AS n",
            [connections],
        )
        conn.execute(
            "INSERT INTO sync_queue (org_id, connection_id, entity, queue_name, source_system,"
            "  batch_size, batch_delay_ms, max_retries, initial_backoff_ms, lifetime_value_rule,"
            "  stage, finished_at, process_count, created_at, tally)"
            " SELECT 'acme', connection_id, 'customers', name, system, 500, 0, 3, 1, 'all_orders',"
            "  CASE n WHEN %(n)s THEN 'apply' ELSE 'finished' END,"
            "  CASE WHEN n < %(n)s THEN now() END, 1, now() - make_interval(hours => %(n)s - n),"
            '  CASE WHEN n < %(n)s THEN \'{"state": "done"}\'::jsonb END'
            " FROM sync_connection, generate_series(1, %(n)s) AS n",
            {"n": queues_each},
        )
        conn.execute(
            "INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, n_total,"
            "  n_done, n_created, state)"
            " SELECT queue_no, n, 'acme', n, n, 500, 500, 500, 'done'"
            " FROM sync_queue, generate_series(1, %s) AS n",
            [batches_each],
        )
        conn.execute(
            "INSERT INTO sync_counter (connection_id, entity, name, org_id, value)"
            " SELECT connection_id, 'customers', counter.name, 'acme', 7 FROM sync_connection,"
            "  unnest(ARRAY['lines_created', 'lines_failed', 'queues_done', 'takeovers',"
            "   'lines_updated', 'lines_unchanged', 'lines_cancelled', 'retries', 'complete_at'])"
            "  AS counter (name)"
        )
        conn.execute(
            "INSERT INTO sync_call_stat (connection_id, code, org_id, calls, seconds,"
            "  waited_seconds, buckets)"
            " SELECT connection_id, code, 'acme', 9, 1.5, 0, array_fill(1, ARRAY[11])"
            " FROM sync_connection, unnest(ARRAY['ok', 'a', 'b', 'c']) AS code"
        )
        conn.execute("ANALYZE sync_queue, sync_batch, sync_connection, sync_counter")
