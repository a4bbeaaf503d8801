"""What moves while somebody reads, told again in the order it was recorded."""

import pytest
import requests

from sync_pipeline.demo import DemoServer
from sync_pipeline_tests.demo.exchanges import EXCHANGES, ask, earlier_store, without_host


@pytest.fixture
def server():
    with DemoServer(earlier_store()) as server:
        yield server


def assert_as_recorded(name, server, *, without=()):
    exchange = EXCHANGES[name]
    with requests.Session() as session:
        response = ask(exchange, server.url, session)
    headers = dict(exchange["response"]["headers"])

    assert response.status_code == exchange["response"]["status"]
    assert response.headers.get("X-WP-Total") == headers.get("X-WP-Total")
    expected, received = exchange["response"]["body"], response.json()
    if isinstance(expected, list):
        expected, received = ([drop(row, without) for row in rows] for rows in (expected, received))
    else:
        expected, received = drop(expected, without), drop(received, without)
    assert without_host(received) == without_host(expected)


def drop(row, names):
    return {name: value for name, value in row.items() if name not in names}


class TestDeletedCustomer:
    def test_given_a_delete_between_pages_when_paging_goes_on_then_a_live_record_is_skipped(
        self, server
    ):
        assert_as_recorded("drift/a1_page1_before_delete", server)
        assert_as_recorded("drift/a2b_orders_of_victim_before", server)

        server.store.delete_customer(52)

        assert_as_recorded("drift/a4_page2_after_delete", server)
        assert_as_recorded("drift/a5_page1_after_delete", server)
        assert_as_recorded(
            "drift/a6_orders_of_victim_after", server, without=("date_modified_gmt",)
        )
        assert_as_recorded("drift/a7_get_deleted", server)

    def test_given_orders_of_a_deleted_customer_then_their_date_modified_moves(self, server):
        before = server.store.order(592)["date_modified_gmt"]

        server.store.delete_customer(52)

        after = server.store.order(592)
        assert after["customer_id"] == 0
        assert after["date_modified_gmt"] > before
        assert "customer" not in after["_links"]


class TestTrashedOrder:
    def test_given_a_trashed_order_when_listed_then_only_trash_shows_it(self, server):
        server.store.trash_order(1653)

        moved = ("date_modified_gmt", "_links")
        assert_as_recorded("drift/c3_get_trashed_order", server, without=moved)
        assert_as_recorded("drift/c4_list_any_includes_trashed", server)
        assert_as_recorded("drift/c4_list_trash_includes_trashed", server, without=moved)

    def test_given_a_deleted_order_when_read_then_it_is_404(self, server):
        server.store.delete_order(1653)

        assert_as_recorded("drift/c8_get_deleted_order", server)


def test_given_a_changed_role_when_the_default_listing_includes_it_then_nothing_is_shown(server):
    server.store.edit_customer(703, role="subscriber")

    assert_as_recorded("drift/e2_default_list_after_role_change", server)
