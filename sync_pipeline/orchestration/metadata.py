"""What Dagster shows beside a materialization: rows, columns, rates, links, in its own types.

Belongs here: turning what a stage returned into metadata. Pure. Does not: reading (figures.py),
tables of rows (previews.py).
"""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import dagster as dg

from sync_pipeline.orchestration.figures import Table, Totals
from sync_pipeline.orchestration.previews import numbers_table
from sync_pipeline.queue.completion import Outcome
from sync_pipeline.sources.connections import Connection
from sync_pipeline.stages.coverage import Coverage
from sync_pipeline.stages.enqueued import Enqueued
from sync_pipeline.stages.verdict import Verdict

Metadata = dict[str, dg.MetadataValue[Any]]

# In the order in which people check them.
_CERTIFIED: Final = (
    *("scope", "source_total", "scanned", "distinct", "unchanged", "created", "updated", "deleted"),
    *("failed", "cancelled", "superseded", "conflicted", "open_conflicts", "drifted"),
    *("theirs_count", "ours_count", "theirs_digest", "ours_digest"),
)


def table_metadata(table: Table, *, rows: int, partition_rows: int) -> Metadata:
    """Dagster's own keys for a table: name, columns, rows in all and rows of the partition."""
    columns = [
        dg.TableColumn(
            name=name, type=kind, constraints=dg.TableColumnConstraints(nullable=not required)
        )
        for name, kind, required in table.columns
    ]
    return {
        "dagster/table_name": dg.MetadataValue.text(table.name),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
        "dagster/row_count": dg.MetadataValue.int(rows),
        "dagster/partition_row_count": dg.MetadataValue.int(partition_rows),
    }


def rate_metadata(what: str, count: int, seconds: float) -> Metadata:
    """How long a stage took, and how many it did a second."""
    return {
        "seconds": dg.MetadataValue.float(round(seconds, 3)),
        f"{what}_per_second": dg.MetadataValue.float(round(count / seconds, 1) if seconds else 0.0),
    }


def store_links(connection: Connection) -> Metadata:
    """Where people see the other side. An address keeps nothing that could be a secret."""
    parts = urlsplit(connection.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return {"store": dg.MetadataValue.text("the demo store, served while it is read")}
    port = f":{parts.port}" if parts.port else ""
    site = f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"
    links: Metadata = {"store": dg.MetadataValue.url(site)}
    if connection.system == "woocommerce":
        links["store_admin"] = dg.MetadataValue.url(f"{site}/wp-admin/admin.php?page=wc-admin")
    return links


def coverage_metadata(coverage: Coverage) -> Metadata:
    """What was read, and whether that was everything."""
    counts = {
        "scanned": coverage.scanned,
        "total": coverage.total,
        "recovered": coverage.recovered,
        "noisy_pages": coverage.noisy_pages,
    }
    return _ints(counts) | {"ids_swept_again": dg.MetadataValue.bool(coverage.is_swept)}


def enqueued_metadata(enqueued: Enqueued) -> Metadata:
    """What became of what was read, and by how much the two lifetime value rules differ."""
    every, paid = enqueued.lifetime_value_all_orders, enqueued.lifetime_value_paid_net
    counts = {
        "scanned": enqueued.scanned,
        "lines": enqueued.lines,
        "unchanged": enqueued.unchanged,
        "unreadable_orders": enqueued.unreadable_orders,
        # Of people without an account: 0 would say that the connection includes them.
        "guests": enqueued.guests or None,
    }
    return _ints(counts) | {
        "lifetime_value_difference": dg.MetadataValue.float(float(every - paid)),
        "lifetime_value_rules": dg.MetadataValue.md(
            numbers_table(
                [
                    ("all_orders: every order", _money(every)),
                    ("paid_net: processing and completed, less refunds", _money(paid)),
                    ("difference", _money(every - paid)),
                ]
            )
        ),
    }


def outcome_metadata(outcome: Outcome, status: Mapping[str, Any], totals: Totals) -> Metadata:
    """What the sync did to our side. Counts are the queue's; `lines_here` is what this run did."""
    counts = {
        "created": status["created_count"],
        "updated": status["updated_count"],
        "unchanged": status["unchanged_count"],
        "failed": status["failed_count"],
        "retried": outcome.retried,
        "conflicts": totals.n_conflicts,
        "lines": status["total_count"],
        "lines_here": outcome.done + outcome.failed,
    }
    found = _ints(counts) | {"queue_state": dg.MetadataValue.text(str(status["state"]))}
    if reason := status["action_required_reason"]:
        found["action_required"] = dg.MetadataValue.text(reason)
    return found


def verdict_metadata(verdict: Verdict, status: Mapping[str, Any], totals: Totals) -> Metadata:
    """Both sides' ids held against each other, to plot and to read."""
    numbers: dict[str, int | None] = {
        "scanned": verdict.scanned,
        "total": verdict.total,
        "distinct": verdict.distinct,
        "unchanged": status["unchanged_count"],
        "created": status["created_count"],
        "updated": status["updated_count"],
        "failed": status["failed_count"],
        "conflicts": totals.n_conflicts,
    }
    sides = {
        name: value
        for name, value in asdict(verdict).items()
        if name in ("ours", "missing", "extra", "lost")
    }
    found = _ints(numbers | sides) | {
        "verdict": dg.MetadataValue.text(verdict.in_words),
    }
    for name, ids in (("missing_ids", verdict.missing_ids), ("extra_ids", verdict.extra_ids)):
        if ids:
            found[name] = dg.MetadataValue.text(", ".join(ids))
    return found


def certificate_metadata(certificate: Mapping[str, Any] | None) -> Metadata:
    """What the sync proved: the digests of both sides, and every number beside them.

    Args:
        certificate: as it is kept with the queue; None of what is no sync.
    """
    if certificate is None:
        return {}
    named = (
        *((f"tombstoned, {reason}", count) for reason, count in certificate["tombstoned"].items()),
        *((f"not compared, {reason}", count) for reason, count in certificate["set_aside"].items()),
        *(
            (f"{kind}, {reason}", count)
            for kind, by_reason in certificate["differences"].items()
            for reason, count in by_reason.items()
        ),
    )
    rows = [(name, certificate[name]) for name in _CERTIFIED if certificate[name] is not None]
    drifted = {"drifted": certificate["drifted"]}
    return _ints(drifted) | {
        "certificate": dg.MetadataValue.md(numbers_table([*rows, *named])),
        "certificate_verdict": dg.MetadataValue.text(certificate["verdict"]),
        "theirs_digest": dg.MetadataValue.text(certificate["theirs_digest"]),
        "ours_digest": dg.MetadataValue.text(certificate["ours_digest"]),
    }


def _ints(counts: Mapping[str, int | None]) -> Metadata:
    known = {name: value for name, value in counts.items() if value is not None}
    return {name: dg.MetadataValue.int(int(value)) for name, value in known.items()}


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"
