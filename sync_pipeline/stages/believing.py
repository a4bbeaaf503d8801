"""Whether what a reading did not show is believed: the limit, the numbers, the words. Pure.

Belongs here: when a reading may tell who is absent, and how much of that is believed without a
person. Does not: counting and asking (absences.py, confirming.py).
"""

from dataclasses import dataclass
from math import floor
from typing import Final

from sync_pipeline.entities import Entity
from sync_pipeline.entities.deletion import LIMIT_OPTION
from sync_pipeline.errors import InputError
from sync_pipeline.queue.queues import Queue
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline.stages.coverage import Coverage

# So many may be missing from any store: five percent of forty customers is two.
ALWAYS_BELIEVED: Final = 5
_WHOLE_PERCENT: Final = 100


@dataclass(frozen=True)
class Absence:
    """What a trusted, or not trusted, reading did not show of what we know.

    Attributes:
        known: live records that the listing should have shown.
        absent: those that it did not.
        first: of them, absent for the first time: the next whole reading looks again.
        elsewhere: the store has them under another role or status; they are not absent.
        deleted, trashed: the store says so, after two absences.
        unanswered: the store cannot serve them; they stay and are asked for again.
        limit_percent: of `known`; more was not believed.
        is_believed: False: nothing becomes of it; where listings miss too much, nothing was counted
            either, and nobody was asked.
        by: who set the limit for this sync; None: it is the usual one.
    """

    known: int
    absent: int
    first: int = 0
    elsewhere: int = 0
    deleted: int = 0
    trashed: int = 0
    unanswered: int = 0
    limit_percent: float = 0
    is_believed: bool = True
    by: str | None = None

    @property
    def in_words(self) -> str:
        """What was found, in one sentence; empty when there is nothing to tell."""
        parts = (
            (self.deleted, "deleted in the store"),
            (self.trashed, "in the store's trash"),
            (self.first, "missing for the first time: the next whole reading looks again"),
            (self.unanswered, "missing, and the store cannot say why: they are asked for again"),
            (self.elsewhere, "there, but not listed: they have another role or status now"),
        )
        return "; ".join(f"{count} {what}" for count, what in parts if count)


def counts_absences(queue: Queue, coverage: Coverage) -> bool:
    """Whether a reading can tell who is absent: all of a store, and proven. Pure."""
    is_proven = coverage.is_complete is True and not coverage.is_delta
    return queue.filters.is_everything and is_proven


def limit_percent_of(queue: Queue, connection: Connection, settings: SourceSettings) -> float:
    """The limit of this sync: its own, else the connection's, else the setting. Pure.

    Raises:
        InputError: the connection's is no share.
    """
    if queue.filters.deletion_limit_percent is not None:
        return queue.filters.deletion_limit_percent
    given = connection.options.get(LIMIT_OPTION)
    if given is None:
        return settings.deletion_limit_percent
    if (
        isinstance(given, int | float)
        and not isinstance(given, bool)
        and 0 <= given <= _WHOLE_PERCENT
    ):
        return float(given)
    raise InputError(
        f"The connection {connection.name} has {given!r} as its {LIMIT_OPTION}.",
        remedy="Register it again with --deletion-limit-percent N, of 0 to 100.",
    )


def believed_at_most(known: int, limit_percent: float) -> int:
    """How many records may be absent at once without a person. Pure.

    The share of what is known, and a few in any case; with a limit of 0 none.
    """
    if limit_percent == 0:
        return 0
    return max(ALWAYS_BELIEVED, floor(known * limit_percent / 100))


def refusal(queue: Queue, entity: Entity, absence: Absence) -> str | None:
    """In words, why a reading's absences are not believed, and what to do; None: they are. Pure."""
    if absence.is_believed:
        return None
    share = 100 * absence.absent / absence.known
    where = "what is derived from our own tables" if entity.derivation else "the store's answer"
    look = "the tables that they come from" if entity.derivation else "the store"
    return (
        f"{absence.absent:,} of {absence.known:,} {entity.name} are missing from {where} "
        f"({share:.0f} %), more than deletion_limit_percent = {absence.limit_percent:g}: nothing "
        f"was deleted, what is there was applied. Look at {look}; if they are really gone, allow "
        f"it once: sync-pipeline sync {queue.connection} --entity {entity.name} "
        f"--deletion-limit-percent 100"
    )
