"""Previews: what a sync would do, without doing it, and then exactly that."""

import pytest

from sync_pipeline.demo import DemoServer
from sync_pipeline.entities import CUSTOMERS
from sync_pipeline.queue.actions import cancel
from sync_pipeline.queue.completion import give_up
from sync_pipeline.queue.differences import all_differences, counts_of, some_differences
from sync_pipeline.queue.filters import Filters
from sync_pipeline.queue.leases import claim
from sync_pipeline.queue.previews import (
    PreviewUnusableError,
    applicable,
    applying_key,
    cancel_abandoned,
    open_preview,
)
from sync_pipeline.queue.progress import milestones
from sync_pipeline.queue.queues import find_queue
from sync_pipeline.sources.errors import PageFaultError
from sync_pipeline.stages import aside
from sync_pipeline.stages.enqueue import enqueue
from sync_pipeline.stages.preview import Means, run_preview
from sync_pipeline.stages.upsert import upsert
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    end_extract,
    full_order,
    land_records,
    make_connection,
    make_queue,
    open_store,
    order,
    queue_settings,
    quick_source_settings,
    row,
    rows,
    run_sync,
    status,
    store,
)
from sync_pipeline_tests.previewing import (
    apply_preview,
    codes,
    fill_preview,
    fingerprints,
    preview_records,
    told,
)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


def edit(database, external_id, **columns):
    """A person changes our row of a record."""
    sets = ", ".join(f"{name} = %s" for name in columns)
    with database.owner() as conn:
        conn.execute(
            f"UPDATE customer SET {sets}, updated_at = now() WHERE id = (SELECT local_id"
            " FROM sync_record WHERE external_id = %s)",
            [*columns.values(), external_id],
        )


def shown(database, shop):
    """An open preview."""
    return make_queue(database, shop, Filters(preview=True))


def means(server):
    """With what a preview of a served store is made."""
    return Means(quick_source_settings(), queue_settings(), source=lambda: open_store(server))


def results(database, preview):
    return {key: value[0] for key, value in told(database, preview, "preview").items()}


class TestShowing:
    def test_given_changes_when_previewed_then_they_are_shown_and_nothing_is_written(
        self, database, shop
    ):
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
        is_shown = told(database, preview, "preview")
        assert results(database, preview) == {
            "1": "updated",
            "3": "failed",
            "4": "created",
            "5": "failed",
        }
        _, was, becomes = is_shown["1"]
        assert was.keys() == becomes.keys()
        assert becomes["name"].startswith("Renamed")
        # The new order counts, though its figures were taken back.
        assert becomes["metadata"] != was["metadata"]
        counts = counts_of(database, preview)
        assert (counts.created, counts.updated, counts.unchanged) == (1, 1, 1)
        assert (counts.in_conflict, counts.failed, counts.read) == (1, 1, 5)
        assert not status(database, preview)["is_action_required"]

    def test_given_differences_then_what_needs_a_person_comes_first_and_all_can_be_streamed(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1), customer(2)])
        edit(database, "2", name="Ours")
        preview = preview_records(
            database,
            shop,
            [customer(1, first_name="Renamed"), customer(2, first_name="Theirs"), customer(3)],
        )

        first, second = some_differences(database, preview, 2)

        assert (first.external_id, first.is_conflict) == ("2", True)
        (disputed,) = first.fields
        assert (disputed.name, disputed.before) == ("name", "Ours")
        assert disputed.after.startswith("Theirs")
        assert (second.external_id, second.what) == ("1", "updated")
        assert {one.external_id for one in all_differences(database, preview)} == {"1", "2", "3"}

    def test_given_guests_when_one_registers_then_who_takes_over_is_shown_and_nothing_written(
        self, database, org_id
    ):
        shop = make_connection(database, org_id, options={"include_guests": True})
        billing = {"email": "ann@shop.test", "first_name": "Ann", "last_name": "", "city": ""}
        orders = [full_order(1, customer_id=0, billing=billing)]
        apply_records(database, shop, [customer(1)], orders)
        before = fingerprints(database)
        account = customer(2, email="ann@shop.test", first_name="Anna")

        preview = preview_records(database, shop, [customer(1), account], orders)

        assert fingerprints(database) == before
        assert results(database, preview) == {"2": "updated", "guest:ann@shop.test": "unchanged"}

        applied = apply_preview(database, shop, preview)

        done = told(database, applied, "record")
        assert done == {"2": told(database, preview, "preview")["2"]}
        gone = row(
            database, "SELECT tombstoned_at FROM sync_record WHERE external_id LIKE 'guest:%%'"
        )
        assert gone["tombstoned_at"] is not None


