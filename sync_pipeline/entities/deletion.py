"""How an entity is told to be gone in the store, and what then becomes of our row.

Belongs here: the frozen value that a declaration names. Does not: counting absences and asking
(stages/absences.py, stages/confirming.py), what a change line does (sql/queue/change.sql).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from sync_pipeline.errors import InputError

DeletionPolicy = Literal["keep", "archive", "delete"]
Answer = Literal["deleted", "trashed", "elsewhere", "unanswered"]

# Options of a connection.
POLICY_OPTION: Final = "deletion_policy"
LIMIT_OPTION: Final = "deletion_limit_percent"
POLICIES: Final[tuple[DeletionPolicy, ...]] = get_args(DeletionPolicy)
_TRASH: Final = "trash"


@dataclass(frozen=True)
class Deletion:
    """What is asked about a record that is listed no more, and what a deletion does here.

    Attributes:
        policy: keep (the row stays, marked), archive (it goes to sync_archive) or delete. A
            connection may say otherwise: options -> deletion_policy -> entity.
        shown_as: field of a record that says as what the store has it: its role, its status.
        hidden: parameters under which the listing shows what it otherwise leaves out; asked first,
            100 records a call. None: each record is asked for alone at once.
        mark_column: of the target, that says of a kept row that the store has it no more; None:
            nothing does but sync_record.
        mark_tag: what is added to that column, a list; None: the column says `deleted` or `trash`.
        key_field: of a record, what `match_column` holds; another record may have taken it over.
    """

    policy: DeletionPolicy = "keep"
    shown_as: str = "status"
    hidden: Mapping[str, str] | None = None
    mark_column: str | None = None
    mark_tag: str | None = None
    key_field: str | None = None

    def meaning(self, record: Mapping[str, Any] | None) -> tuple[Answer, str]:
        """What an answer about one record says, and as what the store has the record. Pure.

        Args:
            record: as it was answered; None: the store itself says that it has no such record.
        """
        if record is None:
            return "deleted", ""
        shown = str(record.get(self.shown_as) or "")
        if self.shown_as == "status" and shown == _TRASH:
            return "trashed", shown
        return "elsewhere", shown


def policy_of(text: str) -> DeletionPolicy:
    """The policy of that name. Pure.

    Raises:
        InputError: there is none.
    """
    for policy in POLICIES:
        if policy == text:
            return policy
    raise InputError(f"{text!r} is no policy.", remedy=f"There are {', '.join(POLICIES)}.")
