"""The asset checks of a sync: what they ask, and how bad a "no" is.

Belongs here: specs and verdicts, pure. Does not: reading the numbers (figures.py). Each check is
made by the asset it belongs to, from the numbers of that very run.

    completeness_proven    warns   what could not be proven read is `partial`, moves no watermark
                                   and is read again next time; the rest is applied meanwhile
    counters_equal_lines   errs    counters come from batches; a difference is a fault of ours, but
                                   to compare both sides is then all the more wanted: no block
    no_line_left_behind    errs, blocks   to compare sides while lines wait would call missing what
                                   is only late
    both_sides_agree       warns when every difference has its reason (a failed line, a row deleted
                                   by hand, a record that left the store, incomplete reading);
                                   errs when one has none
    no_open_conflicts      warns   a person decides, nothing is lost meanwhile (conflicts.py)
    certificate_holds      warns and errs likewise, of content: digests of ids and content hashes of
                                   both sides, made anew from what was read and what was applied
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.verdict import Verdict

_OPEN_STATES = ("draft", "processing")
_COUNTED_STATES = (*_OPEN_STATES, "done", "failed", "cancelled")


def pages_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Checks that `pages` makes."""
    return [
        dg.AssetCheckSpec(
            "completeness_proven",
            asset=key,
            description="Records read = the store's total = different ids, before and after.",
        )
    ]


def applied_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Checks that `applied` makes."""
    return [
        dg.AssetCheckSpec(
            "counters_equal_lines",
            asset=key,
            description="The queue's counters are what counting its lines one by one gives.",
        ),
        dg.AssetCheckSpec(
            "no_line_left_behind",
            asset=key,
            blocking=True,
            description="Every line is done, failed with a reason, or cancelled; none waits.",
        ),
    ]


def reconciled_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """Checks that `reconciled` makes."""
    return [
        dg.AssetCheckSpec(
            "both_sides_agree",
            asset=key,
            description="Every record of the store is ours, and every live one of ours is there.",
        ),
        dg.AssetCheckSpec(
            "certificate_holds",
            asset=key,
            description="What was read and what was applied are the same, by a digest of content.",
        ),
        dg.AssetCheckSpec(
            "no_open_conflicts",
            asset=key,
            description="No record waits for somebody to decide about it; else a table of them.",
        ),
    ]


def completeness_proven(coverage: Coverage) -> dg.AssetCheckResult:
    """Whether what was read is proven to be everything."""
    if coverage.is_complete is None:
        said = "not all of the store was to be read: there is nothing to prove"
    elif coverage.is_delta:
        said = (
            f"{coverage.scanned} records that changed were read, and {coverage.store_total} in all "
            "are as many as there must be"
        )
    elif coverage.is_complete:
        said = f"{coverage.scanned} of {coverage.total} records were read, each once"
    else:
        total = "no total" if coverage.total is None else f"{coverage.total} records"
        said = f"{coverage.scanned} records were read, and the store names {total}"
    return dg.AssetCheckResult(
        check_name="completeness_proven",
        passed=coverage.is_complete is not False,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={"scanned": coverage.scanned, "recovered": coverage.recovered}
        | ({} if coverage.total is None else {"total": coverage.total}),
    )


def counters_equal_lines(
    status: Mapping[str, Any], lines: Mapping[str, int]
) -> dg.AssetCheckResult:
    """Whether the queue's counters are what its lines say, state by state."""
    pairs = {state: (status[f"{state}_count"], lines.get(state, 0)) for state in _COUNTED_STATES}
    pairs["total"] = (status["total_count"], sum(lines.values()))
    different = {state: pair for state, pair in pairs.items() if pair[0] != pair[1]}
    return dg.AssetCheckResult(
        check_name="counters_equal_lines",
        passed=not different,
        severity=dg.AssetCheckSeverity.ERROR,
        description="; ".join(
            f"{state}: the counter says {counter}, the lines say {counted}"
            for state, (counter, counted) in different.items()
        )
        or f"{status['total_count']} lines, counted both ways",
        metadata={f"{state}_lines": counted for state, (_, counted) in pairs.items()},
    )


def no_line_left_behind(status: Mapping[str, Any]) -> dg.AssetCheckResult:
    """Whether every line came to an end."""
    waiting = sum(status[f"{state}_count"] for state in _OPEN_STATES)
    return dg.AssetCheckResult(
        check_name="no_line_left_behind",
        passed=waiting == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{waiting} lines wait{_why(status)}" if waiting else "no line waits",
        metadata={"waiting": waiting},
    )


def both_sides_agree(verdict: Verdict) -> dg.AssetCheckResult:
    """Whether the store and we hold the same records; an error when a difference has no reason."""
    unexplained = verdict.missing - verdict.failed - verdict.lost
    has_no_reason = unexplained > 0 and verdict.is_complete is not False
    return dg.AssetCheckResult(
        check_name="both_sides_agree",
        passed=verdict.agree is not False,
        severity=dg.AssetCheckSeverity.ERROR if has_no_reason else dg.AssetCheckSeverity.WARN,
        description=verdict.in_words,
        metadata={
            "ours": verdict.ours,
            "missing": verdict.missing,
            "missing_with_reason": verdict.failed,
            "extra": verdict.extra,
            "lost": verdict.lost,
        },
    )


def certificate_holds(certificate: Mapping[str, Any] | None) -> dg.AssetCheckResult:
    """Whether a sync is proven; an error when a difference has no known reason.

    Args:
        certificate: as it is kept with the queue; None of what is no sync.
    """
    made = certificate or {"holds": None, "is_explained": True, "verdict": "it is no sync"}
    return dg.AssetCheckResult(
        check_name="certificate_holds",
        passed=made["holds"] is not False,
        severity=dg.AssetCheckSeverity.WARN
        if made["is_explained"]
        else dg.AssetCheckSeverity.ERROR,
        description=made["verdict"],
        metadata={
            name: made[name]
            for name in ("scope", "theirs_count", "theirs_digest", "ours_count", "ours_digest")
            if name in made
        },
    )


def _why(status: Mapping[str, Any]) -> str:
    if status["is_paused"]:
        return ": the sync is paused; resume it and materialize again"
    return ": another process works on them, or was stopped; materialize again to go on"