class TestApplying:
    def test_given_a_preview_when_applied_then_the_next_sync_finds_nothing_new(
        self, database, shop
    ):
        apply_records(database, shop, [customer(1), customer(2)], [order(1, 1)])
        watermarks = "SELECT * FROM sync_watermark WHERE listing LIKE 'entity:%%'"
        before = rows(database, watermarks)
        records = [customer(1, first_name="Renamed"), customer(2), customer(3)]
        orders = [order(1, 1), order(2, 3)]
        preview = preview_records(database, shop, records, orders)

        applied = apply_preview(database, shop, preview)

        assert told(database, applied, "record") == told(database, preview, "preview")
        assert rows(database, watermarks) == before
        again, outcome = apply_records(database, shop, records, orders)
        assert status(database, again)["total_count"] == outcome.done == 0

    def test_given_records_that_moved_when_applied_then_they_are_named_and_nothing_else_differs(
        self, database, shop
    ):
        apply_records(database, shop, [customer(number) for number in (1, 2, 3)])
        changed = [customer(number, first_name="Renamed") for number in (1, 2, 3, 4)]
        preview = preview_records(database, shop, changed)
        edit(database, "1", name="Corrected")
        edit(database, "2", phone="0049")
        apply_records(database, shop, [customer(4)])

        applied = apply_preview(database, shop, preview)

        done = told(database, applied, "record")
        assert {key: value[0] for key, value in done.items()} == {
            "1": "failed",
            "2": "updated",
            "3": "updated",
            "4": "failed",
        }
        assert done["2"] == told(database, preview, "preview")["2"]
        assert codes(database, applied) == {"1": "preview.moved", "4": "preview.moved"}
        why = rows(
            database,
            "SELECT error_message FROM sync_line WHERE queue_no = %s AND state = 'failed'"
            " ORDER BY line_no",
            applied.queue_no,
        )
        assert [one["error_message"] for one in why] == [
            "moved since the preview: updated then, failed now"
            " (changed here and there since the last sync: name)",
            "moved since the preview: created then, updated now",
        ]
        held = status(database, applied)
        assert (held["state"], held["is_action_required"]) == ("partial", True)
        assert not rows(database, "SELECT FROM sync_conflict")

    def test_given_a_field_that_moved_when_applied_then_the_field_is_named(self, database, shop):
        apply_records(database, shop, [customer(1)])
        preview = preview_records(database, shop, [customer(1, first_name="Renamed")])
        edit(database, "1", status="vip", segment="ours")
        moved = preview_records(database, shop, [customer(1, first_name="Renamed")], [order(1, 1)])
        edit(database, "1", status="none")

        applied = apply_preview(database, shop, moved)

        assert codes(database, applied) == {"1": "preview.moved"}
        line = row(
            database, "SELECT error_message FROM sync_line WHERE queue_no = %s", applied.queue_no
        )
        assert line["error_message"] == "moved since the preview: status"
        assert codes(database, apply_preview(database, shop, preview)) == {}


class TestDeletions:
    def test_given_a_record_that_is_gone_twice_then_it_is_shown_and_goes_unless_it_is_back(
        self, database, org_id
    ):
        with DemoServer(store([customer(number) for number in (1, 2, 3)])) as server:
            shop = make_connection(database, org_id, base_url=server.url)
            run_sync(database, shop, server)
            server.store.delete_customer(2)

            waiting = run_preview(database, shown(database, shop), shop, means(server))
            run_sync(database, shop, server)
            before = fingerprints(database)
            going = run_preview(database, shown(database, shop), shop, means(server))

        assert fingerprints(database) == before
        (found,) = (
            one.message
            for one in milestones(database, waiting)
            if one.activity_type == "absences_found"
        )
        assert found.startswith("1 missing for the first time")
        assert counts_of(database, waiting).deleted == 0
        assert counts_of(database, going).deleted == 1

        gone = "SELECT external_id FROM sync_record WHERE tombstoned_at IS NOT NULL"
        seen = "UPDATE sync_record SET absence_count = %s WHERE external_id = '2'"
        with database.owner() as conn:
            conn.execute(seen, [0])
        again = apply_preview(database, shop, going)
        with database.owner() as conn:
            conn.execute(seen, [1])

        assert codes(database, again) == {"2": "preview.moved"}
        assert not rows(database, gone)
        assert not rows(database, "SELECT FROM sync_conflict")

        applied = apply_preview(database, shop, going)

        assert status(database, applied)["deleted_count"] == 1
        assert row(database, gone) == {"external_id": "2"}


