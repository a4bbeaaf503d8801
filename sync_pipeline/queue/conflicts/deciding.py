"""What a person decides about a conflict. Pure values.

Belongs here: which decisions there are and what each can be about. Does not: applying one
(resolving.py), the values that were typed (typed.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from sync_pipeline.errors import InputError

Verb = Literal["source", "target", "fields", "skip", "retry"]

_TAKEN: Final[Mapping[Verb, str]] = {
    "source": "{whose} values were taken",
    "target": "our values were kept",
    "skip": "skipped: nothing was changed",
    "retry": "tried again",
}


@dataclass(frozen=True)
class Decision:
    """One decision, about one conflict or many.

    Attributes:
        verb: `source`: theirs of every field in dispute; `target`: ours of them; `fields`: theirs
            of the named fields, ours of the others in dispute; `skip`: leave both sides as they
            are; `retry`: try what failed again. What is not in dispute merges by itself.
        fields: of `fields`.
        values: column -> what it gets, as it was typed, whatever the sides say.
    """

    verb: Verb
    fields: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what says two things, or nothing.

        Raises:
            InputError: what, and what there is.
        """
        if self.verb not in get_args(Verb):
            raise InputError(
                f"{self.verb!r} is no decision.", remedy=f"There are {', '.join(get_args(Verb))}."
            )
        if self.verb in ("skip", "retry") and (self.fields or self.values):
            raise InputError(f"{self.verb} takes no fields and no values.")
        if self.fields and self.verb != "fields":
            raise InputError(f"{self.verb} takes all fields in dispute, so none can be named.")
        if self.verb == "fields" and not self.fields and not self.values:
            raise InputError("Which fields?", remedy="Name those that the store's value is for.")
        if both := sorted(set(self.fields) & self.values.keys()):
            raise InputError(f"{', '.join(both)}: the store's value, or the one that is typed?")

    @property
    def is_applied(self) -> bool:
        """It changes or settles a row of ours, so it goes through a queue."""
        return self.verb in ("source", "target", "fields")

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it names."""
        return (*self.fields, *self.values)

    def in_words(self, reason: str | None, *, is_undo: bool = False) -> str:
        """What is kept with the conflict and in the audit.

        Args:
            is_undo: the other side is what our row held before the sync that is taken back.
        """
        whose = "the former" if is_undo else "the store's"
        said = _TAKEN[self.verb].format(whose=whose) if self.verb in _TAKEN else _of(self, whose)
        if self.values and self.verb != "fields":
            said += f", {', '.join(self.values)} was typed"
        return said + (f": {reason}" if reason else "")


def _of(decision: Decision, whose: str) -> str:
    parts = []
    if decision.fields:
        parts.append(f"{whose} {', '.join(decision.fields)} was taken")
    if decision.values:
        parts.append(f"{', '.join(decision.values)} was typed")
    return f"{' and '.join(parts)}, our values were kept otherwise"


def decision_of(given: Mapping[str, Any]) -> Decision:
    """From what a person chose among options; exactly one of take, fields, skip, retry, or values.

    Args:
        given: `take` ("source" or "target"), `fields` (names), `values` (column -> text), `skip`,
            `retry`; what was not chosen is None, False or empty.

    Raises:
        InputError: none was chosen, or several.
    """
    chosen: list[Verb] = []
    if given.get("take"):
        chosen.append(given["take"])
    if given.get("fields"):
        chosen.append("fields")
    simple: tuple[Verb, ...] = ("skip", "retry")
    chosen += [verb for verb in simple if given.get(verb)]
    values = dict(given.get("values") or {})
    if not chosen and values:
        chosen = ["fields"]
    if len(chosen) != 1:
        raise InputError(
            "Say one thing to do." if chosen else "Say what to do.",
            remedy="Take source or target, name fields, set values, skip or retry.",
        )
    return Decision(chosen[0], tuple(given.get("fields") or ()), values)
