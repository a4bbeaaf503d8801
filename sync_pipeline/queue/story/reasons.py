"""Why our side of a record is as it is now.

Belongs here: what follows from everything that is kept, one sentence a reason. Pure. Does not:
telling it in order (timeline.py).
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from sync_pipeline.queue.story.kinds import Dispute, Line, Story
from sync_pipeline.queue.story.words import POLICY_WORDS, time_words, tombstone_words

_LONGEST_VALUE: Final = 60
_DID: Final = {
    "record_created": "created our row",
    "record_updated": "changed our row",
    "record_unchanged": "found our row equal already",
    "record_superseded": "was skipped, for a later sync had applied the record",
}
_CHANGED: Final = {
    "record_created": "put our row back",
    "record_updated": "changed our row",
    "record_unchanged": "wrote no column of our row",
    "record_deleted": "retired it",
}


def reasons(story: Story) -> list[str]:
    """One sentence a reason, what it is first."""
    found = [
        _of_identity(story),
        _of_last_line(story),
        _of_later_syncs(story),
        _of_the_store(story),
        *_of_our_row(story),
        *(_of_conflict(one) for one in story.conflicts if one.state == "open"),
    ]
    return [sentence for sentence in found if sentence]


def _of_identity(story: Story) -> str:
    it = story.identity
    if it is None:
        return "It is none of our rows: no sync has applied it yet."
    how = (
        "which a sync created for it"
        if it.origin == "created"
        else "which was there before and was matched by its key"
    )
    if it.tombstoned_at is None:
        return f"It is our row {it.local_id}, {how}."
    was = f"It was our row {it.local_id}, {how}"
    retired = f"retired since {time_words(it.tombstoned_at)}"
    return f"{was}; {retired}: {tombstone_words(it.tombstone_reason)}."


def _of_last_line(story: Story) -> str:
    if not story.real_lines:
        it = story.identity
        applied = f"; it was last applied on {time_words(it.applied_at)}" if it else ""
        return f"Every queue that it was on is purged, with its lines{applied}."
    last = story.real_lines[-1]
    if last.state == "failed":
        return _of_failed_line(story, last)
    if last.state == "done":
        return _of_done_line(story, last)
    if last.state == "cancelled":
        return "Its last line was cancelled before it was applied."
    tried = f", after {last.error_count} failed attempts" if last.error_count else ""
    return f"Its last line waits to be applied (state {last.state}{tried}): queue {last.queue_id}."


def _of_failed_line(story: Story, last: Line) -> str:
    why = f"{last.error_code}, {last.error_message}"
    if last.change is not None:
        is_partly = _last_activity(story, last) == "record_updated"
        held = "the rest of it was done" if is_partly else "nothing of it was done"
    elif story.identity is None:
        held = "so there is no row of ours"
    elif last.error_code == "conflict.data_mismatch":
        held = "nothing of it was done"
    else:
        held = "our row still holds what was applied before"
    return f"Its last line failed ({why}): {held}."


def _of_done_line(story: Story, last: Line) -> str:
    activity = _last_activity(story, last)
    if last.change is None:
        return f"Its last line {_DID.get(activity, 'was applied')} in queue {last.queue_id}."
    did = _CHANGED.get(activity, "was applied")
    by, why = last.change.get("by"), last.change.get("why")
    said = f", for {by}: {why}" if by and why else ""
    return f"Its last line {did} in queue {last.queue_id}{said}."


def _last_activity(story: Story, line: Line) -> str:
    of_line = [one.activity_type for one in story.activity if one.queue_id == line.queue_id]
    return of_line[-1] if of_line else ""


def _of_later_syncs(story: Story) -> str:
    ends = story.quiet_ends
    if not ends:
        return ""
    syncs = "One whole sync" if len(ends) == 1 else f"{len(ends)} whole syncs"
    when = f"{syncs} came after that, the last on {time_words(ends[-1])}"
    if story.is_listed is False:
        return f"{when}: the store no longer lists the record."
    it = story.identity
    if it is None:
        return f"{when}, and made no line of it."
    if it.tombstone_reason == "reverted" and it.tombstoned_at is not None:
        return f"{when}: the record was as before, so what was taken back stays so."
    return f"{when}: the record was as before, so it made no line."


def _of_the_store(story: Story) -> str:
    it = story.identity
    if it is None or it.tombstoned_at is not None:
        return ""
    if it.elsewhere_as is not None:
        shown = f" as {it.elsewhere_as!r}" if it.elsewhere_as else ""
        return (
            f"The store has it{shown}, though what is synced does not list it: it is not deleted."
        )
    if it.absence_count:
        times = "reading" if it.absence_count == 1 else "readings in a row"
        return (
            f"{it.absence_count} whole {times} did not list it; it is taken for deleted after two, "
            "when the store says so itself."
        )
    return ""


def _of_our_row(story: Story) -> list[str]:
    it = story.identity
    if it is None:
        return []
    if it.ours is None:
        return [] if it.tombstoned_at else ["Somebody deleted our row after the sync applied it."]
    found = []
    if story.written_at is not None:
        is_same = it.base is not None and not story.edits
        said = "; what the record says is in it" if is_same else ""
        found.append(
            f"Our row was changed by something else on {time_words(story.written_at)}{said}."
        )
    if it.tombstoned_at is None:
        found += [
            f"{name} was edited here and kept: the record had {_value(edit.base)}, our row has "
            f"{_value(edit.ours)} ({POLICY_WORDS.get(edit.policy, edit.policy)})."
            for name, edit in story.edits.items()
        ]
    return found


def _of_conflict(one: Dispute) -> str:
    said = f"{_waits(one)}: {one.conflict_type}, {one.message}."
    if not one.fields:
        return said
    sides = _of_change if one.is_by_change else _of_sides
    return f"{said} {'; '.join(sides(name, field) for name, field in one.fields.items())}."


def _waits(one: Dispute) -> str:
    if one.is_being_applied:
        return f"What {one.decided_by} decided about an open conflict is being applied"
    if one.strategy == "AutoRetry":
        return "An open conflict is tried again by itself"
    waits = "An open conflict waits for a person"
    if one.decided_by is None:
        return waits
    return f"{waits} (what {one.decided_by} decided was not applied)"


def _of_sides(name: str, field: Mapping[str, Any]) -> str:
    base, ours, theirs = (_value(field.get(side)) for side in ("base", "ours", "theirs"))
    return f"{name} was {base}, is {ours} here and {theirs} there"


def _of_change(name: str, field: Mapping[str, Any]) -> str:
    base, ours, theirs = (_value(field.get(side)) for side in ("base", "ours", "theirs"))
    becomes = f"was to become {theirs}" if field.get("theirs") is not None else "was to go"
    return f"{name} had been left as {base}, is {ours}, and {becomes}"


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
