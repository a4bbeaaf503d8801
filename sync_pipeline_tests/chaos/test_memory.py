"""A sync holds pages in hand, never the store: memory does not grow with the number of records."""

import pytest

from sync_pipeline.demo import DemoServer, made_store
from sync_pipeline_tests.chaos.processes import IS_FULL, SyncProcess, note
from sync_pipeline_tests.factories import make_connection

FEW, MANY = (10_000, 100_000) if IS_FULL else (500, 5_000)
FEW_ORDERS, MANY_ORDERS = (10_000, 100_000) if IS_FULL else (300, 3_000)
MOST_MB = 400
MOST_GROWTH = 1.2


def peak_mb(database, key, *, entity="customers"):
    options = ("--entity", entity, "--batch-size", 500, "--lease-seconds", 60)
    with SyncProcess(database, key, *options) as process:
        result = process.result()
    assert result["state"] == "done"
    return result["peak_mb"]


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("entity", "few", "many"),
    [("customers", FEW, MANY), ("orders", FEW_ORDERS, MANY_ORDERS)],
    ids=["customers", "orders"],
)
def test_given_ten_times_the_records_when_synced_then_the_same_memory(
    database, org_id, entity, few, many
):
    peaks = {}
    for records in (few, many):
        made = {entity: records} if entity == "customers" else {"customers": 0, entity: records}
        with DemoServer(made_store(**made)) as store:
            make_connection(database, org_id, base_url=store.url)
            peaks[records] = peak_mb(database, str(records), entity=entity)

    note(f"{entity}: {', '.join(f'{n} took {mb:.0f} MB' for n, mb in peaks.items())}")
    assert peaks[many] < MOST_MB
    assert peaks[many] < MOST_GROWTH * peaks[few]
