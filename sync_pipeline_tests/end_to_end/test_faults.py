"""Every fault a store can have: the sync ends with the reason in words, or its next start does.

Nothing is lost, nothing is applied twice, whatever happened.
"""

import pytest

from sync_pipeline.demo import DemoServer, Fault
from sync_pipeline.errors import SyncError, TransientError
from sync_pipeline_tests.factories import (
    customer,
    make_connection,
    order,
    row,
    run_sync,
    store,
)

CUSTOMERS = 230
ORDERS = 120

# Over by themselves: the sync reads on and ends done.
PASSING = {
    "429 with Retry-After": Fault("rate_limited", nth=2, times=2, retry_after_seconds=0),
    "429 without": Fault("rate_limited", nth=2, times=2),
    "503 with Retry-After": Fault("unavailable", nth=2, times=1, retry_after_seconds=0),
    "503 with a date": Fault(
        "unavailable", nth=2, times=1, retry_after_seconds=0, retry_after_as_date=True
    ),
    "500": Fault("server_error", nth=3, times=2),
    "500 as HTML": Fault("server_error_html", nth=2, times=1),
    "502 of the gateway": Fault("server_error_html", status=502, nth=2, times=2),
    "504 of the gateway": Fault("server_error_html", status=504, nth=2, times=1),
    "database down": Fault("database_down", nth=2, times=2),
    "captcha": Fault("captcha", nth=2, times=1),
    "hanging": Fault("hang", nth=2, times=1, seconds=0.6),
    "slow": Fault("slow", nth=2, times=2, seconds=0.2),
    "connection cut": Fault("cut_connection", nth=2, times=2),
    "connection cut in the body": Fault("cut_connection", nth=2, times=2, after_bytes=2000),
    "JSON cut": Fault("cut_json", nth=2, times=2),
    "PHP warnings": Fault("php_warning"),
    "byte order mark": Fault("bom"),
    "large pages fail": Fault("server_error", per_page_above=50),
    "large pages time out": Fault("hang", per_page_above=50, seconds=0.6, times=12),
}
# The record cannot be had: one line fails, the rest is applied.
POISON = {
    "poisoned customer": Fault("poison", path="/customers$", record_id=120),
    "last customer": Fault("poison", path="/customers$", record_id=CUSTOMERS),
    "first customer": Fault("poison", path="/customers$", record_id=1),
}
# Not over by themselves: a typed error, and the next start finishes.
STOPPING = {
    "down for long": Fault("unavailable", nth=3),
    "limited for long": Fault("rate_limited", nth=3, retry_after_seconds=3600),
    "500 for every page": Fault("server_error", nth=3),
    "database down for long": Fault("database_down", nth=3),
    "captcha for long": Fault("captcha", nth=3),
    "plugin switched off": Fault("no_route", nth=3),
    "every connection cut": Fault("cut_connection", nth=3),
    "every JSON cut": Fault("cut_json", nth=3),
    "every answer hanging": Fault("hang", nth=3, seconds=0.6),
    "orders without a route": Fault("no_route", path="/orders$"),
}
# Records come and go between pages.
MOVING = {
    "customer deleted": Fault("delete_customer", path="/customers$", nth=2, times=1, record_id=3),
    "order deleted": Fault("delete_order", path="/orders$", nth=2, times=1, record_id=3),
    "order trashed": Fault("trash_order", path="/orders$", nth=2, times=1, record_id=3),
}


@pytest.fixture
def server():
    customers = [customer(n) for n in range(1, CUSTOMERS + 1)]
    orders = [order(n, n, f"{n}.00") for n in range(1, ORDERS + 1)]
    with DemoServer(store(customers, orders)) as running:
        yield running


@pytest.fixture
def sync(database, org_id, server):
    """Sync the served store, or go on with a sync that was stopped."""
    shop = make_connection(database, org_id, base_url=server.url)

    def run(**settings):
        quick = {"read_timeout_seconds": 0.4, "max_attempts": 3, "retry_after_cap_seconds": 5}
        return run_sync(database, shop, server, batch_size=40, source_settings=quick | settings)

    return run


