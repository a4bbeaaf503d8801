"""The queue that somebody means by the first characters of its id."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync_pipeline.errors import InputError, UnknownQueueError
from sync_pipeline.queue.lookup import id_range, queue_meant
from sync_pipeline_tests.factories import make_connection, make_queue


@given(st.uuids(), st.integers(4, 36))
def test_given_the_beginning_of_an_id_then_the_id_lies_in_its_range(queue_id, length):
    if len(str(queue_id)[:length].replace("-", "")) < 4:
        return
    lowest, highest = id_range(str(queue_id)[:length])

    assert lowest <= queue_id <= highest


def test_given_a_whole_id_then_it_is_the_only_one_in_its_range():
    whole = "64d10946-90f4-4240-9ab2-cdd390d1e942"

    assert id_range(whole) == (UUID(whole), UUID(whole))


@pytest.mark.parametrize("typed", ["", "64d", "no id", "64d10946%", "0" * 33])
def test_given_what_no_id_begins_with_then_it_is_refused(typed):
    with pytest.raises(InputError, match="not a queue id"):
        id_range(typed)


def test_given_queues_when_one_is_named_by_a_prefix_then_it_is_found_if_it_is_the_only_one(
    database, org_id
):
    shops = [make_connection(database, org_id, name=name) for name in ("one", "two")]
    queues = [make_queue(database, shop) for shop in shops]
    ids = ["aaaabbbb-0000-4000-8000-000000000001", "aaaacccc-0000-4000-8000-000000000002"]
    with database.owner() as conn:
        for queue, queue_id in zip(queues, ids, strict=True):
            conn.execute(
                "UPDATE sync_queue SET id = %s WHERE queue_no = %s", [queue_id, queue.queue_no]
            )

    assert queue_meant(database, "AAAACC").connection == "two"
    assert queue_meant(database, ids[0]).connection == "one"
    with pytest.raises(InputError, match="Several"):
        queue_meant(database, "aaaa")
    with pytest.raises(UnknownQueueError):
        queue_meant(database, "bbbb")
