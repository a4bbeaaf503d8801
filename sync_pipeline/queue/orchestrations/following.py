"""An orchestration at one moment: each of its connections and entities, and the whole.

Belongs here: reading what is shown while it is followed. Does not: how it looks (cli/).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sync_pipeline.postgres.database import Database
from sync_pipeline.postgres.statements import statement
from sync_pipeline.queue.orchestrations.records import Orchestration, orchestration_status


@dataclass(frozen=True)
class ItemStatus:
    """How one connection and entity stands.

    Attributes:
        queue_id: None: it was refused, or its queue was purged.
        is_connected: False: its connection was disconnected, and nothing is begun.
        is_joined: its queue was open before.
        state: of its queue, or `refused`; why is in `refusal`.
        waits_for: entities of its connection that are synced before it.
        progress: percent.
    """

    connection: str
    is_connected: bool
    entity: str
    queue_id: str | None
    is_joined: bool
    refusal: str | None
    state: str
    stage: str
    is_paused: bool
    is_processing: bool
    is_action_required: bool
    action_required_reason: str | None
    retry_at: datetime | None
    last_error: str | None
    scanned_count: int
    total_count: int
    created_count: int
    updated_count: int
    unchanged_count: int
    failed_count: int
    cancelled_count: int
    progress: float
    waits_for: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Its queue is not finished."""
        return self.state in ("draft", "processing")

    @property
    def waits_for_a_person(self) -> bool:
        """Nothing comes of it until somebody acts."""
        return self.is_open and (
            self.is_paused
            or self.is_action_required
            or not (self.is_connected or self.is_processing)
        )


@dataclass(frozen=True)
class Moment:
    """An orchestration as it is now.

    Attributes:
        status: a row of sync_orchestration_status.
    """

    status: Mapping[str, Any]
    items: Sequence[ItemStatus]

    @property
    def has_ended(self) -> bool:
        """No queue of it is open."""
        return self.status["state"] not in ("draft", "processing")

    @property
    def is_still(self) -> bool:
        """It has ended, or all that is open waits for a person."""
        return self.has_ended or all(one.waits_for_a_person for one in self.items if one.is_open)


def moment_of(database: Database, orchestration: Orchestration) -> Moment:
    """How it stands; who sees its end first writes so to its audit.

    Raises:
        UnknownOrchestrationError: it is gone.
    """
    with database.control() as conn:
        rows = conn.execute(
            statement("orchestrations/rows"),
            {"orchestration_no": orchestration.orchestration_no},
        ).fetchall()
    items = [
        ItemStatus(
            **row | {"waits_for": tuple(row["waits_for"]), "progress": float(row["progress"])}
        )
        for row in rows
    ]
    return Moment(orchestration_status(database, orchestration), items)
