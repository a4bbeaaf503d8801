"""What a line does where both sides may have changed since the last sync."""

from threading import Thread

import pytest
from psycopg.types.json import Jsonb

from sync_pipeline.entities import ORDERS, PRODUCTS
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    full_order,
    make_connection,
    product,
    row,
    rows,
    status,
    wait_until_somebody_waits,
)


@pytest.fixture
def shop(database, org_id):
    return make_connection(database, org_id)


@pytest.fixture
def apply(database, shop):
    def applied(*records):
        return apply_records(database, shop, records)

    return applied


def edit(database, values, customer_id=1):
    """A person changes our row."""
    sets = ", ".join(f"{column} = %s" for column in values)
    with database.organization("acme") as conn:
        conn.execute(
            f"UPDATE customer SET {sets}, updated_at = now() WHERE email = %s",
            [*values.values(), f"c{customer_id}@example.test"],
        )


def ours(database, customer_id=1):
    return row(
        database,
        "SELECT c.* FROM sync_record AS r JOIN customer AS c ON c.id = r.local_id"
        " WHERE r.external_id = %s",
        str(customer_id),
    )


def conflicts(database):
    return rows(database, "SELECT * FROM sync_conflict WHERE state = 'open' ORDER BY external_id")


def set_policies(database, entity="customers", **policies):
    with database.organization("acme") as conn:
        conn.execute(
            "UPDATE sync_connection SET options = %s",
            [Jsonb({"policies": {entity: policies}})],
        )


def execute(database, statement, *params):
    """A person, or another program, changes our rows."""
    with database.organization("acme") as conn:
        conn.execute(statement, params)


def phone(number, **changes):
    record = customer(1, **changes)
    return record | {"billing": record["billing"] | {"phone": number}}


class TestByField:
    def test_given_an_edit_here_of_what_did_not_change_there_then_it_is_kept(self, database, apply):
        apply(customer(1))
        edit(database, {"phone": "040 12"})

        queue, _ = apply(customer(1, first_name="Eve"))

        assert (ours(database)["name"], ours(database)["phone"]) == ("Eve Number 1", "040 12")
        assert status(database, queue)["state"] == "done"
        assert conflicts(database) == []

    def test_given_the_same_change_on_both_sides_then_nobody_is_asked(self, database, apply):
        apply(customer(1))
        edit(database, {"name": "Eve Number 1"})

        queue, _ = apply(customer(1, first_name="Eve"))

        assert status(database, queue)["state"] == "done"
        assert conflicts(database) == []

    def test_given_different_changes_of_one_field_then_nothing_is_written_and_both_are_shown(
        self, database, apply
    ):
        apply(customer(1))
        edit(database, {"name": "Anna", "company": "Acme"})

        queue, _ = apply(phone("030 1", first_name="Eve"))

        assert (ours(database)["name"], ours(database)["phone"]) == ("Anna", None)
        (conflict,) = conflicts(database)
        assert conflict["conflict_type"] == "DataMismatch"
        assert conflict["details"]["fields"] == {
            "name": {"base": "Ann Number 1", "ours": "Anna", "theirs": "Eve Number 1"}
        }
        merged = conflict["details"]["merged"]
        assert (merged["company"], merged["phone"]) == ("Acme", "030 1")
        assert status(database, queue)["failed_count"] == 1

    def test_given_a_conflict_when_met_again_then_it_is_the_same_one(self, database, apply):
        apply(customer(1))
        edit(database, {"name": "Anna"})
        apply(customer(1, first_name="Eve"))
        (first,) = conflicts(database)

        apply(customer(1, first_name="Eve"))
        assert conflicts(database)[0]["version"] == first["version"]
        apply(customer(1, first_name="Eva"))

        (again,) = conflicts(database)
        assert (again["id"], again["version"]) == (first["id"], first["version"] + 1)

    def test_given_a_conflict_when_a_person_types_what_the_store_says_then_it_is_settled(
        self, database, apply
    ):
        apply(customer(1))
        edit(database, {"name": "Anna"})
        apply(customer(1, first_name="Eve"))
        edit(database, {"name": "Eve Number 1"})

        apply(customer(1, first_name="Eve"))

        assert conflicts(database) == []

    def test_given_an_edit_that_was_kept_when_the_store_changes_that_field_then_it_is_disputed(
        self, database, apply
    ):
        apply(customer(1))
        edit(database, {"name": "Anna"})
        apply(phone("030 1"))

        apply(phone("030 1", first_name="Eve"))

        assert [one["conflict_type"] for one in conflicts(database)] == ["DataMismatch"]
        assert ours(database)["name"] == "Anna"

    def test_given_tags_and_metadata_of_both_sides_then_they_are_merged_by_element(
        self, database, apply
    ):
        apply(customer(1))
        with database.organization("acme") as conn:
            conn.execute(
                "UPDATE customer SET tags = tags || '{vip}'::text[],"
                ' metadata = metadata || \'{"account_manager": "Mia"}\''
            )

        apply(customer(1, role="subscriber"))

        found = ours(database)
        assert {"vip", "woocommerce"} <= set(found["tags"])
        assert found["metadata"]["account_manager"] == "Mia"
        assert found["metadata"]["role"] == "subscriber"

    def test_given_another_queue_that_applied_a_record_while_we_waited_then_that_is_no_edit(
        self, database, apply
    ):
        apply(customer(1))
        later = Thread(target=apply, args=[customer(1, first_name="Eve")])

        with database.organization("acme") as conn:
            conn.execute("UPDATE customer SET name = 'Eva', updated_at = now()")
            conn.execute('UPDATE sync_record SET base = base || \'{"name": "Eva"}\'')
            later.start()
            wait_until_somebody_waits(database)
        later.join()

        assert conflicts(database) == []
        assert ours(database)["name"] == "Eve Number 1"


