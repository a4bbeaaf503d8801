"""A sync holds pages in hand, never the store: memory does not grow with the number of records."""

import pytest

from sync_pipeline.demo import DemoServer, made_store
from sync_pipeline_tests.chaos.processes import IS_FULL, SyncProcess, note
from sync_pipeline_tests.factories import make_connection

FEW, MANY = (10_000, 100_000) if IS_FULL else (500, 5_000)
MOST_MB = 400
MOST_GROWTH = 1.2


def peak_mb(database, shop, key):
    with SyncProcess(database, key, "--batch-size", 500, "--lease-seconds", 60) as process:
        result = process.result()
    assert result["state"] == "done"
    return result["peak_mb"]


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_given_ten_times_the_customers_when_synced_then_the_same_memory(database, org_id):
    with DemoServer(made_store(customers=FEW)) as few:
        shop = make_connection(database, org_id, base_url=few.url)
        little = peak_mb(database, shop, "few")
    with DemoServer(made_store(customers=MANY)) as many:
        shop = make_connection(database, org_id, base_url=many.url)
        much = peak_mb(database, shop, "many")

    note(f"{FEW} customers: {little:.0f} MB, {MANY}: {much:.0f} MB")
    assert much < MOST_MB
    assert much < MOST_GROWTH * little
