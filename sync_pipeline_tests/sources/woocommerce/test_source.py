"""What is asked of a listing, and that the answer is held against it."""

from dataclasses import replace

import pytest

from sync_pipeline.sources.protocol import Listing, PageRequest
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.errors import MalformedResponseError
from sync_pipeline.sources.woocommerce.source import WooCommerceSource
from sync_pipeline_tests.sources.scripted_store import (
    KEY,
    SECRET,
    as_json,
    quick_settings,
    recorded,
)

CUSTOMERS = Listing("customers", "customers", ("id", "email", "billing.email"), {"role": "all"})
ONE_PAGE = PageRequest(0, 100)


def record(number, **changes):
    return {"id": number, "email": f"c{number}@example.test", "billing": {"email": ""}, **changes}


@pytest.fixture
def source(store):
    opened = WooCommerceSource(
        WooCommerceClient(store.url, KEY, SECRET, quick_settings(max_attempts=1))
    )
    yield opened
    opened.close()


class TestRead:
    @pytest.mark.parametrize(
        ("request_", "place"),
        [
            (PageRequest(0, 100), {"page": "1"}),
            (PageRequest(300, 100), {"page": "4"}),
            (PageRequest(150, 100), {"offset": "150"}),
            (PageRequest(7, 1), {"page": "8"}),
        ],
    )
    def test_given_a_range_when_read_then_it_is_asked_for_in_id_order(
        self, store, source, request_, place
    ):
        store.script = [as_json([])]

        source.read(CUSTOMERS, request_)

        asked = {k: v for k, v in store.seen[0].query.items() if not k.startswith("oauth_")}
        assert asked == {
            "role": "all",
            "orderby": "id",
            "order": "asc",
            "per_page": str(request_.limit),
            "_fields": "id,email,billing.email",
            **place,
        }

    @pytest.mark.parametrize(
        ("asked", "what"), [({"email": "c9@example.test"}, "email"), ({"include": "9"}, "include")]
    )
    def test_given_a_store_that_ignores_a_filter_when_read_then_it_is_malformed(
        self, store, source, asked, what
    ):
        store.script = [as_json([record(3), record(9)])]

        with pytest.raises(MalformedResponseError, match=f"ignored `{what}`"):
            source.read(replace(CUSTOMERS, params=asked), PageRequest(0, 100))

    def test_given_an_email_in_another_case_when_read_then_it_is_the_account(self, store, source):
        store.script = [as_json([record(3, email="Ann@Example.test")])]

        page = source.read(replace(CUSTOMERS, params={"email": "ann@example.TEST"}), ONE_PAGE)

        assert [one["id"] for one in page.records] == [3]

    def test_given_an_answer_when_read_then_records_total_and_range_come(self, store, source):
        store.script = [as_json([record(3), record(9)], X_WP_Total="1028")]

        page = source.read(CUSTOMERS, PageRequest(0, 100))

        assert page.records == [record(3), record(9)]
        assert (page.request, page.total, page.noise) == (PageRequest(0, 100), 1028, None)
        assert page.elapsed_seconds > 0

    def test_given_a_store_that_ignores_fields_when_read_then_only_the_asked_ones_are_kept(
        self, store, source
    ):
        store.script = [as_json([record(3, password="x", _links={})])]

        assert source.read(CUSTOMERS, PageRequest(0, 100)).records == [record(3)]

    def test_given_ids_only_when_read_then_only_the_id_is_asked_for(self, store, source):
        store.script = [as_json([{"id": 3}])]

        page = source.read(CUSTOMERS, PageRequest(0, 1), ids_only=True)

        assert store.seen[0].query["_fields"] == "id"
        assert store.seen[0].query["role"] == "all"
        assert page.records == [{"id": 3}]

    def test_given_the_recorded_page_past_the_end_when_read_then_it_is_empty(self, store, source):
        store.script = [recorded("pagination/past_end_orders_page_31")]

        page = source.read(CUSTOMERS, PageRequest(3000, 100))

        assert page.records == []

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ({"id": 1}, "not a list of records"),
            ([[], []], "not a list of records"),
            ([record(1), record(2), record(3)], "3 records came"),
            ([record(2), record(1)], "order of their ids"),
            ([record(1), record(1)], "order of their ids"),
            ([{"email": "x"}], "has no id"),
            ([record("1")], "has no id"),
            ([record(0)], "has no id"),
            ([record(True)], "has no id"),
            ([{"id": 1, "email": "x"}], "lacks billing"),
        ],
    )
    def test_given_an_answer_to_another_question_when_read_then_it_is_malformed(
        self, store, source, answer, words
    ):
        store.script = [as_json(answer)]

        with pytest.raises(MalformedResponseError, match=words):
            source.read(CUSTOMERS, PageRequest(0, 2))

    @pytest.mark.parametrize("total", ["", "many", "-1"])
    def test_given_no_usable_total_when_read_then_it_is_none(self, store, source, total):
        store.script = [as_json([record(1)], X_WP_Total=total)]

        assert source.read(CUSTOMERS, PageRequest(0, 100)).total is None


class TestReadByIds:
    def test_given_ids_when_read_then_100_go_in_a_call_and_missing_ones_are_left_out(
        self, store, source
    ):
        def answer(seen):
            wanted = [int(number) for number in seen.query["include"].split(",")]
            return as_json([record(number) for number in wanted if number != 150])

        store.script = answer

        records = source.read_by_ids(CUSTOMERS, [str(n) for n in range(250, 0, -1)] + ["5"])

        assert [r["id"] for r in records] == [n for n in range(1, 251) if n != 150]
        assert [len(s.query["include"].split(",")) for s in store.seen] == [100, 100, 50]
        assert {s.query["per_page"] for s in store.seen} == {"100"}
        assert {s.query["role"] for s in store.seen} == {"all"}

    def test_given_no_ids_when_read_then_nothing_is_asked(self, store, source):
        assert source.read_by_ids(CUSTOMERS, []) == []
        assert store.seen == []

    def test_given_a_store_that_ignores_include_when_read_then_it_is_malformed(self, store, source):
        store.script = [as_json([record(1), record(2)])]

        with pytest.raises(MalformedResponseError, match="include"):
            source.read_by_ids(CUSTOMERS, ["7", "8"])
