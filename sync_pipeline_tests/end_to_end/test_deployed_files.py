"""The files of deploy/ agree with each other and with the instance of a checkout."""

import configparser
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sync_pipeline.orchestration import instance as checkout
from sync_pipeline.settings import RunSettings
from sync_pipeline_tests.end_to_end.deployed_files import DEPLOY, example_variables, procfile

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


class TestFiles:
    def test_given_the_instance_of_a_checkout_then_the_deployed_one_has_the_same_shape(self):
        deployed = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
        ours = yaml.safe_load(checkout._COMMON + checkout.servers_yaml(RunSettings()))

        assert deployed["storage"] == ours["storage"]
        for key in ("module", "class"):
            assert deployed["run_coordinator"][key] == ours["run_coordinator"][key]
        assert limited(ours) <= limited(deployed)
        assert missing_keys(ours, deployed) == []

    @pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
    def test_given_a_unit_then_it_runs_what_the_procfile_runs_and_is_always_restarted(
        self, unit: Path
    ):
        service = unit_section(unit, "Service")

        name = unit.stem.removeprefix("sync-pipeline-")
        in_procfile = re.sub(r'"\$(\w+)"', r"${\1}", procfile()[name].removeprefix("exec "))
        assert service["ExecStart"] == f"/opt/sync-pipeline/.venv/bin/{in_procfile}"
        assert (service["Restart"], service["EnvironmentFile"]) == (
            "always",
            "/etc/sync-pipeline/environment",
        )

    def test_given_the_commands_then_the_example_sets_every_variable_that_they_name(self):
        texts = [*procfile().values(), *(unit.read_text() for unit in UNITS)]
        texts += [(DEPLOY / name).read_text() for name in ("dagster.yaml", "workspace.yaml")]
        named = {
            name
            for text in texts
            for found in re.findall(r"\$\{?([A-Z_]+)|^\s*env: (\w+)", text, flags=re.MULTILINE)
            for name in found
            if name
        }

        assert named - set(example_variables()) == set()

    def test_given_the_example_then_a_shell_reads_the_same_values_as_systemd(self):
        example = DEPLOY / "environment.example"

        read = subprocess.run(
            ["sh", "-euc", f"set -a; . '{example}'; set +a; env -0"],
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

        environment = dict(one.split("=", 1) for one in read.stdout.split("\0") if one)
        variables = example_variables()
        assert read.stderr == ""
        assert {name: environment.get(name) for name in variables} == variables
        assert "&" in variables["DATABASE_URL"]

    def test_given_the_example_then_it_holds_no_secret(self):
        text = (DEPLOY / "environment.example").read_text()

        assert re.findall(r"://[^@\s]*:[^@\s]+@", text) == []
        assert re.findall(r"^#?\w*(?:KEY|SECRET|PASSWORD)=.+$", text, flags=re.MULTILINE) == []


def limited(configuration: dict[str, Any]) -> set[str]:
    """The tags whose runs are limited."""
    limits = configuration["concurrency"]["runs"]["tag_concurrency_limits"]
    return {limit["key"] for limit in limits}


def missing_keys(ours: Any, deployed: Any, path: str = "") -> list[str]:
    """What the checkout's instance sets and the deployed one does not."""
    if not isinstance(ours, dict):
        return []
    if not isinstance(deployed, dict):
        return [path]
    return [
        missing
        for key, value in ours.items()
        for missing in (
            missing_keys(value, deployed[key], f"{path}.{key}")
            if key in deployed
            else [f"{path}.{key}"]
        )
    ]


def unit_section(unit: Path, section: str) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    return dict(parser[section])