class TestUnusable:
    def test_given_what_cannot_be_applied_then_it_says_why(self, database, org_id, shop):
        queue, _ = apply_records(database, shop, [customer(1)])
        with pytest.raises(PreviewUnusableError, match="is no preview"):
            applicable(database, str(queue.id), "shop", "customers")
        with pytest.raises(PreviewUnusableError, match="purged, or never made"):
            applicable(database, "00000000-0000-0000-0000-000000000000", "shop", "customers")
        preview = preview_records(database, shop, [customer(2)])
        other = make_connection(database, org_id, "other")
        with pytest.raises(PreviewUnusableError, match="is of shop customers, not of other"):
            applicable(database, str(preview.id), other.name, "customers")
        with database.owner() as conn:
            conn.execute("DELETE FROM sync_line WHERE queue_no = %s", [preview.queue_no])
        with pytest.raises(PreviewUnusableError, match="are purged"):
            applicable(database, str(preview.id), "shop", "customers")

    def test_given_an_unfinished_or_cancelled_preview_then_it_is_not_applied(self, database, shop):
        queue = make_queue(database, shop, Filters(preview=True))
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET is_full = true")
        with pytest.raises(PreviewUnusableError, match="it stands at extract") as raised:
            applicable(database, str(queue.id), "shop", "customers")
        assert raised.value.remedy.endswith("preview shop --entity customers --full.")
        cancel(database, str(queue.id), by="me")
        with pytest.raises(PreviewUnusableError, match="was cancelled"):
            applicable(database, str(queue.id), "shop", "customers")

    def test_given_the_same_preview_twice_then_it_is_the_same_sync(self, database, shop):
        preview = preview_records(database, shop, [customer(1)])
        filters = Filters(applies=str(preview.id))
        key = applying_key(database, filters, "shop", "customers")
        assert key == applying_key(database, filters, "shop", "customers", key)
        assert applying_key(database, Filters(), "shop", "customers", "mine") == "mine"


class TestStopped:
    def test_given_a_kill_while_lines_are_kept_when_resumed_then_the_preview_is_whole(
        self, database, shop, monkeypatch
    ):
        apply_records(database, shop, [customer(1)])
        before = fingerprints(database)
        monkeypatch.setattr(aside, "_SHARE_LINES", 2)
        queue = make_queue(database, shop, Filters(preview=True), workers=1)
        changed = [customer(number, first_name="New") for number in range(1, 6)]
        land_records(database, queue, "customers", changed)
        land_records(database, queue, "orders", [])
        end_extract(database, queue, scanned=5)
        kept = []

        def killed(name):
            kept.append(name)
            if kept.count("enqueue/keep_lines") > 1:
                raise KeyboardInterrupt
            return statement(name)

        statement = aside.statement
        monkeypatch.setattr(aside, "statement", killed)
        with pytest.raises(KeyboardInterrupt):
            enqueue(database, queue, CUSTOMERS)
        left = "SELECT FROM sync_line WHERE queue_no = %s"
        assert len(rows(database, left, queue.queue_no)) == 2
        assert fingerprints(database) == before
        monkeypatch.setattr(aside, "statement", statement)

        enqueue(database, find_queue(database, str(queue.id)), CUSTOMERS)
        upsert(database, queue, CUSTOMERS, queue_settings())

        counts = counts_of(database, queue)
        assert (counts.created, counts.updated) == (4, 1)
        assert fingerprints(database) == before

    def test_given_a_stopped_preview_then_the_same_request_goes_on_with_it_while_it_is_young(
        self, database, shop
    ):
        def opened(**chosen):
            return open_preview(
                database,
                shop,
                "customers",
                settings=queue_settings(),
                filters=Filters(preview=True, **chosen),
                created_by="me",
            )

        first, _ = opened()
        assert opened() == (first, False)
        assert opened(limit=5)[1]
        with database.owner() as conn:
            conn.execute("UPDATE sync_queue SET created_at = created_at - interval '2 hours'")

        assert cancel_abandoned(database) == 2
        assert opened()[1]
        assert find_queue(database, str(first.id)).stage == "finished"

    def test_given_a_change_that_cannot_be_decided_then_it_leaves_no_conflict(self, database, shop):
        preview = fill_preview(database, shop, [customer(1)])
        with database.organization(preview.org_id) as conn:
            conn.execute("UPDATE sync_batch SET operation = 'change'")
            lease = claim(conn, preview.queue_no, worker="a", lease_seconds=60)
            outcome = give_up(
                conn, lease, preview, code="queue.refused", message="no", max_retries=0
            )

        assert outcome.failed == 1
        assert not rows(database, "SELECT FROM sync_conflict")

    def test_given_a_store_that_fails_then_the_preview_is_over_and_asks_nobody_to_act(
        self, database, shop
    ):
        queue = make_queue(database, shop, Filters(preview=True))

        def broken():
            raise PageFaultError("no page", remedy="")

        with pytest.raises(PageFaultError):
            run_preview(
                database,
                queue,
                shop,
                Means(quick_source_settings(), queue_settings(), source=broken),
            )
        held = status(database, queue)
        assert (held["state"], held["is_action_required"]) == ("cancelled", False)
