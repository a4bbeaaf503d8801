"""What is written about an orchestration as a whole: started, refused, acted on, finished.

Belongs here: rows of `sync_activity_log`. Does not: what happens to one queue (queues.py), lines.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from psycopg.types.json import Jsonb

from sync_pipeline import logs
from sync_pipeline.postgres.database import Database, DictConnection
from sync_pipeline.postgres.statements import statement

Status = Literal["success", "info", "warning", "error"]

_log = logs.get_logger(__name__)
_LEVELS: Final = {
    "success": logging.INFO,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_ENDS: Final = ("done", "partial", "failed", "cancelled")


@dataclass(frozen=True)
class Activity:
    """One row of the audit."""

    activity_type: str
    status: Status
    message: str
    details: Mapping[str, Any] | None
    created_at: datetime


def record(
    conn: DictConnection,
    org_id: str,
    orchestration_no: int,
    activity_type: str,
    status: Status,
    message: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write one row, and a record of it to the log; the caller commits."""
    _log.log(
        _LEVELS[status],
        activity_type.replace("_", " "),
        words=message,
        orchestration=orchestration_no,
        organization=org_id,
    )
    conn.execute(
        statement("orchestrations/record_activity"),
        {
            "orchestration_no": orchestration_no,
            "org_id": org_id,
            "activity_type": activity_type,
            "status": status,
            "message": message,
            "details": None if details is None else Jsonb(dict(details)),
        },
    )


def note_end(database: Database, status: Mapping[str, Any]) -> bool:
    """Tell of an end that nobody told of yet; True for the one caller that did.

    One that was opened again by a retry may end a second time.

    Args:
        status: a row of sync_orchestration_status.
    """
    state = status["state"] if status["state"] in _ENDS else None
    if status["noted_state"] == state:
        return False
    org_id, number = str(status["org_id"]), status["orchestration_no"]
    with database.organization(org_id) as conn:
        values = {"orchestration_no": number, "state": state}
        if conn.execute(statement("orchestrations/note"), values).fetchone() is None:
            return False
        if state is None:
            return False
        record(
            conn, org_id, number, "orchestration_finished",
            "success" if state == "done" else "warning",
            in_words(status),
            {"state": state, "finished_at": status["finished_at"].isoformat()},
        )  # fmt: skip
    return True


def activities_of(database: Database, org_id: str, orchestration_no: int) -> list[Activity]:
    """What happened to an orchestration, oldest first."""
    with database.organization(org_id) as conn:
        rows = conn.execute(
            statement("orchestrations/activity"), {"orchestration_no": orchestration_no}
        ).fetchall()
    return [Activity(**row) for row in rows]


def in_words(status: Mapping[str, Any]) -> str:
    """How an orchestration stands, in a sentence. Pure.

    Args:
        status: a row of sync_orchestration_status.
    """
    names = ("done", "partial", "failed", "cancelled", "processing", "draft", "purged", "refused")
    parts = [f"{status[f'n_{name}']} {name}" for name in names if status[f"n_{name}"]]
    total = status["n_queues"] + status["n_refused"]
    return f"{status['state']}: of {total} queues {', '.join(parts) or 'none is there'}"
