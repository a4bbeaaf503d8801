"""What is kept about one remote record. Frozen values.

Belongs here: their shapes, and what follows from one of them alone. Does not: reading them
(gathering.py), what they mean together (reasons.py, timeline.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

LineKind = Literal["sync", "replay", "checked", "revert", "resolution", "preview", "deletion"]

_KINDS: tuple[tuple[str, LineKind], ...] = (
    ("preview", "preview"),
    ("reverts", "revert"),
    ("resolves", "resolution"),
    ("replay", "replay"),
    ("applies", "checked"),
)


@dataclass(frozen=True)
class Identity:
    """Which of our rows a remote record is.

    Attributes:
        origin: "created" when a sync made our row, "matched" when it was there before.
        ours: our row, every column; None when it is not there.
        base: columns as the record was last taken to have them; None: they were not kept then.
        tombstoned_at, tombstone_reason: since when it is retired, and why; of no reason: another
            record took its row over.
        absence_count: whole readings in a row that did not list it.
        elsewhere_as: as what the store has it, though its listing does not show it.
    """

    local_id: UUID
    origin: str
    applied_at: datetime
    tombstoned_at: datetime | None
    tombstone_reason: str | None
    absence_count: int
    elsewhere_as: str | None
    origin_queue_id: UUID | None
    applied_queue_id: UUID | None
    base: Mapping[str, Any] | None
    ours: Mapping[str, Any] | None
    ours_updated_at: datetime | None


@dataclass(frozen=True)
class Line:
    """One time that the record was on a queue.

    Attributes:
        filters: what the queue is (queue/filters.py).
        change: the instruction about our row; None: it stands for the record as it was read.
    """

    queue_no: int
    line_no: int
    queue_id: UUID
    state: str
    process_count: int
    error_count: int
    error_code: str | None
    error_message: str | None
    last_error_at: datetime | None
    finished_at: datetime | None
    created_at: datetime
    filters: Mapping[str, Any]
    created_by: str | None
    change: Mapping[str, Any] | None

    @property
    def kind(self) -> LineKind:
        """What put it on the queue."""
        for name, kind in _KINDS:
            if name in self.filters:
                return kind
        return "sync" if self.change is None else "deletion"


@dataclass(frozen=True)
class Happening:
    """One row of the audit; before and after hold the columns that changed."""

    queue_id: UUID
    activity_type: str
    status: str
    message: str | None
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    details: Mapping[str, Any] | None
    created_at: datetime


@dataclass(frozen=True)
class Dispute:
    """One conflict that the record was in.

    Attributes:
        fields: of a DataMismatch, name -> {base, ours, theirs} as it was last met.
        is_by_change: a change of ours, such as an undo, met an edit; the store has no part in it.
        decided_by: who decided about it last; of an open one that was not applied, unless
            is_being_applied.
    """

    id: UUID
    conflict_type: str
    state: str
    message: str
    fields: Mapping[str, Mapping[str, Any]] | None
    is_by_change: bool | None
    created_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    resolution: str | None
    queue_id: UUID | None
    strategy: str
    decided_by: str | None
    is_being_applied: bool


@dataclass(frozen=True)
class Edit:
    """A field of our row that is not as the record was last taken to have it.

    Attributes:
        policy: who wins when the store changes it as well.
    """

    base: Any
    ours: Any
    policy: str


@dataclass(frozen=True)
class Story:
    """Everything that is kept about one remote record, each list oldest first.

    Attributes:
        sync_ends: by queue number, when each whole sync ended that made no line of it.
        is_listed: whether the newest whole sync met the record; None when that is not known.
        edits: fields that were edited here and kept.
    """

    connection: str
    entity: str
    external_id: str
    identity: Identity | None
    lines: tuple[Line, ...]
    activity: tuple[Happening, ...]
    conflicts: tuple[Dispute, ...]
    sync_ends: Mapping[int, datetime]
    is_listed: bool | None
    edits: Mapping[str, Edit]

    @property
    def real_lines(self) -> tuple[Line, ...]:
        """Lines that were to change something: not those of previews."""
        return tuple(line for line in self.lines if line.kind != "preview")

    @property
    def quiet_ends(self) -> tuple[datetime, ...]:
        """When the whole syncs ended that came after its last line."""
        last = max((line.queue_no for line in self.real_lines), default=0)
        return tuple(at for number, at in sorted(self.sync_ends.items()) if number > last)

    @property
    def written_at(self) -> datetime | None:
        """When something else than a line wrote our row, if that is what it holds now."""
        it = self.identity
        if it is None or it.ours_updated_at is None:
            return None
        at = it.ours_updated_at
        if any(one.created_at == at for one in self.activity):
            return None
        # Of what is purged nobody knows who wrote it.
        first = min((one.created_at for one in self.activity), default=it.applied_at)
        return at if at > min(first, it.applied_at) else None

    def line_of(self, happening: Happening) -> Line | None:
        """The line that a row of the audit is about."""
        return next((one for one in self.lines if one.queue_id == happening.queue_id), None)
