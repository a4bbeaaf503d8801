"""Tables by ranges of queue numbers: made from tables with rows, guarded one by one, made ahead."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from sync_pipeline.postgres.migrations import migrate, migration_files
from sync_pipeline.postgres.ranges import QUEUES_PER_RANGE, table_of
from sync_pipeline.postgres.verification import verify
from sync_pipeline_tests.factories import (
    customer,
    fill_queue,
    make_connection,
    make_queue,
    wait_until_somebody_waits,
)

FILES = migration_files()
BEFORE_PARTITIONS = [file for file in FILES if file.stem < "0003"]
RANGED = ("sync_line", "sync_activity", "sync_page")

LIVED_IN = """
    INSERT INTO sync_connection (org_id, name, system, base_url, key_env, secret_env)
    VALUES ('acme', 'shop', 'woocommerce', 'http://127.0.0.1', 'K', 'S');
    INSERT INTO sync_queue (queue_no, org_id, connection_id, entity, queue_name, source_system,
        batch_size, batch_delay_ms, max_retries, initial_backoff_ms, lifetime_value_rule, stage,
        finished_at)
    OVERRIDING SYSTEM VALUE
    SELECT n, 'acme', 1, 'customers', 'q', 'woocommerce', 1, 0, 0, 0, 'all_orders', 'finished',
        now() FROM unnest(%(queue_nos)s::bigint[]) AS n;
    SELECT setval('sync_queue_queue_no_seq', (SELECT max(queue_no) FROM sync_queue));
    INSERT INTO sync_batch (queue_no, batch_no, org_id, first_line, last_line, state, n_total)
    SELECT queue_no, 1, 'acme', 1, 1, 'done', 1 FROM sync_queue;
    INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)
    SELECT queue_no, 1, 'acme', 'r' || queue_no, gen_random_uuid(), '{"id": 1}' FROM sync_queue;
    INSERT INTO sync_page (queue_no, listing, first_offset, record_limit, org_id, n_records, body,
        elapsed_ms)
    SELECT queue_no, 'customers', 0, 1, 'acme', 1, '[{"id": 1}]', 1 FROM sync_queue;
    INSERT INTO sync_activity (queue_no, org_id, activity_type, status)
    SELECT queue_no, 'acme', 'queue_opened', 'info' FROM sync_queue;
    INSERT INTO sync_activity (queue_no, org_id, activity_type, status)
    VALUES (NULL, 'acme', 'of_no_queue', 'info');
    CREATE VIEW company_lines WITH (security_invoker = true) AS
        SELECT org_id, external_id FROM sync_line;
    CREATE VIEW company_report AS SELECT count(*) AS n FROM company_lines;
