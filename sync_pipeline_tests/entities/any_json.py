"""Any JSON in any field: records as no store should send them.

Belongs here: Hypothesis strategies, and the one promise about such records. Does not: one entity's
mapping.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from sync_pipeline.entities.declaration import Entity
from sync_pipeline.postgres.database import Database
from sync_pipeline.sources.connections import Connection
from sync_pipeline_tests.factories import Record, apply_records, rows

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["-", ".", "-.", "1e5", "0x1", " 1", "1.5.5", "NaN", "9" * 50, "é" * 600])
    | st.sampled_from(["2026-02-30T00:00:00", "0000-01-01T00:00:00", "2026-01-01T24:00:00", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
few_examples = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def damaged(make: Callable[[int], Record]) -> st.SearchStrategy[list[Record]]:
    """Twenty records, each with other JSON in up to two places, at any depth."""

    def record(number: int, damages: list[tuple[int, Any]]) -> Record:
        made = make(number)
        for place, value in damages:
            _put(made, place, value)
        return made

    damages = st.lists(st.tuples(st.integers(0, 10_000), ANY_JSON), min_size=1, max_size=2)
    return st.lists(damages, min_size=20, max_size=20).map(
        lambda all_damages: [record(n, one) for n, one in enumerate(all_damages, start=1)]
    )


def assert_bad_ones_fail_alone(
    database: Database, connection: Connection, entity: Entity, records: list[Record], good: Record
) -> None:
    """Every record is applied or refused with a code of the mapping, never by the database."""
    queue, outcome = apply_records(database, connection, [*records, good], entity=entity)

    lines = rows(
        database,
        "SELECT external_id, error_code, error_message FROM sync_line_status"
        " WHERE queue_no = %s AND state = 'failed'",
        queue.queue_no,
    )
    done = outcome.created + outcome.updated + outcome.unchanged
    assert outcome.failed == len(lines)
    # What was applied before as it is makes no line.
    assert done + outcome.failed <= len(records) + 1
    assert str(good["id"]) not in {one["external_id"] for one in lines}
    codes = {one["error_code"].split(".")[0] for one in lines}
    assert codes <= {"validation"}, lines
    assert all(one["error_message"] for one in lines)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in items:
        if (*at, key) == ("id",):
            continue
        found.append((*at, key))
        if isinstance(inner, (dict, list)):
            found += _places(inner, (*at, key))
    return found


def _put(record: Record, place: int, value: Any) -> None:
    places = _places(record)
    *above, last = places[place % len(places)]
    holder: Any = record
    for key in above:
        holder = holder[key]
    holder[last] = value
