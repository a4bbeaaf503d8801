"""Which decisions fit which conflicts.

Belongs here: counting what was chosen, by connection, entity and kind, and refusing what fits none.
Does not: deciding (resolving.py, retrying.py).
"""

from dataclasses import dataclass, replace

from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.conflicts.choosing import Chosen, composed
from sync_pipeline.queue.conflicts.deciding import Decision
from sync_pipeline.queue.conflicts.reading import scopes


class DecisionUnfitError(InputError):
    """The decision is none about conflicts of this type; nothing was done."""

    code = "conflict.decision_unfit"


@dataclass(frozen=True)
class Group:
    """Chosen conflicts of one connection and entity.

    Attributes:
        is_mismatch: fields are in dispute; else something failed.
    """

    connection: str
    entity: str
    is_mismatch: bool
    n_conflicts: int


def open_groups(database: Database, chosen: Chosen) -> list[Group]:
    """The open conflicts among the chosen ones, counted by connection, entity and kind.

    Raises:
        UnknownConnectionError: no such connection.
    """
    chosen = replace(chosen, state="open")
    found = []
    for org_id, connection_id in scopes(database, chosen):
        with database.organization(org_id) as conn:
            rows = conn.execute(composed("count"), chosen.values(connection_id)).fetchall()
        names = Group.__dataclass_fields__
        found += [Group(**{name: row[name] for name in names}) for row in rows]
    return found


def require_fit(decision: Decision, groups: list[Group]) -> None:
    """Refuse a decision that none of the conflicts can be decided by. Pure.

    Raises:
        DecisionUnfitError: says what can be done about them.
    """
    mismatches = sum(one.n_conflicts for one in groups if one.is_mismatch)
    others = sum(one.n_conflicts for one in groups if not one.is_mismatch)
    if decision.is_applied and others and not mismatches:
        raise DecisionUnfitError(
            "No field is in dispute: something could not be applied.",
            remedy="Mend what the message says and retry it, or skip it.",
        )
    if decision.verb == "retry" and mismatches and not others:
        raise DecisionUnfitError(
            "Both sides were edited; to try again changes nothing.",
            remedy="Take source or target, name fields, set values, or skip it.",
        )
