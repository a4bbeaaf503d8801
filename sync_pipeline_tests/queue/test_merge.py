"""sync_merge: what a row becomes where both sides may have changed, held against its rules."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

VALUES = st.sampled_from([None, "", "a", "b", 1, [], {"city": "Rome"}])
LISTS = st.lists(st.sampled_from("abcd"), unique=True)
OBJECTS = st.dictionaries(st.sampled_from("wxyz"), st.sampled_from(["a", "b", 1]))
POLICIES = st.sampled_from(["source_wins", "target_wins", "newest_wins", "manual"])
quickly = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def merge(database, org_id):
    with database.organization(org_id) as conn:

        def merged(base, ours, theirs, policies=None, *, is_theirs_newer=None):
            values = [Jsonb(one) for one in (ours, theirs, policies or {})]
            given_base = None if base is None else Jsonb(base)
            found = conn.execute(
                "SELECT merged, disputed FROM sync_merge(%s, %s, %s, %s, %s)",
                [given_base, *values, is_theirs_newer],
            ).fetchone()
            return found["merged"], found["disputed"]

        yield merged


def by_rule(base, ours, theirs, policy, is_newer):
    """What one field becomes, and whether only a person can tell."""
    if theirs in (ours, base):
        return ours, False
    if ours == base:
        return theirs, False
    if policy == "newest_wins":
        policy = {True: "source_wins", False: "target_wins", None: "manual"}[is_newer]
    return {"source_wins": (theirs, False), "target_wins": (ours, False)}.get(policy, (ours, True))


@quickly
@given(
    sides=st.dictionaries(
        st.sampled_from(["name", "phone", "city"]),
        st.tuples(VALUES, VALUES, VALUES, POLICIES),
        min_size=1,
    ),
    is_newer=st.sampled_from([True, False, None]),
)
def test_given_any_three_sides_then_each_field_follows_its_rule_alone(merge, sides, is_newer):
    base, ours, theirs, policies = (
        {name: side[place] for name, side in sides.items()} for place in range(4)
    )

    merged, disputed = merge(base, ours, theirs, policies, is_theirs_newer=is_newer)

    expected = {name: by_rule(*side, is_newer) for name, side in sides.items()}
    assert merged == {name: value for name, (value, _) in expected.items()}
    assert disputed == sorted(name for name, (_, is_open) in expected.items() if is_open)


@quickly
@given(base=LISTS, ours=LISTS, theirs=LISTS)
def test_given_lists_then_no_element_that_a_side_added_is_lost_and_none_it_took_away_is_back(
    merge, base, ours, theirs
):
    merged, disputed = merge({"tags": base}, {"tags": ours}, {"tags": theirs}, {"tags": "merge"})

    added = (set(ours) | set(theirs)) - set(base)
    kept = set(base) & set(ours) & set(theirs)
    assert set(merged["tags"]) == added | kept
    assert len(merged["tags"]) == len(set(merged["tags"]))
    assert disputed == []


def test_given_lists_of_objects_then_one_that_is_part_of_another_is_not_taken_for_it(merge):
    shoe, red_shoe = {"id": 1}, {"id": 1, "color": "red"}

    merged, _ = merge({"m": [red_shoe]}, {"m": [red_shoe, shoe]}, {"m": []}, {"m": "merge"})

    assert merged["m"] == [shoe]


@quickly
@given(base=OBJECTS, ours=OBJECTS, theirs=OBJECTS)
def test_given_objects_then_each_key_is_compared_alone_and_theirs_wins(merge, base, ours, theirs):
    merged, _ = merge({"m": base}, {"m": ours}, {"m": theirs}, {"m": "merge"})

    sides = [[one.get(key) for one in (base, ours, theirs)] for key in "wxyz"]
    expected = [by_rule(*side, "source_wins", None)[0] for side in sides]
    assert [merged["m"].get(key) for key in "wxyz"] == expected


def test_given_a_mapping_that_knows_a_new_field_then_theirs_is_taken(merge):
    assert merge({}, {"vat_id": None}, {"vat_id": "DE1"}) == ({"vat_id": "DE1"}, [])


@pytest.mark.parametrize(
    ("ours", "theirs", "policy", "becomes"),
    [
        ("By hand", "Ann", "manual", "Ann"),
        ("By hand", "Ann", "source_wins", "Ann"),
        ("By hand", "Ann", "target_wins", "By hand"),
        ("", "Ann", "target_wins", "Ann"),
        ("By hand", None, "manual", "By hand"),
        ("By hand", None, "source_wins", None),
        ({"city": "Rome"}, {"city": "", "country": ""}, "manual", {"city": "Rome"}),
        ({"note": "x"}, {"role": "customer"}, "merge", {"note": "x", "role": "customer"}),
        (["vip"], ["woocommerce"], "merge", ["vip", "woocommerce"]),
    ],
)
def test_given_two_that_never_met_then_nothing_is_disputed_nor_erased_by_a_blank(
    merge, ours, theirs, policy, becomes
):
    assert merge(None, {"f": ours}, {"f": theirs}, {"f": policy}) == ({"f": becomes}, [])
