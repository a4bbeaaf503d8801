"""Previews: what a sync would do, without doing it, and then exactly that."""

from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    order,
    row,
    rows,
    status,
)
from sync_pipeline_tests.previewing import apply_preview, fingerprints, preview_records, told


def edit(database, external_id, **columns):
    """A person changes our row of a record."""
    sets = ", ".join(f"{name} = %s" for name in columns)
    with database.owner() as conn:
        conn.execute(
            f"UPDATE customer SET {sets}, updated_at = now() WHERE id = (SELECT local_id"
            " FROM sync_record WHERE external_id = %s)",
            [*columns.values(), external_id],
        )


class TestShowing:
    def test_given_changes_when_previewed_then_they_are_shown_and_nothing_is_written(
        self, database, org_id
    ):
        shop = make_connection(database, org_id)
        apply_records(database, shop, [customer(1), customer(2), customer(3)], [order(1, 1)])
        edit(database, "3", name="Corrected")
        before = fingerprints(database)

        preview = preview_records(
            database,
            shop,
            [
                customer(1, first_name="Renamed"),
                customer(2),
                customer(3, first_name="Theirs"),
                customer(4),
                customer(5, email="not an address"),
            ],
            [order(1, 1), order(2, 1)],
        )

        assert fingerprints(database) == before
        shown = told(database, preview, "preview")
        assert {key: value[0] for key, value in shown.items()} == {
            "1": "updated",
            "3": "failed",
            "4": "created",
            "5": "failed",
        }
        _, was, becomes = shown["1"]
        assert was.keys() == becomes.keys()
        assert becomes["name"].startswith("Renamed")
        held = status(database, preview)
        assert (held["created_count"], held["updated_count"], held["failed_count"]) == (1, 1, 2)
        assert held["unchanged_count"] == 1
        assert (held["is_action_required"], preview.stage) == (False, "finished")


class TestApplying:
    def test_given_a_preview_when_applied_then_exactly_that_happens(self, database, org_id):
        shop = make_connection(database, org_id)
        apply_records(database, shop, [customer(1), customer(2)])
        records = [customer(1, first_name="Renamed"), customer(2), customer(3)]
        preview = preview_records(database, shop, records)

        applied = apply_preview(database, shop, preview)

        assert told(database, applied, "record") == told(database, preview, "preview")
        assert status(database, applied)["state"] == "done"
        assert rows(database, "SELECT 1 FROM sync_record WHERE external_id = '3'")

    def test_given_a_record_that_moved_when_applied_then_it_is_named_and_nothing_else_differs(
        self, database, org_id
    ):
        shop = make_connection(database, org_id)
        apply_records(database, shop, [customer(1), customer(2)])
        records = [customer(1, first_name="Renamed"), customer(2, first_name="Other"), customer(3)]
        preview = preview_records(database, shop, records)
        edit(database, "1", name="Corrected")

        applied = apply_preview(database, shop, preview)

        shown = told(database, preview, "preview")
        done = told(database, applied, "record")
        assert done.pop("1")[0] == "failed"
        assert done == {key: shown[key] for key in ("2", "3")}
        line = row(
            database,
            "SELECT state, error_code, error_message FROM sync_line"
            " WHERE queue_no = %s AND external_id = '1'",
            applied.queue_no,
        )
        assert (line["state"], line["error_code"]) == ("failed", "preview.moved")
        held = status(database, applied)
        assert (held["state"], held["is_action_required"]) == ("partial", True)
        assert not rows(database, "SELECT 1 FROM sync_conflict")
