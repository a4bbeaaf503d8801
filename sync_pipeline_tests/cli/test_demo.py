"""`demo` and `dev` as people run them: processes, no configuration, an embedded server."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sync_pipeline
from sync_pipeline.postgres.embedded import stop_embedded
from sync_pipeline_tests.cli.conftest import NOBODY_LISTENS, Cli

REPOSITORY = Path(sync_pipeline.__file__).parent.parent
DEADLINE_SECONDS = 300
ENTITIES = ("customers", "products", "orders", "inventory", "payments")
RUNS = "{ runsOrError { ... on Runs { results { runId status jobName } } } }"
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError { __typename } } } } }"""


@pytest.fixture(scope="module")
def local_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("demo") / "local"
    yield directory
    stop_embedded(directory)
    shutil.rmtree(directory, ignore_errors=True)


def environment(local_dir: Path) -> dict[str, str]:
    hidden = ("DATABASE_URL", "DAGSTER_HOME", "SYNC_DEBUG")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | {"SYNC_LOCAL_DIR": str(local_dir), "PYTHONPATH": str(REPOSITORY)}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sync_pipeline.cli", *arguments]


def run(local_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env=environment(local_dir),
        cwd=local_dir.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_SECONDS,
    )


@pytest.fixture(scope="module")
def first(local_dir: Path) -> subprocess.CompletedProcess[str]:
    """The demo on a machine that never saw it."""
    return run(local_dir, "demo")


class TestDemo:
    def test_given_nothing_when_run_then_the_whole_store_is_created_and_both_sides_agree(
        self, first: subprocess.CompletedProcess[str]
    ):
        assert first.returncode == 0, first.stderr
        # entity, state, read, created, updated, unchanged, failed, took (two words), both sides
        told = {line.split()[0]: line.split() for line in first.stdout.splitlines() if line}
        created = {entity: told[entity][3] for entity in ENTITIES}
        assert created == {
            "customers": "1,000", "products": "280", "orders": "3,009", "inventory": "280",
            "payments": "2,638",
        }  # fmt: skip
        assert {told[entity][9] for entity in ENTITIES} == {"agree"}
        assert "5 of 5 entities are in step" in first.stdout
        assert "explain demo customers 3" in first.stdout
        assert first.stderr == ""

    def test_given_a_database_that_is_down_when_run_then_nothing_is_made(
        self, tmp_path: Path, run: Cli
    ):
        ran = run("demo", DATABASE_URL=NOBODY_LISTENS)

        assert ran.exit_code == 1
        assert "does not answer" in ran.stderr
        assert not (tmp_path / "local").exists()


class TestDev:
    def test_given_a_port_in_use_when_started_then_nothing_else_is_started(
        self, tmp_path: Path, run: Cli
    ):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()

            ran = run("dev", "--port", str(taken.getsockname()[1]))

        assert (ran.exit_code, ran.stdout) == (1, "")
        assert "cannot be used: Address already in use" in ran.stderr
        assert "--port" in ran.stderr
        assert not (tmp_path / "local").exists()

    def test_given_a_port_that_is_none_when_started_then_it_is_wrong_input(self, run: Cli):
        assert run("dev", "--port", "70000").exit_code == 2

    def test_given_a_first_run_when_dev_is_started_then_nothing_is_to_change_and_ctrl_c_ends_all(
        self, first: subprocess.CompletedProcess[str], local_dir: Path
    ):
        port = free_port()
        with (local_dir.parent / "dev.log").open("w+") as log:
            dev = subprocess.Popen(
                command("dev", "--port", str(port)),
                env=environment(local_dir),
                cwd=local_dir.parent,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                await_ui(dev, port)
                runs = asked(port, RUNS)["runsOrError"]["results"]
                locations = asked(port, LOCATIONS)["workspaceOrError"]["locationEntries"]
                while_running = processes_of(local_dir)
                dev.send_signal(signal.SIGINT)
                exit_code = dev.wait(DEADLINE_SECONDS)
            finally:
                dev.kill()
                dev.wait()
            log.seek(0)
            printed = log.read()

        assert exit_code == 0, printed
        assert "Nothing to change: 0 lines. Everything is as before." in printed
        (run_id,) = re.findall(r"Dagster run ([0-9a-f-]{36})", first.stdout)
        assert run_id in [one["runId"] for one in runs]
        assert {(one["status"], one["jobName"]) for one in runs} == {("SUCCESS", "sync_all")}
        assert [one["locationOrLoadError"]["__typename"] for one in locations] == [
            "RepositoryLocation"
        ]
        assert len(while_running) >= 3
        assert processes_of(local_dir) == []
        assert f"Dagster UI: http://127.0.0.1:{port}" in printed
        assert "Traceback" not in printed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_ui(dev: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline and dev.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the UI does not answer (exit code {dev.poll()})")


def asked(port: int, query: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["data"]


def processes_of(local_dir: Path) -> list[str]:
    """Everything that was started with this directory in its environment, by its command."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if f"SYNC_LOCAL_DIR={local_dir}\0".encode() in (directory / "environ").read_bytes():
                words = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                found += [words] if words else []  # a zombie has none
        except OSError:
            continue
    return found
