"""Reconcile: hold both sides against each other and say whether they agree, and where not.

Belongs here: the verdict of one sync, and what makes the next one mend what was deleted here by
hand. Does not: mending what differs; that is the next sync.
"""

from dataclasses import asdict
from typing import Any, Final

from psycopg import sql
from psycopg.types.json import Jsonb

from sync_pipeline.entities import Entity
from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.queues import Queue, record_activity
from sync_pipeline.stages.certificate import certify
from sync_pipeline.stages.coverage import NOTHING_READ, Coverage, landed_name, sweep_name
from sync_pipeline.stages.verdict import NO_SYNC, Verdict, judge

_NOTHING: Final = asdict(NOTHING_READ)


def reconcile(database: Database, queue: Queue, entity: Entity) -> Verdict:
    """Compare both sides; keep the verdict and the certificate with the queue and in its activity.

    What is no sync is not compared, and keeps none.
    """
    if queue.filters.is_beside:
        return NO_SYNC
    with database.organization(queue.org_id) as conn:
        note = conn.execute(statement("extract/note"), {"queue_no": queue.queue_no}).fetchone()
        assert note is not None  # noqa: S101  (the queue is at hand)
        found = Coverage(**note["extract_note"].get("records", _NOTHING))
        sides = _sides(queue, entity, found)
        row = conn.execute(
            sql.SQL(statement("reconcile/compare")).format(
                target=sql.Identifier(entity.target), is_own=_is_own(entity)
            ),
            sides,
        ).fetchone()
        assert row is not None  # noqa: S101  (an aggregate has a row)
        verdict = judge(
            dict(row),
            total=note["source_total"],
            scanned=found.scanned,
            is_complete=note["is_complete"],
            is_filtered=not queue.filters.is_everything,
            is_window=queue.filters.is_window,
            is_delta=found.is_delta,
            is_doubted=found.is_doubted,
        )
        if verdict.is_whole and row["n_disputed"]:
            conn.execute(statement("reconcile/settle_gone"), sides)
        if verdict.lost:
            conn.execute(
                sql.SQL(statement("reconcile/bring_back")).format(
                    target=sql.Identifier(entity.target)
                ),
                {"connection_id": queue.connection_id, "entity": entity.name},
            )
            conn.execute(
                statement("reconcile/forget_watermark"),
                {"connection_id": queue.connection_id, "known_as": entity.watermark_name},
            )
        is_news = conn.execute(
            statement("reconcile/keep"),
            {
                "queue_no": queue.queue_no,
                "verdict": Jsonb(asdict(verdict)),
                "is_purged": verdict.is_purged,
            },
        ).fetchone()
        if is_news:
            record_activity(
                conn,
                queue,
                "reconciled",
                {True: "success", False: "warning", None: "info"}[verdict.agree],  # type: ignore[arg-type]
                verdict.in_words,
                asdict(verdict),
            )
        certify(conn, queue, entity, verdict, note)
    return verdict


def _sides(queue: Queue, entity: Entity, found: Coverage) -> dict[str, Any]:
    """Whose ids are held against each other: parameters of compare.sql."""
    return {
        "queue_no": queue.queue_no,
        "connection_id": queue.connection_id,
        "entity": entity.name,
        "listing": sweep_name(entity.listing.name)
        if found.is_swept
        else landed_name(entity.listing, found),
        "prefix": entity.children_prefix,
        "guests": entity.guests_name,
        "guest_prefix": entity.guests.id_prefix if entity.guests else None,
    }


def _is_own(entity: Entity) -> sql.Composable:
    """What tells records of the entity's listing from children, in compare.sql."""
    if entity.children is None:
        return sql.SQL("true")
    return sql.SQL("{} IS NULL").format(sql.Identifier("t", entity.children.parent_column))