def counted(database):
    """Customers, identities, lines in the audit and different ones of them, and the money."""
    return row(
        database,
        "SELECT (SELECT count(*) FROM customer) AS customers,"
        " (SELECT count(*) FROM sync_record) AS records,"
        " (SELECT count(line_no) FROM sync_activity) AS audited,"
        " (SELECT count(DISTINCT (queue_no, line_no)) FROM sync_activity"
        "  WHERE line_no IS NOT NULL) AS audited_lines,"
        " (SELECT sum(lifetime_value)::integer FROM customer) AS money",
    )


def everything(*, failed=0, gone=0, money=ORDERS * (ORDERS + 1) // 2):
    applied = CUSTOMERS - failed - gone
    return {
        "customers": applied,
        "records": applied,
        "audited": applied + failed,
        "audited_lines": applied + failed,
        "money": money,
    }


def state_and_reason(database):
    found = row(database, "SELECT state, action_required_reason FROM sync_queue_status")
    return found["state"], found["action_required_reason"]


@pytest.mark.parametrize("name", PASSING)
def test_given_a_fault_that_passes_when_synced_then_done_and_everything_once(
    database, server, sync, name
):
    server.faults = [PASSING[name]]

    verdict = sync().verdict

    assert any(request.faults for request in server.requests)
    assert state_and_reason(database) == ("done", None)
    assert counted(database) == everything()
    assert verdict.agree is True


@pytest.mark.parametrize("name", POISON)
def test_given_a_record_that_cannot_be_had_when_synced_then_partial_and_it_says_why(
    database, server, sync, name
):
    server.faults = [POISON[name]]

    sync()

    state, reason = state_and_reason(database)
    assert state == "partial"
    assert reason == f"1 of {CUSTOMERS} lines failed: 1 x woocommerce.store_faulted"
    money = ORDERS * (ORDERS + 1) // 2
    record_id = POISON[name].record_id
    lost = record_id if record_id <= ORDERS else 0
    assert counted(database) == everything(failed=1, money=money - lost)


@pytest.mark.parametrize("name", STOPPING)
def test_given_a_fault_that_stays_when_it_is_over_then_the_next_start_goes_on_and_finishes(
    database, server, sync, name
):
    server.faults = [STOPPING[name]]
    with pytest.raises(SyncError) as stopped:
        sync(max_parallel_requests=1)
    read_before = row(database, "SELECT count(*) AS n FROM sync_page")["n"]
    server.faults = ()
    server.log.clear()

    verdict = sync().verdict

    assert stopped.value.code.startswith("woocommerce.")
    assert len(str(stopped.value)) > 20
    assert isinstance(stopped.value, TransientError) or "no_route" in STOPPING[name].action
    assert len(server.requests) == 7 - read_before
    assert state_and_reason(database) == ("done", None)
    assert counted(database) == everything()
    assert verdict.agree is True


@pytest.mark.parametrize("name", MOVING)
def test_given_records_that_go_while_reading_when_synced_then_what_is_left_is_there_once(
    database, server, sync, name
):
    server.faults = [MOVING[name]]

    verdict = sync(max_parallel_requests=1).verdict

    is_customer = MOVING[name].action == "delete_customer"
    assert state_and_reason(database) == ("done", None)
    assert counted(database) == everything(
        gone=int(is_customer), money=ORDERS * (ORDERS + 1) // 2 - 3
    )
    assert verdict.agree is True


def test_given_all_that_passes_at_once_when_synced_then_done_and_everything_once(
    database, server, sync
):
    server.faults = [
        Fault("rate_limited", nth=2, times=1, retry_after_seconds=0),
        Fault("server_error", nth=4, times=1),
        Fault("cut_json", nth=5, times=1),
        Fault("bom", nth=6),
        Fault("delete_customer", path="/customers$", nth=3, times=1, record_id=200),
        Fault("poison", path="/customers$", record_id=150),
    ]

    sync()

    assert state_and_reason(database)[0] == "partial"
    assert counted(database) == everything(failed=1, gone=1)
