"""Whatever was edited, decided, and edited again meanwhile: no edit of ours goes without a word.

A model in a few lines says what each field becomes; what was ours and is not any more stands in the
audit.
"""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from sync_pipeline.queue.conflicts import Chosen, Decision, list_conflicts, one_of, resolve
from sync_pipeline.stages.changes import apply_changes
from sync_pipeline_tests.chaos.processes import IS_FULL
from sync_pipeline_tests.factories import apply_records, make_connection, queue_settings, rows
from sync_pipeline_tests.queue.conflicts.conftest import record

FIELDS = ("phone", "company")
RECORDS = 12
VALUES = st.sampled_from(["a", "b", "c"])
EDITS = st.dictionaries(st.sampled_from(FIELDS), VALUES)
BOTH = st.fixed_dictionaries(dict.fromkeys(FIELDS, st.sampled_from(["b", "c", "b", "c", "a"])))
STORIES = st.fixed_dictionaries(
    {
        "there": BOTH,
        "here": BOTH,
        "late": EDITS,
        "decision": st.sampled_from(
            [
                Decision("source"),
                Decision("target"),
                Decision("skip"),
                Decision("fields", ("phone",)),
                Decision("fields", (), {"company": "typed"}),
            ]
        ),
    }
)


def decided(base, ours, theirs, decision):
    """What a row becomes, field by field, where some field is in dispute."""
    merged = {}
    for name in FIELDS:
        is_disputed = len({base[name], ours[name], theirs[name]}) == 3
        takes = (decision.verb == "source" and is_disputed) or name in decision.fields
        is_only_there = ours[name] == base[name]
        merged[name] = theirs[name] if takes or is_only_there else ours[name]
    return ours if decision.verb == "skip" else merged | dict(decision.values)


def rows_now(database):
    found = rows(
        database,
        "SELECT r.external_id, c.phone, c.company FROM sync_record AS r"
        " JOIN customer AS c ON c.id = r.local_id",
    )
    return {int(one["external_id"]): {name: one[name] for name in FIELDS} for one in found}


def edit(database, edits):
    with database.organization("acme") as conn:
        for number, values in edits.items():
            conn.execute(
                "UPDATE customer AS c SET phone = coalesce(e.phone, c.phone),"
                " company = coalesce(e.company, c.company)"
                " FROM jsonb_to_record(%s) AS e (phone text, company text), sync_record AS r"
                " WHERE r.local_id = c.id AND r.external_id = %s",
                [Jsonb(values), str(number)],
            )


@settings(
    max_examples=40 if IS_FULL else 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(stories=st.lists(STORIES, min_size=RECORDS, max_size=RECORDS))
def test_given_any_edits_and_decisions_then_each_field_is_what_somebody_said_last(
    database, stories
):
    shop, base = make_connection(database), dict.fromkeys(FIELDS, "a")
    clear(database)
    told = dict(enumerate(stories, start=1))
    apply_records(database, shop, [record(number, **base) for number in told])
    edit(database, {number: story["here"] for number, story in told.items()})
    theirs = {number: base | story["there"] for number, story in told.items()}
    apply_records(database, shop, [record(number, **theirs[number]) for number in told])
    shown = rows_now(database)
    queues = []
    for one in list_conflicts(database, Chosen(), most=100):
        decision = told[int(one.external_id)]["decision"]
        queues += resolve(
            database, one_of([one.id]), decision, by="ann", settings=queue_settings()
        ).queue_ids
    disputed = {int(one.external_id) for one in list_conflicts(database, Chosen(), most=100)}
    edit(database, {number: told[number]["late"] for number in disputed})
    late = rows_now(database)

    apply_changes(database, queues, queue_settings())

    now = rows_now(database)
    open_still = {int(one.external_id) for one in list_conflicts(database, Chosen(), most=100)}
    assert disputed == {number for number in told if is_disputed(base, told[number])}
    for number in disputed:
        decision, before = told[number]["decision"], late[number]
        wanted = decided(base, shown[number], theirs[number], decision)
        # Where nothing is to be written, an edit meanwhile is ours as well.
        is_refused = wanted != shown[number] and any(
            before[name] not in (shown[number][name], wanted[name]) for name in FIELDS
        )
        writes = not is_refused and wanted != shown[number]
        assert (number in open_still) == is_refused, told[number]
        assert now[number] == (wanted if writes else before), told[number]


def is_disputed(base, story):
    ours, theirs = base | story["here"], base | story["there"]
    return any(len({base[name], ours[name], theirs[name]}) == 3 for name in FIELDS)


def clear(database):
    with database.owner() as conn:
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute("DELETE FROM sync_conflict")
        conn.execute("DELETE FROM sync_record")
        conn.execute("DELETE FROM customer")
