"""Conflicts as Dagster shows them, and the job that resolves them."""

import dagster as dg
import pytest

from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.orchestration.conflicts import no_open_conflicts
from sync_pipeline.orchestration.resource import provided
from sync_pipeline.queue.conflicts import Chosen, list_conflicts
from sync_pipeline.stages.changes import apply_changes
from sync_pipeline_tests.factories import (
    apply_records,
    customer,
    make_connection,
    queue_settings,
    row,
)
from sync_pipeline_tests.orchestration.conftest import failure_of, materialize


@pytest.fixture
def disputed(database):
    """Customers 1 and 2 have another phone there and here; the e-mail of 3 is none."""

    def there(number, phone):
        made = customer(number)
        return made | {"billing": made["billing"] | {"phone": phone}}

    shop = make_connection(database)
    apply_records(database, shop, [there(1, "1"), there(2, "1")])
    with database.organization("acme") as conn:
        conn.execute("UPDATE customer SET phone = 'here'")
    records = [there(1, "there"), there(2, "there"), customer(3, email="bad")]
    return apply_records(database, shop, records)[0]


@pytest.fixture
def resolve(instance, database):
    """Run the job `resolve_conflicts`."""

    def run(**config):
        with provided(database):
            return (
                build_definitions()
                .resolve_job_def("resolve_conflicts")
                .execute_in_process(
                    instance=instance,
                    raise_on_error=False,
                    run_config={
                        "ops": {"decide_about_conflicts": {"config": {"by": "ann", **config}}},
                        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                    },
                )
            )

    return run


def told(result):
    (event,) = result.filter_events(lambda event: event.is_successful_output)
    return {name: one.value for name, one in event.step_output_data.metadata.items()}


def test_given_open_conflicts_when_reconciled_then_the_check_warns_with_a_table(
    instance, database, disputed
):
    result = materialize(instance, database, ["reconciled"])

    (check,) = [
        one for one in result.get_asset_check_evaluations() if one.check_name == "no_open_conflicts"
    ]
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["open_conflicts"].value == 3
    table = check.metadata["conflicts"].value
    assert table.count("DataMismatch") == 2
    assert "not an e-mail address" in table


def test_given_no_conflict_then_the_check_passes():
    assert no_open_conflicts(0, []).passed


def test_given_conflicts_when_the_job_decides_then_a_queue_applies_it_with_who_and_why(
    resolve, database, disputed
):
    shown = told(
        resolve(conflict_type="DataMismatch", decision="fields", values={"phone": "typed"},
                reason="they called")
    )  # fmt: skip

    assert shown["queued"] == 2
    apply_changes(database, shown["queue_ids"], queue_settings())
    assert row(database, "SELECT min(phone) AS phone FROM customer")["phone"] == "typed"
    (one, _) = list_conflicts(database, Chosen(state="resolved"))
    assert one.resolved_by == "ann"
    assert "they called" in one.resolution


def test_given_what_failed_when_the_job_retries_or_skips_then_it_does(resolve, database, disputed):
    retried = told(resolve(conflict_type="ValidationError", decision="retry"))
    skipped = told(resolve(conflict_type="ValidationError", decision="skip"))

    assert retried["queue_ids"] == [str(disputed.id)]
    assert (retried["retried"], skipped["skipped"]) == (1, 1)


def test_given_another_version_or_no_decision_then_the_run_fails_in_words_with_the_code(
    resolve, database, disputed
):
    one = list_conflicts(database, Chosen(conflict_type="DataMismatch"))[0]

    moved = failure_of(resolve(conflict_ids=[str(one.id)], decision="source", version=9))
    wrong = failure_of(resolve(decision="coin"))

    assert moved.metadata["code"].value == "conflict.moved"
    assert "There are source, target, fields, skip, retry" in wrong.description
