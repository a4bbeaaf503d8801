from pathlib import Path

import pytest
from pydantic import SecretStr

from sync_pipeline.orchestration import instance as instance_module
from sync_pipeline.orchestration.coordinator import FairRunCoordinator
from sync_pipeline.orchestration.instance import dagster_environment, ensure_instance
from sync_pipeline.settings import DatabaseSettings


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatabaseSettings:
    for name in ("DAGSTER_HOME", "SYNC_DAGSTER_STORAGE_URL", "SYNC_LOCAL_DIR"):
        monkeypatch.setenv(name, "to be put back")
    return DatabaseSettings.model_validate(
        {"DATABASE_URL": SecretStr("unused"), "SYNC_LOCAL_DIR": tmp_path / ".local"}
    )


def test_given_a_password_when_files_are_written_then_it_is_not_in_them(
    settings, monkeypatch, tmp_path
):
    monkeypatch.setattr(
        instance_module, "dagster_url", lambda _: "postgresql+psycopg2://me:s3cret@db/dagster"
    )

    environment = dagster_environment(settings, "postgresql://me:s3cret@db/sync")

    home = Path(environment["DAGSTER_HOME"])
    assert home.is_absolute()
    assert "s3cret" in environment["SYNC_DAGSTER_STORAGE_URL"]
    assert [path for path in home.iterdir() if "s3cret" in path.read_text()] == []
    assert sorted(path.name for path in home.iterdir()) == ["commands.yaml", "dagster.yaml"]


def test_given_an_empty_database_when_opened_then_runs_are_kept_in_it(
    settings, monkeypatch, empty_database_url
):
    name = empty_database_url.rpartition("/")[2].partition("?")[0]
    original = instance_module.dagster_url
    monkeypatch.setattr(instance_module, "dagster_url", lambda url: original(url, name))

    with ensure_instance(settings, empty_database_url) as instance:
        instance.add_dynamic_partitions("connections", ["shop"])
    with ensure_instance(settings, empty_database_url) as instance:
        assert instance.get_dynamic_partitions("connections") == ["shop"]
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
        assert isinstance(instance.run_coordinator, FairRunCoordinator)
