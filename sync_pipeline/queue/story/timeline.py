"""A record's story in the order of time.

Belongs here: from what is kept to one sentence an event. Pure. Does not: concluding (reasons.py).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sync_pipeline.queue.story.kinds import Dispute, Happening, Line, Story
from sync_pipeline.queue.story.words import tombstone_words

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True)
class Event:
    """One thing that happened to the record.

    Attributes:
        kind: queued, done, skipped, failed, shown, conflict, resolved, unchanged, retired, edited.
        words: one sentence.
        before, after: columns that changed; after alone: a new row; neither: none did.
    """

    at: datetime
    kind: str
    words: str
    queue_id: UUID | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def timeline(story: Story) -> list[Event]:
    """Everything that is kept about the record, oldest first."""
    events = [
        *(_queued(story, line) for line in story.lines),
        *(_happened(story, one) for one in story.activity),
        *_cancelled(story),
        *(event for one in story.conflicts for event in _disputed(one)),
        *_unchanged(story),
        *_retired(story),
        *_edited(story),
    ]
    return sorted(events, key=lambda event: event.at)


def _queued(story: Story, line: Line) -> Event:
    words = _QUEUED[line.kind](line)
    it = story.identity
    if line.kind == "sync" and it is not None and it.origin_queue_id == line.queue_id:
        words = "The store listed a record that was not known here: queued."
    return Event(line.created_at, "queued", words, line.queue_id)


def _by(line: Line) -> str:
    return line.created_by or "Somebody"


def _why(line: Line) -> str:
    return str((line.change or _NOTHING).get("why") or "no reason was given")


_QUEUED: Final[Mapping[str, Callable[[Line], str]]] = {
    "sync": lambda _: "The store listed it with content that was not the last applied: queued.",
    "deletion": lambda line: f"The store has it no more: queued to be retired ({_why(line)}).",
    "replay": lambda _: (
        "What was read before is to be applied again, with another mapping: queued."
    ),
    "checked": lambda _: "A preview had shown it; that is to be applied: queued.",
    "revert": lambda line: f"{_by(line)} takes back what a queue did to it: queued ({_why(line)}).",
    "resolution": lambda line: f"{_by(line)} decided a conflict: queued ({_why(line)}).",
    "preview": lambda line: f"{_by(line)} looked at what a sync would do.",
}


def _happened(story: Story, one: Happening) -> Event:
    line = story.line_of(one)
    is_restored = one.activity_type == "record_created" and bool(line and line.change)
    kind, words = _DID.get(one.activity_type, ("done", one.activity_type.replace("_", " ")))
    if is_restored:
        words = "Our row was put back"
    if one.activity_type == "record_deleted":
        words = _deleted(one)
    is_partly = one.activity_type == "record_updated" and one.status == "warning"
    parts = [f"{words}{', in part' if is_partly else ''}", *_besides(one)]
    is_whole = one.before is None or one.activity_type != "record_deleted"
    return Event(
        one.created_at,
        kind,
        f"{'; '.join(parts)}.",
        one.queue_id,
        one.before if is_whole else None,
        one.after if is_whole else None,
    )


_DID: Final[Mapping[str, tuple[str, str]]] = {
    "record_created": ("done", "Our row was created"),
    "record_updated": ("done", "Our row was changed"),
    "record_unchanged": ("done", "No column of our row was changed"),
    "record_deleted": ("retired", "Our row was removed"),
    "record_superseded": ("skipped", "Skipped"),
    "record_retried": ("failed", "Could not be applied yet, and is tried again"),
    "record_failed": ("failed", "Not applied"),
    "record_cancelled": ("skipped", "Cancelled"),
    "preview_created": ("shown", "Shown: our row would be created"),
    "preview_updated": ("shown", "Shown: our row would be changed"),
    "preview_unchanged": ("shown", "Shown: our row would stay as it is"),
    "preview_superseded": ("shown", "Shown: it would be skipped"),
    "preview_deleted": ("shown", "Shown: our row would be retired"),
    "preview_failed": ("shown", "Shown: it would not be applied"),
}


def _deleted(one: Happening) -> str:
    if one.before is None:
        return "Our row was gone already, and the record is retired"
    if one.after is not None:
        return "Our row stays, and the record is retired"
    return "Our row was removed"


def _besides(one: Happening) -> Iterator[str]:
    details = one.details or _NOTHING
    if one.message:
        code = f" ({details['code']})" if "code" in details else ""
        yield f"{one.message}{code}"
    if kept := details.get("kept"):
        yield f"edited here and kept: {', '.join(kept)}"
    if base := details.get("base"):
        yield f"an edit here gave way: {', '.join(sorted(base))}"
    if "tombstone" in details and one.activity_type != "record_failed":
        yield tombstone_words(details["tombstone"])


def _cancelled(story: Story) -> Iterator[Event]:
    """Lines that were cancelled, where no row of the audit says so."""
    told = {one.queue_id for one in story.activity if one.activity_type == "record_cancelled"}
    for line in story.lines:
        if line.state == "cancelled" and line.queue_id not in told:
            at = line.last_error_at or line.finished_at or line.created_at
            yield Event(at, "skipped", "Cancelled before it was applied.", line.queue_id)


def _disputed(one: Dispute) -> Iterator[Event]:
    yield Event(
        one.created_at,
        "conflict",
        f"In conflict: {one.conflict_type}, {one.message}.",
        one.queue_id,
    )
    if one.resolved_at is not None:
        said = f": {one.resolution}" if one.resolution else ""
        words = f"The conflict {one.conflict_type} was {one.state} by {one.resolved_by}{said}."
        yield Event(one.resolved_at, "resolved", words)


def _unchanged(story: Story) -> Iterator[Event]:
    """Whole syncs that made no line of it, those between two of its lines as one event."""
    numbers = sorted(line.queue_no for line in story.real_lines)

    def before_which(item: tuple[int, datetime]) -> int:
        return sum(number < item[0] for number in numbers)

    for place, group in groupby(sorted(story.sync_ends.items()), key=before_which):
        ends = [at for _, at in group]
        if numbers and place == 0:
            continue
        yield Event(ends[-1], "unchanged", _quiet_words(ends, is_known=story.identity is not None))


def _quiet_words(ends: Iterable[datetime], *, is_known: bool) -> str:
    first, *rest = ends
    found = "it was as before, or not among what had changed" if is_known else "it was not read"
    if not rest:
        return f"One whole sync made no line of it: {found}."
    count = len(rest) + 1
    return f"{count} whole syncs since {first:%Y-%m-%d %H:%M:%S} made no line of it: {found}."


def _retired(story: Story) -> Iterator[Event]:
    """A tombstone that no row of the audit tells of: the record left its row to another."""
    it = story.identity
    if it is None or it.tombstoned_at is None:
        return
    if all(one.created_at != it.tombstoned_at for one in story.activity):
        yield Event(it.tombstoned_at, "retired", f"{tombstone_words(it.tombstone_reason)}.")


def _edited(story: Story) -> Iterator[Event]:
    if (at := story.written_at) is None:
        return
    names = ", ".join(story.edits)
    words = f"Our row was edited here: {names}." if names else "Our row was written here."
    yield Event(at, "edited", words)
