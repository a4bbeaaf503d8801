"""The digest of a set: no order, and no single difference that it does not see."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from sync_pipeline.stages.digests import Digest

RECORDS = st.lists(
    st.tuples(st.text(min_size=1, max_size=12), st.uuids().map(str)),
    min_size=1,
    max_size=30,
    unique_by=lambda one: one[0],
)


@given(RECORDS, st.randoms())
def test_given_any_order_then_the_same_digest(records, chance):
    shuffled = list(records)
    chance.shuffle(shuffled)

    assert Digest.of(shuffled) == Digest.of(records)


@given(RECORDS, st.integers(0, 30))
def test_given_parts_then_their_sum_is_the_digest_of_the_whole(records, place):
    assert Digest.of(records[:place]) + Digest.of(records[place:]) == Digest.of(records)


@given(RECORDS, st.data())
def test_given_one_other_content_then_another_digest(records, data):
    place = data.draw(st.integers(0, len(records) - 1))
    changed = list(records)
    changed[place] = (records[place][0], str(uuid.uuid4()))

    assert Digest.of(changed) != Digest.of(records)


@given(RECORDS, st.data())
def test_given_one_record_lost_or_twice_then_another_digest(records, data):
    one = data.draw(st.sampled_from(records))
    rest = [other for other in records if other != one]

    assert Digest.of(rest) != Digest.of(records)
    assert Digest.of([*records, one]) != Digest.of(records)
    # As many as before, and an exclusive or of elements would not see it either.
    assert Digest.of([*records, one, one]) != Digest.of(records)


@given(RECORDS.filter(lambda records: len(records) > 1))
def test_given_two_records_that_swap_their_content_then_another_digest(records):
    (first, its), (second, other), *rest = records
    swapped = [(first, other), (second, its), *rest]

    assert (Digest.of(swapped) == Digest.of(records)) == (its == other)


@given(RECORDS, st.integers(-5, 5))
def test_given_sums_beyond_64_bits_then_what_they_are_modulo_64_bits(records, wraps):
    digest = Digest.of(records)

    assert Digest.of_sums(digest.count, digest.high + wraps * 2**64, digest.low) == digest


def test_given_nothing_then_zeros_and_a_digest_is_32_digits():
    assert str(Digest()) == "0" * 32
    assert len(str(Digest.of([("1", str(uuid.UUID(int=7)))]))) == 32
