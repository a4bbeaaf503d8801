import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from sync_pipeline.definitions import build_definitions, defs
from sync_pipeline.entities import CUSTOMERS, ENTITIES
from sync_pipeline.entities.woocommerce_inventory import INVENTORY
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.entities.woocommerce_payments import PAYMENTS
from sync_pipeline.entities.woocommerce_products import PRODUCTS
from sync_pipeline.errors import InputError
from sync_pipeline.orchestration.results import asset_key

ROOT = Path(__file__).parent.parent.parent

_IMPORT_ALONE = """
import os, sys
before = dict(os.environ)
class Watched(dict):
    def __getitem__(self, name):
        if name.startswith(("SYNC_", "DATABASE_")):
            sys.exit("read " + name)
        return super().__getitem__(name)
    def get(self, name, default=None):
        if name.startswith(("SYNC_", "DATABASE_")):
            sys.exit("read " + name)
        return super().get(name, default)
os.environ = Watched(before)
import sync_pipeline.definitions
assert not os.listdir("."), os.listdir(".")
"""


def test_when_loaded_then_dagster_accepts_the_definitions():
    dg.Definitions.validate_loadable(defs())


def test_given_a_setting_that_is_refused_when_loaded_then_its_variable_is_named(monkeypatch):
    monkeypatch.setenv("SYNC_NIGHTLY_HOUR_UTC", "24")

    with pytest.raises(InputError, match=r"^SYNC_NIGHTLY_HOUR_UTC: Input should be"):
        defs()


def test_when_built_then_each_entity_has_four_assets_in_one_group_and_a_job():
    built = build_definitions()

    graph = built.resolve_asset_graph()
    stages = ("pages", "queue", "applied", "reconciled")
    keys = {asset_key(entity, stage) for entity in ENTITIES for stage in stages}
    assert graph.get_all_asset_keys() == keys
    assert {graph.get(key).group_name for key in keys} == {
        f"woocommerce_{entity.name}" for entity in ENTITIES
    }
    for entity in ENTITIES:
        job = built.resolve_job_def(f"sync_{entity.name}")
        assert job.partitions_def.name == "connections"
        assert job.asset_layer.executable_asset_keys == {asset_key(entity, one) for one in stages}


@pytest.mark.parametrize(
    ("entity", "stage", "parents"),
    [
        (ORDERS, "pages", []),
        (CUSTOMERS, "pages", [(ORDERS, "queue")]),
        (CUSTOMERS, "applied", [(CUSTOMERS, "queue")]),
        (ORDERS, "applied", [(ORDERS, "queue"), (CUSTOMERS, "applied"), (PRODUCTS, "applied")]),
        (INVENTORY, "pages", [(PRODUCTS, "applied")]),
        (INVENTORY, "applied", [(INVENTORY, "queue")]),
        (PAYMENTS, "pages", [(ORDERS, "applied")]),
        (PAYMENTS, "reconciled", [(PAYMENTS, "applied")]),
    ],
)
def test_when_built_then_an_asset_comes_after_what_its_entity_depends_on(entity, stage, parents):
    graph = build_definitions().resolve_asset_graph()

    assert graph.get(asset_key(entity, stage)).parent_keys == {asset_key(*one) for one in parents}


def test_when_built_then_one_job_has_every_asset_of_a_store():
    built = build_definitions()

    job = built.resolve_job_def("sync_all")

    assert job.partitions_def.name == "connections"
    assert job.asset_layer.executable_asset_keys == built.resolve_asset_graph().get_all_asset_keys()


def test_when_imported_then_no_setting_is_read_and_no_file_is_made(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALONE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
