from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_pipeline.entities import ENTITIES
from sync_pipeline.queue.due import (
    EVERY_MINUTES,
    Connected,
    connections_at,
    connections_due,
    full_syncs_due,
    minute_of_night,
    night_began,
)
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.opening import open_queue
from sync_pipeline.settings import QueueSettings
from sync_pipeline.sources.connections import find_connection
from sync_pipeline_tests.factories import make_connection, make_queue

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NIGHT = datetime(2026, 3, 1, 1, tzinfo=UTC)


def minutes(count):
    return timedelta(minutes=count)


def connected(name="shop", **changes):
    """A store that was synced two hours ago."""
    values = {
        "connection": name,
        "org_id": "acme",
        "options": {},
        "connected_at": NOW - timedelta(days=9),
        "is_open": False,
        "last_started_at": NOW - minutes(120),
        "last_full_at": None,
        "circuit_open_until": None,
    }
    return Connected(**values | changes)


def due(rows, in_flight=(), limit=100, now=NOW):
    found = connections_due(rows, set(in_flight), now, default_minutes=60, limit=limit)
    return [one.connection for one in found]


LATE = NIGHT + minutes(200)


def nightly(rows, in_flight=(), now=LATE):
    found = full_syncs_due(
        rows, set(in_flight), now, night_began=NIGHT, default_minutes=60, limit=100
    )
    return [one.connection for one in found]


class TestDeltas:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"last_started_at": NOW - minutes(60)},
            {"last_started_at": None},
            {"last_started_at": NOW - minutes(5), "options": {EVERY_MINUTES: 5}},
            {"circuit_open_until": NOW},
        ],
    )
    def test_given_that_the_interval_has_passed_then_it_is_due(self, changes):
        assert due([connected(**changes)]) == ["shop"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"last_started_at": NOW - minutes(59)},
            {"options": {EVERY_MINUTES: 180}},
            {"options": {EVERY_MINUTES: 0}},
            {"options": {EVERY_MINUTES: 0}, "last_started_at": None},
            {"is_open": True},
            {"circuit_open_until": NOW + minutes(1)},
        ],
    )
    def test_given_a_reason_to_wait_then_it_is_not_due(self, changes):
        assert due([connected(**changes)]) == []

    def test_given_a_run_about_it_then_no_other_is_started(self):
        assert due([connected()], in_flight={"shop"}) == []

    @given(
        st.lists(st.integers(0, 500), min_size=1, max_size=120),
        st.integers(1, 20),
        st.sampled_from([1, 3]),
    )
    def test_any_number_due_at_once_is_started_in_rounds_and_none_starves(
        self, ages, limit, organizations
    ):
        rows = [
            connected(
                f"shop-{number}",
                org_id=f"org-{number % organizations}",
                last_started_at=NOW - minutes(age),
            )
            for number, age in enumerate(ages)
        ]
        wanted = set(due(rows, limit=len(rows)))
        started: set[str] = set()
        for _ in range(-(-len(wanted) // limit)):
            found = due(rows, started, limit)
            assert len(found) <= limit
            started |= set(found)

        assert (
            started
            == wanted
            == {row.connection for row, age in zip(rows, ages, strict=True) if age >= 60}
        )


class TestNightly:
    def test_given_the_night_then_each_connection_has_its_own_minute_of_the_first_three_hours(
        self,
    ):
        times = {minute_of_night(f"shop-{number}") for number in range(200)}

        assert len(times) > 100
        assert max(times) < timedelta(hours=3)
        assert minute_of_night("shop") == minute_of_night("shop")

    def test_given_its_minute_then_it_is_due_once_a_night(self):
        minute = NIGHT + minute_of_night("shop")

        assert nightly([connected()], now=minute - minutes(1)) == []
        assert nightly([connected()], now=minute) == ["shop"]
        assert nightly([connected(last_full_at=minute)], now=minute + minutes(5)) == []
        assert nightly([connected(last_full_at=NIGHT - minutes(600))]) == ["shop"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"options": {EVERY_MINUTES: 0}},
            {"is_open": True},
            {"circuit_open_until": NIGHT + minutes(300)},
        ],
    )
    def test_given_a_reason_to_wait_then_it_is_not_due(self, changes):
        assert nightly([connected(**changes)]) == []

    @pytest.mark.parametrize(
        ("now", "began"),
        [
            (NIGHT, NIGHT),
            (NIGHT + minutes(100), NIGHT),
            (NIGHT - minutes(1), NIGHT - timedelta(days=1)),
        ],
    )
    def test_a_night_begins_at_its_hour(self, now, began):
        assert night_began(now, 1) == began


def found_at(database):
    return {
        row.connection: row
        for row in connections_at(database, system="woocommerce", entity="customers")
    }


class TestRows:
    def test_given_a_new_connection_then_nothing_was_started(self, database):
        make_connection(database, options={EVERY_MINUTES: 5})

        row = found_at(database)["shop"]

        assert (row.is_open, row.last_started_at, row.last_full_at) == (False, None, None)
        assert row.every_minutes(60) == 5

    def test_given_syncs_then_whole_and_full_ones_count_and_filtered_ones_do_not(self, database):
        for name in ("open", "full", "part", "elsewhere"):
            make_connection(database, name=name)
        make_queue(database, find(database, "open"))
        open_queue(
            database, find(database, "full"), "customers", settings=QueueSettings(), is_full=True
        )
        make_queue(database, find(database, "part"), Filters(limit=1))
        with database.owner() as conn:
            conn.execute("UPDATE sync_connection SET system = 'odoo' WHERE name = 'elsewhere'")

        rows = found_at(database)

        assert set(rows) == {"open", "full", "part"}
        assert rows["open"].is_open
        assert rows["open"].last_started_at is not None
        assert rows["open"].last_full_at is None
        assert rows["full"].last_full_at is not None
        assert rows["part"].is_open
        assert rows["part"].last_started_at is None

    def test_given_a_connection_that_was_switched_off_then_it_is_not_asked_about(self, database):
        make_connection(database)
        with database.owner() as conn:
            conn.execute("UPDATE sync_connection SET is_active = false")

        assert found_at(database) == {}


def find(database, name):
    return find_connection(database, name)


@pytest.mark.parametrize(
    ("options", "scheduled"),
    [
        ({}, ["customers"]),
        ({"entities": ["orders", "payments"]}, ["orders", "payments"]),
        ({"entities": []}, []),
    ],
)
def test_given_entities_that_a_connection_names_then_schedules_sync_these_and_no_others(
    options, scheduled
):
    row = connected("shop", options=options)

    found = [one.name for one in ENTITIES if row.is_scheduled(one.name, default=one.is_scheduled)]

    assert found == scheduled