"""


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


class TestMigration:
    @pytest.mark.parametrize(
        ("queue_nos", "tables"),
        [([1, 2, 3], {0, 1}), ([5, QUEUES_PER_RANGE - 1, 2 * QUEUES_PER_RANGE], {0, 1, 2, 3})],
    )
    def test_given_a_database_with_rows_then_all_are_kept_each_in_its_range(
        self, empty_database_url, tmp_path, queue_nos, tables
    ):
        live_in(empty_database_url, tmp_path, queue_nos)
        before = contents(empty_database_url)

        migrate(empty_database_url)

        assert verify(empty_database_url) == []
        after = contents(empty_database_url)
        assert after == before | {"sync_activity": [(0, "of_no_queue"), *before["sync_activity"]]}
        assert ranges_of(empty_database_url) == dict.fromkeys(RANGED, tables)
        places = run(empty_database_url, "SELECT queue_no, tableoid::regclass::text FROM sync_line")
        assert dict(places) == {n: f"sync_line_r{n // QUEUES_PER_RANGE}" for n in queue_nos}

    def test_given_views_that_read_the_tables_then_they_read_every_range(
        self, empty_database_url, tmp_path
    ):
        live_in(empty_database_url, tmp_path, [1, 2])
        migrate(empty_database_url)
        run(
            empty_database_url,
            "INSERT INTO sync_line (queue_no, line_no, org_id, external_id, content_hash, payload)"
            " VALUES (10000, 1, 'acme', 'new', gen_random_uuid(), '{}')",
        )

        assert run(empty_database_url, "SELECT n FROM company_report") == [(3,)]
        assert run(
            empty_database_url, "SELECT reloptions FROM pg_class WHERE relname = 'company_lines'"
        ) == [(["security_invoker=true"],)]

    def test_given_activity_was_numbered_then_numbers_go_on(self, empty_database_url, tmp_path):
        live_in(empty_database_url, tmp_path, [1])
        migrate(empty_database_url)

        ((number,),) = run(
            empty_database_url,
            "INSERT INTO sync_activity_r0 (queue_no, org_id, activity_type, status)"
            " VALUES (1, 'acme', 'later', 'info') RETURNING activity_no",
        )

        ((older,),) = run(
            empty_database_url,
            "SELECT max(activity_no) FROM sync_activity WHERE activity_type <> 'later'",
        )
        assert number > older

    def test_given_it_is_applied_twice_then_nothing_changes(self, empty_database_url, tmp_path):
        live_in(empty_database_url, tmp_path, [1, QUEUES_PER_RANGE])
        migrate(empty_database_url)
        before = contents(empty_database_url), ranges_of(empty_database_url)

        run(empty_database_url, "DELETE FROM sync_migration")
        migrate(empty_database_url)

        assert (contents(empty_database_url), ranges_of(empty_database_url)) == before
        assert verify(empty_database_url) == []


class TestGuards:
    @pytest.mark.parametrize("range_no", [0, 1])
    @pytest.mark.parametrize("table", RANGED)
    def test_given_a_partition_then_it_shows_the_worker_its_organization_and_no_other(
        self, database, table, range_no
    ):
        values = {
            "sync_line": "1, 'r', gen_random_uuid(), '{}'",
            "sync_activity": "'x', 'info'",
            "sync_page": "'customers', 0, 1, 1, '[]', 1",
        }[table]
        columns = {
            "sync_line": "line_no, external_id, content_hash, payload",
            "sync_activity": "activity_type, status",
            "sync_page": "listing, first_offset, record_limit, n_records, body, elapsed_ms",
        }[table]
        part = f"{table}_r{range_no}"
        first = max(range_no * QUEUES_PER_RANGE, 1)
        insert = f"INSERT INTO {part} (queue_no, org_id, {columns}) VALUES (%s, %s, {values})"
        with database.owner() as conn:
            conn.execute(insert, [first + 1, "globex"])

        with database.organization("acme") as conn:
            conn.execute(insert, [first, "acme"])
            seen = conn.execute(f"SELECT org_id FROM {part}").fetchall()
        with (
            pytest.raises(psycopg.errors.InsufficientPrivilege),
            database.organization("acme") as conn,
        ):
            conn.execute(insert, [first + 2, "globex"])

        assert [one["org_id"] for one in seen] == ["acme"]
        with database.organization("") as conn:
            assert conn.execute(f"SELECT org_id FROM {part}").fetchall() == []

    @pytest.mark.parametrize("range_no", [0, 1])
    @pytest.mark.parametrize("change", ["UPDATE {} SET message = 'x'", "DELETE FROM {}"])
    def test_given_a_partition_of_the_activity_then_it_is_append_only(
        self, database, change, range_no
    ):
        with (
            pytest.raises(psycopg.errors.RestrictViolation, match="append-only"),
            database.owner() as conn,
        ):
            conn.execute(change.format(f"sync_activity_r{range_no}"))

    def test_given_a_partition_then_it_has_what_the_table_has(self, database):
        with database.owner() as conn:
            found = conn.execute(
                "SELECT c.relname, c.relrowsecurity,"
                " (SELECT count(*) FROM pg_index WHERE indrelid = c.oid) AS n_indexes,"
                " (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c')"
                "   AS n_checks,"
                " (SELECT array_agg(attname || attstorage::text || attcompression::text"
                "   ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)"
                "   AS columns,"
                " (SELECT array_agg(g.privilege_type ORDER BY 1) FROM aclexplode(c.relacl) AS g"
                "   WHERE g.grantee = 'sync_worker'::regrole) AS rights"
                " FROM pg_class AS c WHERE c.relname = ANY (%s)",
                [[name + suffix for name in RANGED for suffix in ("", "_r0", "_r1")]],
            ).fetchall()
        having = {one.pop("relname"): one for one in found}

        for name in RANGED:
            assert having[f"{name}_r0"] == having[f"{name}_r1"] == having[name]

    def test_given_nobody_in_particular_then_ranges_are_made_by_the_worker_alone(self, database):
        with database.control() as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT sync_make_range(7)")


class TestMaking:
    def test_given_a_queue_is_opened_then_its_range_and_the_next_are_there(self, database, shop):
        with database.owner() as conn:
            conn.execute("SELECT setval('sync_queue_queue_no_seq', 70000, false)")

        queue = fill_queue(database, shop, [customer(1)])

        with database.organization("acme") as conn:
            place = conn.execute(
                "SELECT tableoid::regclass::text AS name FROM sync_line"
            ).fetchone()
        assert place["name"] == table_of(
            "sync_line", queue.queue_no // QUEUES_PER_RANGE
        ).as_string().strip('"')
        assert {7, 8} <= ranges_of(database.url)["sync_page"]

    def test_given_readers_and_writers_of_every_range_then_a_new_one_waits_for_none(
        self, database, shop
    ):
        queue = make_queue(database, shop)
        with database.organization("acme") as reader, database.organization("acme") as writer:
            reader.execute("SELECT count(*) FROM sync_activity")
            writer.execute(
                "INSERT INTO sync_activity (queue_no, org_id, activity_type, status)"
                " VALUES (%s, 'acme', 'x', 'info')",
                [queue.queue_no],
            )
            with database.organization("acme") as maker:
                maker.execute("SET LOCAL lock_timeout = '100ms'")
                maker.execute("SELECT sync_make_range(90)")
                # Nor does anybody wait for it before it commits.
                writer.execute("SET LOCAL lock_timeout = '100ms'")
                writer.execute("SELECT count(*) FROM sync_activity")

        assert 90 in ranges_of(database.url)["sync_line"]

    def test_given_makers_at_once_then_one_makes_it_and_the_others_find_it(self, database):
        def make(_):
            with database.organization("acme") as conn:
                conn.execute("SELECT sync_make_range(91)")

        with ThreadPoolExecutor(4) as threads:
            list(threads.map(make, range(4)))

        assert 91 in ranges_of(database.url)["sync_line"]

    def test_given_a_maker_that_waited_for_another_then_it_finds_what_was_made_meanwhile(
        self, database
    ):
        def make():
            with database.organization("acme") as conn:
                conn.execute("SELECT sync_make_range(92)")

        with ThreadPoolExecutor(1) as threads:
            with database.owner() as first:
                first.execute("SELECT sync_make_range(92)")
                waiting = threads.submit(make)
                wait_until_somebody_waits(database)
            waiting.result(timeout=60)

        assert 92 in ranges_of(database.url)["sync_line"]


def live_in(url, tmp_path, queue_nos):
    """A database as it was before, with rows in every table."""
    for file in BEFORE_PARTITIONS:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    migrate(url, tmp_path)
    with psycopg.connect(url, autocommit=True) as conn:
        for text in LIVED_IN.split(";\n"):
            conn.execute(text, {"queue_nos": queue_nos} if "%(" in text else None)


def contents(url):
    return {
        "sync_line": run(url, "SELECT queue_no, external_id FROM sync_line ORDER BY 1"),
        "sync_page": run(url, "SELECT queue_no, body FROM sync_page ORDER BY 1"),
        "sync_activity": run(
            url,
            "SELECT queue_no, activity_type FROM sync_activity"
            " WHERE queue_no IS NOT NULL ORDER BY 1",
        ),
        "queues": run(url, "SELECT queue_no, id FROM sync_queue ORDER BY 1"),
    }


def ranges_of(url):
    found = run(
        url,
        "SELECT inhparent::regclass::text, substring(inhrelid::regclass::text from '_r(.+)$')::int"
        " FROM pg_inherits JOIN pg_class AS c ON c.oid = inhrelid"
        " WHERE c.relkind = 'r' AND c.relname ~ '_r[0-9]+$'",
    )
    return {name: {number for of, number in found if of == name} for name in RANGED}


def run(url, text):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else None
