"""Landing answers: ranges that are missing, records that PostgreSQL cannot hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_pipeline.queue.stops import QueueStoppedError
from sync_pipeline.sources.protocol import Page, PageRequest, UnreadableRecord
from sync_pipeline.stages.landing import (
    land,
    land_by_ids,
    landed_ranges,
    missing_requests,
)
from sync_pipeline_tests.factories import customer, make_connection, make_queue, row, rows

_requests = st.lists(st.builds(PageRequest, st.integers(0, 300), st.integers(1, 60)), max_size=12)


def positions(requests):
    return [n for one in requests for n in range(one.offset, one.offset + one.limit)]


@given(total=st.integers(0, 350), page_records=st.integers(1, 100), landed=_requests)
def test_any_missing_requests_cover_exactly_what_did_not_land(total, page_records, landed):
    missing = list(missing_requests(total, page_records, landed))

    asked = positions(missing)
    assert len(asked) == len(set(asked))
    assert {n for n in asked if n < total} == set(range(total)) - set(positions(landed))
    assert not set(asked) & set(positions(landed))
    assert all(1 <= one.limit <= page_records for one in missing)


@given(total=st.integers(1, 350), page_records=st.integers(1, 100))
def test_any_listing_of_which_nothing_landed_is_read_in_whole_pages(total, page_records):
    missing = list(missing_requests(total, page_records, []))

    assert [one.limit for one in missing] == [page_records] * len(missing)
    assert len(missing) == -(-total // page_records)


@given(total=st.integers(0, 350), page_records=st.integers(1, 100), landed=_requests)
def test_any_missing_requests_once_landed_leave_nothing_missing(total, page_records, landed):
    missing = list(missing_requests(total, page_records, landed))

    assert list(missing_requests(total, page_records, [*landed, *missing])) == []


@pytest.fixture
def queue(database, org_id):
    return make_queue(database, make_connection(database, org_id))


def page(*records, offset=0, total=10):
    return Page(PageRequest(offset, max(len(records), 1)), list(records), total, 0.1)


def landed_items(database):
    return [
        one["item"]
        for one in rows(
            database,
            "SELECT jsonb_array_elements(body) AS item FROM sync_page ORDER BY first_offset",
        )
    ]


class TestLand:
    def test_given_a_page_when_landed_twice_then_the_first_stays(self, database, queue):
        land(database, queue, "customers", page(customer(1)))
        land(database, queue, "customers", page(customer(1, first_name="Eve")))

        assert [one["first_name"] for one in landed_items(database)] == ["Ann"]

    @pytest.mark.parametrize("text", ["nul \x00 here", "half \ud83d pair", "\udc00"])
    def test_given_a_text_that_jsonb_cannot_hold_then_that_record_alone_becomes_the_reason(
        self, database, queue, text
    ):
        bad = customer(2, billing={"city": text})

        land(database, queue, "customers", page(customer(1), bad, customer(3)))

        first, reason, last = landed_items(database)
        assert (first["id"], last["id"]) == (1, 3)
        assert reason["id"] == 2
        assert reason["_invalid"]["code"] == "validation.unstorable"
        assert reason["_invalid"]["reason"].startswith("PostgreSQL cannot hold the record")

    def test_given_an_unreadable_record_then_its_place_is_kept_with_the_reason(
        self, database, queue
    ):
        land(database, queue, "customers", UnreadableRecord(7, "9", "store.broke", "it broke"))
        land(database, queue, "customers", UnreadableRecord(8, None, "store.broke", "it broke"))

        named, nameless = landed_items(database)
        assert named == {"id": "9", "_invalid": {"code": "store.broke", "reason": "it broke"}}
        assert "id" not in nameless
        assert [one.request for one in landed_ranges(database, queue, "customers")] == [
            PageRequest(7, 1),
            PageRequest(8, 1),
        ]

    def test_given_records_fetched_by_id_then_they_take_no_place_in_the_listing(
        self, database, queue
    ):
        land_by_ids(database, queue, "customers", [customer(5)])

        assert landed_ranges(database, queue, "customers") == []
        assert len(landed_items(database)) == 1

    def test_given_as_many_records_fetched_by_id_before_a_crash_then_the_later_ones_land_too(
        self, database, queue
    ):
        land_by_ids(database, queue, "customers", [customer(5)])
        land_by_ids(database, queue, "customers", [customer(6)])

        assert [one["id"] for one in landed_items(database)] == [6, 5]

    @pytest.mark.parametrize(
        ("how", "said"),
        [
            ("is_paused = true", "was paused"),
            ("cancelled_at = now()", "was cancelled"),
            ("forced_done_at = now()", "was forced done"),
        ],
    )
    def test_given_a_stopped_queue_when_a_page_lands_then_it_is_kept_and_the_read_stops(
        self, database, queue, how, said
    ):
        with database.owner() as conn:
            conn.execute(f"UPDATE sync_queue SET {how}")

        with pytest.raises(QueueStoppedError, match=said):
            land(database, queue, "customers", page(customer(1)))

        assert len(landed_items(database)) == 1

    def test_given_a_page_lands_then_the_queue_shows_that_somebody_works_on_it(
        self, database, queue
    ):
        latest = "SELECT last_process_date AS at FROM sync_queue_status"
        before = row(database, latest)["at"]

        land(database, queue, "customers", page(customer(1)))

        assert row(database, latest)["at"] > before
