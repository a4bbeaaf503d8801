"""Whatever both sides did: what a preview shows is what the sync then does, record by record."""

from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync_pipeline_tests.chaos.processes import IS_FULL
from sync_pipeline_tests.conftest import make_organization
from sync_pipeline_tests.factories import apply_records, customer, make_connection, rows
from sync_pipeline_tests.previewing import apply_preview, codes, preview_records, told

_numbers = count(1)
_FIELDS = ("name", "email", "phone", "tags")

# Few values, so that they meet: e-mails are left, swapped and fought over.
_emails = st.sampled_from(["a@x.test", "b@x.test", "c@x.test", "d@x.test", ""])
_names = st.sampled_from(["Ann", "Bob", ""])
_person = st.fixed_dictionaries({"email": _emails, "first_name": _names, "username": _names})
_people = st.dictionaries(st.integers(1, 5), _person, max_size=5)
_edit = st.one_of(
    st.just({"is_deleted": True}),
    st.fixed_dictionaries({"name": _names}),
    st.fixed_dictionaries({"email": st.sampled_from(["c@x.test", "e@x.test", None])}),
    st.fixed_dictionaries({"phone": st.sampled_from(["1", "2"]), "name": _names}),
)
_edits = st.dictionaries(st.integers(1, 5), _edit, max_size=3)
_policies = st.dictionaries(
    st.sampled_from(_FIELDS),
    st.sampled_from(["source_wins", "target_wins", "manual", "merge"]),
    max_size=3,
)


@settings(
    max_examples=60 if IS_FULL else 4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    is_applied=st.booleans(),
    before=_people,
    after=_people,
    edits=_edits,
    policies=_policies,
    batch_size=st.sampled_from([2, 5]),
)
def test_given_edits_on_both_sides_when_previewed_then_the_sync_does_just_that(
    database, is_applied, before, after, edits, policies, batch_size
):
    number = next(_numbers)
    org_id = make_organization(database, f"org{number}")
    shop = make_connection(
        database, org_id, f"shop{number}", options={"policies": {"customers": policies}}
    )
    made = {"batch_size": batch_size, "workers": 1}
    apply_records(database, shop, records(before), **made)
    for external_id, edit in edits.items():
        change(database, org_id, str(external_id), edit)

    preview = preview_records(database, shop, records(after), **made)
    if is_applied:
        queue = apply_preview(database, shop, preview, **made)
    else:
        queue, _ = apply_records(database, shop, records(after), **made)

    assert told(database, queue, "record") == told(database, preview, "preview")
    assert codes(database, queue) == codes(database, preview)


def records(people):
    return [customer(external_id, **person) for external_id, person in people.items()]


def change(database, org_id, external_id, edit):
    """A person edits or deletes our row of a record; a duplicate e-mail is refused, and left."""
    found = rows(
        database,
        "SELECT local_id FROM sync_record WHERE external_id = %s AND org_id = %s",
        external_id,
        org_id,
        org_id=org_id,
    )
    if not found:
        return
    (row,) = found
    with database.owner() as conn:
        if "is_deleted" in edit:
            conn.execute("DELETE FROM customer WHERE id = %s", [row["local_id"]])
            return
        sets = ", ".join(f"{name} = %s" for name in edit)
        conn.execute(
            f"UPDATE customer AS c SET {sets}, updated_at = now() WHERE c.id = %s"
            " AND NOT EXISTS (SELECT FROM customer AS other WHERE other.org_id = c.org_id"
            " AND other.id <> c.id AND other.email_normalized = %s)",
            [*edit.values(), row["local_id"], edit.get("email")],
        )
