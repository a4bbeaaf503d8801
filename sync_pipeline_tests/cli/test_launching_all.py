"""What stands open while a command that syncs several entities has not come to Dagster yet."""

from sync_pipeline_tests.factories import make_connection, rows

KEYS = {"SHOP_KEY": "ck_test", "SHOP_SECRET": "cs_test"}


def test_given_dagster_takes_its_time_then_no_daemon_finds_the_queues_left_alone(
    cli, database, monkeypatch
):
    make_connection(database, "acme", name="shop")
    seen = []

    def ensure_instance(*_):
        seen.extend(rows(database, "SELECT stage_lease_until > now() AS is_held FROM sync_queue"))
        raise KeyboardInterrupt

    monkeypatch.setattr("sync_pipeline.orchestration.instance.ensure_instance", ensure_instance)

    cli("sync", "shop", "--entities", "customers,orders", **KEYS)

    assert seen == [{"is_held": True}] * 2
