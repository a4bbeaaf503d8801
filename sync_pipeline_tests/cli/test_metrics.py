"""`metrics`: what Prometheus reads, and that the alarm rules ask for nothing else."""

import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sync_pipeline.sources.call_stats import CallStats
from sync_pipeline_tests.cli.conftest import NOBODY_LISTENS
from sync_pipeline_tests.factories import apply_records, customer, environment, make_connection

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus-rules.yml").read_text())
METRICS_PAGE = (ROOT / "docs" / "metrics.md").read_text()
ALARMS = [rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]


def names_in(text):
    """Every sample that an exposition has or declares."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {
        family.name + suffix
        for family in text_string_to_metric_families(text)
        for suffix in suffixes[family.type]
    }


@pytest.fixture
def shop(database, org_id):
    shop = make_connection(database, org_id)
    apply_records(database, shop, [customer(1), customer(2, email="bad")])
    with CallStats(database, shop) as calls:
        calls.observed(0.1, None)
    return shop


@pytest.fixture
def exposition(cli, shop):
    ran = cli("metrics", "--once", DAGSTER_HOME="")
    assert ran.exit_code == 0
    return ran.stdout


def test_given_once_then_the_exposition_is_printed_and_can_be_parsed(exposition):
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }

    labels = {
        "connection": "shop",
        "organization": "acme",
        "entity": "customers",
        "state": "created",
    }
    assert samples["sync_database_up", frozenset()] == 1
    assert samples["sync_lines_total", frozenset(labels.items())] == 1


def test_given_a_database_that_is_down_then_once_still_tells_that(run):
    ran = run("metrics", "--once", DATABASE_URL=NOBODY_LISTENS, DAGSTER_HOME="")

    assert ran.exit_code == 0
    assert "\nsync_database_up 0.0\n" in ran.stdout


def test_given_the_alarm_rules_then_each_metric_in_them_is_told(exposition):
    told = names_in(exposition)
    recorded = {rule["record"] for group in RULES["groups"] for rule in group["rules"]
                if "record" in rule}  # fmt: skip
    asked = {
        name
        for group in RULES["groups"]
        for rule in group["rules"]
        for name in re.findall(r"\bsync[_:][a-z0-9_:]+", rule["expr"])
    }

    assert asked - told - recorded == set()
    assert len(asked) > 10


def test_given_the_alarm_rules_then_each_says_what_to_do_and_the_page_explains_it():
    for alarm in ALARMS:
        assert alarm["annotations"]["action"]
        assert alarm["labels"]["severity"] in ("critical", "warning")
        assert f"`{alarm['alert']}`" in METRICS_PAGE, alarm["alert"]


def test_given_the_metrics_then_the_page_explains_each(exposition):
    families = text_string_to_metric_families(exposition)
    names = {f.name + ("_total" if f.type == "counter" else "") for f in families}

    assert [name for name in sorted(names) if f"`{name}`" not in METRICS_PAGE] == []
    assert set(re.findall(r"^\| `(sync_[a-z_]+)`", METRICS_PAGE, re.MULTILINE)) == names


def test_given_a_served_exporter_then_prometheus_reads_it_and_a_signal_ends_it(database, shop):
    port = free_port()
    exporter = subprocess.Popen(
        [sys.executable, "-m", "sync_pipeline.cli", "metrics", "--port", str(port)],
        env=environment(database) | {"DAGSTER_HOME": "", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = exporter.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
            text = answer.read().decode()
    finally:
        exporter.terminate()
        _, errors = exporter.communicate(timeout=30)

    assert f"http://127.0.0.1:{port}/metrics" in said
    assert "sync_lines_total" in names_in(text)
    assert (exporter.returncode, errors) == (0, "")


def test_given_a_port_that_is_taken_then_that_is_said(cli):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = cli("metrics", "--port", str(port), DAGSTER_HOME="")

    assert ran.exit_code == 1
    assert "Another program listens there" in ran.stderr


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
