"""Tables in Markdown that people see beside a materialization.

Belongs here: shaping rows for reading, with pandas. Does not: reading them (figures.py).
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from sync_pipeline.orchestration.figures import Change

_LONGEST_CELL: Final = 60
_WHAT: Final = {
    "record_created": "created",
    "record_updated": "updated",
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


def numbers_table(numbers: Sequence[tuple[str, object]]) -> str:
    """Two columns, what and how many, as Markdown."""
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in numbers]
    return "\n".join(["| | |", "|:--|--:|", *lines])


def _rows(change: Change) -> Iterator[tuple[str, str, str, object, object]]:
    what = _WHAT[change.activity_type]
    if what == "failed":
        yield change.external_id, what, "", "", change.message
    elif what == "created":
        told = [str(change.after[name]) for name in _TELLING if change.after.get(name)]
        yield change.external_id, what, "", "", ", ".join(told)
    else:
        for field in sorted(change.after):
            yield change.external_id, what, field, change.before.get(field), change.after[field]


def _cell(value: Any) -> str:  # noqa: ANN401  (anything JSON holds)
    """A value on one line, without what would break the table."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
