from dataclasses import replace

import dagster as dg
import pytest

from sync_pipeline.orchestration import checks
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.verdict import Verdict

STATES = ("draft", "processing", "done", "failed", "cancelled")
AGREED = Verdict(
    total=10,
    scanned=10,
    distinct=10,
    ours=10,
    missing=0,
    failed=0,
    extra=0,
    lost=0,
    missing_ids=(),
    extra_ids=(),
    is_complete=True,
    agree=True,
)


def status(**counts: int) -> dict[str, object]:
    """A queue's row with these counts, and the sum of them in all."""
    filled = {f"{state}_count": counts.get(state, 0) for state in STATES}
    return filled | {"total_count": sum(counts.values()), "is_paused": False}


class TestCompleteness:
    @pytest.mark.parametrize(
        ("is_complete", "passed"), [(True, True), (None, True), (False, False)]
    )
    def test_given_a_scan_when_judged_then_only_a_disproof_fails_and_it_warns(
        self, is_complete, passed
    ):
        result = checks.completeness_proven(Coverage(9, 10, is_complete))

        assert result.passed == passed
        assert result.severity == dg.AssetCheckSeverity.WARN

    def test_given_no_total_when_judged_then_it_says_so(self):
        result = checks.completeness_proven(Coverage(9, None, is_complete=False))

        assert result.description == "9 records were read, and the store names no total"


class TestCounters:
    def test_given_equal_numbers_when_judged_then_it_passes(self):
        assert checks.counters_equal_lines(
            status(done=3, failed=1), {"done": 3, "failed": 1}
        ).passed

    def test_given_a_line_too_few_when_judged_then_state_and_total_are_named(self):
        result = checks.counters_equal_lines(status(done=3), {"done": 2})

        assert not result.passed
        assert result.severity == dg.AssetCheckSeverity.ERROR
        assert result.description == (
            "done: the counter says 3, the lines say 2; total: the counter says 3, the lines say 2"
        )


class TestNoLineLeftBehind:
    def test_given_ends_only_when_judged_then_it_passes(self):
        assert checks.no_line_left_behind(status(done=1, failed=1, cancelled=1)).passed

    @pytest.mark.parametrize("state", ["draft", "processing"])
    def test_given_a_line_that_waits_when_judged_then_it_is_an_error(self, state):
        result = checks.no_line_left_behind(status(done=1) | status(**{state: 2}))

        assert not result.passed
        assert result.severity == dg.AssetCheckSeverity.ERROR
        assert result.description.startswith("2 lines wait")


class TestBothSides:
    def test_given_agreement_when_judged_then_it_passes(self):
        assert checks.both_sides_agree(AGREED).passed

    def test_given_a_filtered_sync_when_judged_then_there_is_nothing_to_fail(self):
        assert checks.both_sides_agree(replace(AGREED, agree=None)).passed

    @pytest.mark.parametrize(
        ("found", "severity"),
        [
            ({"missing": 1, "failed": 1}, dg.AssetCheckSeverity.WARN),
            ({"missing": 1, "lost": 1}, dg.AssetCheckSeverity.WARN),
            ({"extra": 1}, dg.AssetCheckSeverity.WARN),
            ({"missing": 1, "is_complete": False}, dg.AssetCheckSeverity.WARN),
            ({"missing": 1}, dg.AssetCheckSeverity.ERROR),
        ],
    )
    def test_given_a_difference_when_judged_then_one_without_a_reason_is_an_error(
        self, found, severity
    ):
        result = checks.both_sides_agree(replace(AGREED, agree=False, **found))

        assert not result.passed
        assert result.severity == severity


class TestCertificate:
    @pytest.mark.parametrize(
        ("holds", "is_explained", "passed", "severity"),
        [
            (True, True, True, dg.AssetCheckSeverity.WARN),
            (None, True, True, dg.AssetCheckSeverity.WARN),
            (False, True, False, dg.AssetCheckSeverity.WARN),
            (False, False, False, dg.AssetCheckSeverity.ERROR),
        ],
    )
    def test_given_a_certificate_when_judged_then_red_only_where_nobody_knows_why(
        self, holds, is_explained, passed, severity
    ):
        result = checks.certificate_holds(
            {"holds": holds, "is_explained": is_explained, "verdict": "does not hold: …"}
        )

        assert (result.passed, result.severity) == (passed, severity)

    def test_given_what_is_no_sync_when_judged_then_it_passes(self):
        assert checks.certificate_holds(None).passed
