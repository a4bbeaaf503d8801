"""Tables in Markdown that people see beside a materialization.

Belongs here: shaping rows for reading, with pandas. Does not: reading them (figures.py).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sync_pipeline.orchestration.figures import Change
from sync_pipeline.queue.conflicts import Conflict
from sync_pipeline.queue.differences import Difference

_LONGEST_CELL: Final = 60
_WHAT: Final = {
    "record_created": "created",
    "record_updated": "updated",
    "record_deleted": "removed",
    "record_failed": "failed",
}
# A created record has no before; these columns, in one cell, tell who it is.
_TELLING: Final = ("name", "email", "segment", "lifetime_value")


def changes_table(changes: Sequence[Change]) -> str:
    """One row per changed field, created or failed record, newest record first, as Markdown."""
    if not changes:
        return "Nothing changed: every record is as it was when it was last applied."
    # Costs 0.5 s, and a sync that changed nothing needs none of it.
    import pandas as pd  # noqa: PLC0415

    frame = pd.DataFrame(
        [row for change in changes for row in _rows(change)],
        columns=["record", "what", "field", "before", "after"],
        dtype="object",
    )
    return str(frame.map(_cell).to_markdown(index=False, disable_numparse=True))


def differences_table(shown: Sequence[Difference]) -> str:
    """One row per field that would change, created or refused record, as Markdown."""
    if not shown:
        return "Nothing would change."
    head = "| record | what | field | here | becomes |\n|:--|:--|:--|:--|:--|"
    return "\n".join([head, *(row for one in shown for row in _difference_rows(one))])


def _difference_rows(one: Difference) -> Iterator[str]:
    what = "in conflict" if one.is_conflict else one.what
    if one.what == "created":
        held = {field.name: field.after for field in one.fields}
        told = ", ".join(str(held[name]) for name in _TELLING if held.get(name))
        yield _row(one.external_id, what, "", "", told)
    elif not one.fields:
        yield _row(one.external_id, what, "", "", one.message)
    else:
        for field in one.fields:
            after = f"there: {_text(field.after)}" if one.is_conflict else field.after
            yield _row(one.external_id, what, field.name, field.before, after)


def _row(*values: object) -> str:
    return f"| {' | '.join(map(_cell, values))} |"


def conflicts_table(shown: Sequence[Conflict]) -> str:
    """One row per conflict, as Markdown."""
    head = "| conflict | record | type | what | since (UTC) |\n|:--|:--|:--|:--|:--|"
    rows = [
        _row(
            str(one.id),
            one.external_id,
            one.conflict_type,
            ", ".join(one.fields) or one.message,
            f"{one.created_at:%Y-%m-%d %H:%M:%S}",
        )
        for one in shown
    ]
    return "\n".join([head, *rows])


def numbers_table(numbers: Sequence[tuple[str, object]]) -> str:
    """Two columns, what and how many, as Markdown."""
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in numbers]
    return "\n".join(["| | |", "|:--|--:|", *lines])


def _rows(change: Change) -> Iterator[tuple[str, str, str, object, object]]:
    what = _WHAT[change.activity_type]
    if what == "failed":
        yield change.external_id, what, "", "", change.message
    elif what in ("created", "removed"):
        held = change.after if what == "created" else change.before
        told = [str(held[name]) for name in _TELLING if held.get(name)]
        yield change.external_id, what, "", "", ", ".join(told)
    else:
        for field in sorted(change.after):
            yield change.external_id, what, field, change.before.get(field), change.after[field]


def _cell(value: Any) -> str:  # noqa: ANN401  (anything JSON holds)
    """A value on one line, without what would break the table."""
    text = " ".join(_text(value).split()).replace("|", "\\|")
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _text(value: Any) -> str:  # noqa: ANN401  (anything JSON holds)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
