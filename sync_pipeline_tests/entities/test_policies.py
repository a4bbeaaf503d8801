"""Who wins where both sides changed a field, as people say it of a connection."""

import re
from pathlib import Path

import pytest

from sync_pipeline.entities import CUSTOMERS, ENTITIES
from sync_pipeline.entities.policies import as_said, in_force, policies_of
from sync_pipeline.errors import InputError, UnknownEntityError


def test_given_policies_then_they_are_kept_by_entity_and_field():
    said = ["customers.name=source_wins", "customers.phone=target_wins", "orders.total=newest_wins"]

    kept = policies_of("woocommerce", said)

    assert kept == {
        "customers": {"name": "source_wins", "phone": "target_wins"},
        "orders": {"total": "newest_wins"},
    }
    assert as_said({"policies": kept}) == said


def test_given_what_a_connection_says_then_it_holds_over_the_declaration_and_else_that():
    held = in_force(CUSTOMERS, {"policies": {"customers": {"name": "source_wins"}}})

    assert (held["name"], held["phone"], held["segment"]) == (
        "source_wins", "manual", "source_wins",
    )  # fmt: skip
    assert list(held) == list(CUSTOMERS.columns)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("customers.name", "no policy of a field"),
        ("name=manual", "no policy of a field"),
        ("customers.colour=manual", "no field 'colour'"),
        ("customers.name=coin", "There are source_wins"),
        ("customers.name=newest_wins", "none is the newest"),
        ("customers.phone=merge", "has no parts to merge"),
        ("orders.items=merge", "has no parts to merge"),
    ],
)
def test_given_what_cannot_be_then_it_is_refused_and_says_what_can(said, words):
    with pytest.raises(InputError, match=words):
        policies_of("woocommerce", [said])


def test_given_an_entity_that_there_is_not_then_it_is_refused():
    with pytest.raises(UnknownEntityError):
        policies_of("woocommerce", ["clients.name=manual"])


def test_given_the_declarations_then_each_names_fields_that_it_has():
    assert [
        f"{entity.name}.{column}"
        for entity in ENTITIES
        for column in entity.policies
        if column not in entity.columns
    ] == []


def test_given_the_page_for_operators_then_it_names_each_field_that_is_not_the_stores():
    page = (Path(__file__).parents[2] / "docs" / "conflicts.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("|")}

    for entity in ENTITIES:
        if entity.policies:
            named = set(re.findall("`([a-z_]+)`", rows[entity.name]))
            assert named == set(entity.policies)
