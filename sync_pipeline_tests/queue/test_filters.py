"""Filters and backoff: values and decisions, without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_pipeline.entities import entity_of
from sync_pipeline.errors import InputError
from sync_pipeline.queue.backoff import backoff_seconds
from sync_pipeline.queue.filters import Filters


@pytest.mark.parametrize(
    "bad",
    [{"limit": 0}, {"limit": -1}, {"email": "nobody"}, {"external_id": "a1"}, {"external_id": ""}],
)
def test_given_a_filter_that_selects_nothing_then_an_input_error(bad):
    with pytest.raises(InputError):
        Filters(**bad)


@pytest.mark.parametrize(
    ("entity", "chosen"),
    [
        ("customers", {"email": "a@b.de"}),
        ("orders", {"limit": 5}),
        ("products", {"external_id": "12"}),
        ("payments", {"external_id": "refund:7"}),
    ],
)
def test_given_a_filter_that_fits_an_entity_then_it_is_taken(entity, chosen):
    Filters(**chosen).require_fit(entity_of("woocommerce", entity))


@pytest.mark.parametrize(
    ("entity", "chosen", "said"),
    [
        ("orders", {"email": "a@b.de"}, "orders cannot be chosen by email."),
        ("payments", {"external_id": "12"}, "'12' is no id of payments."),
        ("orders", {"external_id": "order:12"}, "'order:12' is no id of orders."),
    ],
)
def test_given_a_filter_that_chooses_nothing_of_an_entity_then_it_is_refused(entity, chosen, said):
    with pytest.raises(InputError) as refused:
        Filters(**chosen).require_fit(entity_of("woocommerce", entity))

    assert refused.value.message == said
    assert refused.value.remedy


@given(
    limit=st.none() | st.integers(1, 10_000),
    email=st.none() | st.just("a@b.de"),
    external_id=st.none() | st.integers(1, 10**9).map(str),
)
def test_any_filters_come_back_from_the_queue_row_as_they_were(limit, email, external_id):
    filters = Filters(limit, email, external_id)

    assert Filters.from_dict(filters.as_dict()) == filters
    assert filters.is_everything == (filters.as_options() == "")


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 16), (1000, 16)]
)
def test_given_no_jitter_then_waits_double_up_to_the_cap(attempt, seconds):
    assert backoff_seconds(attempt, 1000, 16_000, 0) == seconds


@given(attempt=st.integers(0, 50), chance=st.floats(0, 1, exclude_max=True))
def test_any_jitter_takes_at_most_a_quarter_off(attempt, chance):
    whole = backoff_seconds(attempt, 1000, 16_000, 0)

    assert 0.75 * whole <= backoff_seconds(attempt, 1000, 16_000, chance) <= whole


_ID = "0198c1f2-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("kind", "is_change", "is_beside", "asks_store", "command"),
    [
        ({}, False, False, True, "sync-pipeline sync shop --entity orders"),
        ({"reverts": _ID}, True, True, False, f"sync-pipeline revert {_ID}"),
        (
            {"resolves": True}, True, True, False,
            "sync-pipeline conflicts resolve --all --connection shop --entity orders",
        ),
        (
            {"preview": True, "limit": 5}, False, True, True,
            "sync-pipeline preview shop --entity orders --limit 5",
        ),
        (
            {"preview": True, "replay": True}, False, True, False,
            "sync-pipeline preview shop --entity orders --from-pages",
        ),
        (
            {"applies": _ID}, False, False, False,
            f"sync-pipeline sync shop --entity orders --preview {_ID}",
        ),
    ],
)  # fmt: skip
def test_given_a_kind_of_queue_then_it_says_what_it_is_and_how_it_is_started(
    kind, is_change, is_beside, asks_store, command
):
    filters = Filters.from_dict(kind)

    assert (filters.is_change, filters.is_beside) == (is_change, is_beside)
    assert filters.asks_store == asks_store
    assert filters.as_command("shop", "orders") == command
    assert Filters.from_dict(filters.as_dict()) == filters
    filters.require_fit(entity_of("woocommerce", "orders"))


@pytest.mark.parametrize(
    "odd",
    [
        {"reverts": "7"},
        {"applies": "the last"},
        {"reverts": _ID, "limit": 5},
        {"reverts": _ID, "preview": True},
        {"resolves": True, "replay": True},
        {"applies": _ID, "email": "a@b.de"},
        {"preview": True, "created_after": "2024-01-31"},
    ],
)
def test_given_kinds_that_cannot_go_together_then_an_input_error(odd):
    with pytest.raises(InputError):
        Filters.from_dict(odd)


def test_given_a_limit_of_deletions_then_it_leaves_nothing_out_and_is_kept():
    allowed = Filters(deletion_limit_percent=50.0)

    assert (allowed.is_everything, Filters.from_dict(allowed.as_dict())) == (True, allowed)
    assert allowed.as_command("shop", "orders") == (
        "sync-pipeline sync shop --entity orders --deletion-limit-percent 50"
    )
    allowed.require_fit(entity_of("woocommerce", "orders"))
    for odd in ({"deletion_limit_percent": 101}, {"deletion_limit_percent": 5, "replay": True}):
        with pytest.raises(InputError):
            Filters(**odd)
