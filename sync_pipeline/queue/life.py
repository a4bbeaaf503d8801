"""Signs of life: which queues runs are about, and when somebody last showed work on them.

Belongs here: reading both. Does not: judging runs (orchestration/in_flight.py), showing work
(heartbeat.py).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement


@dataclass(frozen=True)
class Life:
    """The last sign of life of who works a queue, and in which run that was."""

    last_dagster_run_id: str | None
    silent_seconds: float


def signs_of_life(database: Database, queue_ids: Collection[str]) -> dict[str, Life]:
    """By queue id; unknown ids are left out, and so is what is no id: anybody can tag a run."""
    if not (known := _ids_among(queue_ids)):
        return {}
    with database.control() as conn:
        found = conn.execute(statement("queue/signs_of_life"), {"queue_ids": known}).fetchall()
    return {
        row["queue_id"]: Life(row["last_dagster_run_id"], row["silent_seconds"]) for row in found
    }


def queues_together(
    database: Database, orchestration_ids: Collection[str]
) -> Mapping[tuple[str, str], list[str]]:
    """Queue ids by (orchestration id, connection), in the order of the entities.

    What was purged or could not be opened is left out; so are unknown orchestrations, and what is
    no id: anybody can tag a run.
    """
    if not (known := _ids_among(orchestration_ids)):
        return {}
    with database.control() as conn:
        found = conn.execute(statement("queue/together"), {"orchestration_ids": known}).fetchall()
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in found:
        together[row["orchestration_id"], row["connection"]].append(row["queue_id"])
    return together


def _ids_among(words: Collection[str]) -> list[str]:
    return [word for word in words if _is_id(word)]


def _is_id(word: str) -> bool:
    try:
        UUID(word)
    except ValueError:
        return False
    return True