class TestOtherEntities:
    def test_given_an_address_of_an_order_edited_here_when_its_status_changes_then_both_stay(
        self, database, shop
    ):
        first = full_order(1)
        apply_records(database, shop, [first], entity=ORDERS)
        execute(database, 'UPDATE sales_order SET billing = billing || \'{"city": "Rome"}\'')

        shipped = first | {"status": "completed", "date_modified_gmt": "2026-03-01T00:00:00"}
        queue, _ = apply_records(database, shop, [shipped], entity=ORDERS)

        found = row(database, "SELECT status, billing FROM sales_order")
        assert (found["status"], found["billing"]["city"]) == ("completed", "Rome")
        assert status(database, queue)["updated_count"] == 1
        moved = shipped | {"billing": first["billing"] | {"city": "Bern"}}
        apply_records(database, shop, [moved], entity=ORDERS)
        (conflict,) = conflicts(database)
        assert list(conflict["details"]["fields"]) == ["billing"]
        assert row(database, "SELECT billing FROM sales_order")["billing"]["city"] == "Rome"

    def test_given_a_product_renamed_here_when_its_price_changes_then_both_stay(
        self, database, shop
    ):
        apply_records(database, shop, [product(5)], entity=PRODUCTS)
        execute(database, "UPDATE product SET name = 'Cup', price = 1")

        apply_records(database, shop, [product(5, price="12.00")], entity=PRODUCTS)

        found = row(database, "SELECT name, price FROM product")
        assert (found["name"], str(found["price"])) == ("Cup", "12.00")
        assert conflicts(database) == []


class TestNewest:
    @pytest.mark.parametrize(
        ("edited_at", "changed_at", "name"),
        [
            ("now()", "2026-03-01T00:00:00", "Cup"),
            ("now()", "2999-01-01T00:00:00", "Mug"),
            # Nobody dated the edit: it may be older or younger than the store's change.
            ("updated_at", "2999-01-01T00:00:00", None),
        ],
    )
    def test_given_a_date_on_each_side_then_the_later_one_counts_and_else_a_person_decides(
        self, database, shop, edited_at, changed_at, name
    ):
        apply_records(database, shop, [product(5)], entity=PRODUCTS)
        set_policies(database, "products", name="newest_wins")
        execute(database, f"UPDATE product SET name = 'Cup', updated_at = {edited_at}")

        changed = product(5, name="Mug", date_modified_gmt=changed_at)
        apply_records(database, shop, [changed], entity=PRODUCTS)

        assert row(database, "SELECT name FROM product")["name"] == (name or "Cup")
        assert len(conflicts(database)) == (name is None)


class TestPolicies:
    @pytest.mark.parametrize(
        ("policy", "name"), [("source_wins", "Eve Number 1"), ("target_wins", "Anna")]
    )
    def test_given_a_connection_that_says_who_wins_then_nobody_is_asked(
        self, database, apply, policy, name
    ):
        apply(customer(1))
        set_policies(database, name=policy)
        edit(database, {"name": "Anna"})

        apply(customer(1, first_name="Eve"))

        assert ours(database)["name"] == name
        assert conflicts(database) == []

    def test_given_our_side_won_when_the_same_comes_again_then_it_stays(self, database, apply):
        apply(customer(1))
        set_policies(database, name="target_wins")
        edit(database, {"name": "Anna"})
        apply(customer(1, first_name="Eve"))

        apply(phone("030 1", first_name="Eve"))

        assert ours(database)["name"] == "Anna"


class TestFirstMeeting:
    def test_given_a_customer_of_the_company_then_nothing_is_erased_by_what_is_left_blank(
        self, database, apply
    ):
        with database.organization("acme") as conn:
            conn.execute(
                "INSERT INTO customer (org_id, name, email, phone, tags, metadata) VALUES"
                " ('acme', 'By hand', 'C1@example.test', '040 12', '{vip}', '{\"note\": \"x\"}')"
            )

        queue, _ = apply(customer(1))

        found = ours(database)
        assert found["name"] == "Ann Number 1"
        assert found["phone"] == "040 12"
        assert set(found["tags"]) == {"vip", "woocommerce"}
        assert found["metadata"]["note"] == "x"
        assert status(database, queue)["updated_count"] == 1

    def test_given_a_field_that_is_ours_then_it_stays_from_the_first_meeting_on(
        self, database, apply
    ):
        set_policies(database, name="target_wins")
        with database.organization("acme") as conn:
            conn.execute(
                "INSERT INTO customer (org_id, name, email) VALUES ('acme', 'By hand', %s)",
                ["c1@example.test"],
            )

        apply(customer(1))

        assert ours(database)["name"] == "By hand"
