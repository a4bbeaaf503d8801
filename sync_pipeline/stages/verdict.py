"""What holding both sides against each other came to: the numbers, the judgement, the words.

Belongs here: the value and how counted sets become one; pure. Does not: counting (reconcile.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Verdict:
    """Both sides of one connection and entity, by id.

    Attributes:
        total: what the store says it holds; scanned, distinct: what was read of it.
        ours: live records that we know of this connection.
        missing: read, but not applied; failed of them have a failed line with the reason.
        extra: ours, but no longer listed; of them `waiting` for the first time: the next sync
            looks again before anything is taken for deleted.
        lost: rows of ours that somebody deleted by hand; the next sync makes them again.
        missing_ids, extra_ids: the first 20.
        agree: complete, nothing missing, extra or lost. None: nothing to compare, for the sync was
            filtered or is purged.
        is_purged: the pages are gone: the queue was opened again long after it was read.
        is_by_count: only what changed was read: the rest was counted, not compared id by id.
        is_window: all of a span of time was read; of the rest nothing is said.
        is_beside: the queue is no sync: nothing was read to be compared, or nothing was written.
        is_doubted: more was missing than is believed at once: nothing was taken for deleted.
        elsewhere: ours, and there, but not listed: of another role or status now.
        tombstoned: taken for deleted by this sync.
        held: records that the store lists and that an undo keeps from being made again.
    """

    total: int | None
    scanned: int
    distinct: int
    ours: int
    missing: int
    failed: int
    extra: int
    lost: int
    missing_ids: tuple[str, ...]
    extra_ids: tuple[str, ...]
    is_complete: bool | None
    agree: bool | None
    is_purged: bool = False
    is_by_count: bool = False
    is_window: bool = False
    is_beside: bool = False
    held: int = 0
    waiting: int = 0
    elsewhere: int = 0
    tombstoned: int = 0
    is_doubted: bool = False

    @property
    def is_whole(self) -> bool:
        """All of the store was read, and that is proven: what was not seen is not there."""
        is_part = self.agree is None or self.is_by_count or self.is_window
        return self.is_complete is True and not is_part

    @property
    def in_words(self) -> str:
        """One sentence for people."""
        if self.is_beside:
            return "it is no sync: there is nothing to compare with the store"
        if self.is_purged:
            return "its pages are purged: the next sync compares both sides"
        if self.agree is None:
            return "a filtered sync has nothing to compare with the whole store"
        if self.agree and self.is_window:
            return f"all {self.distinct} records of the window are here"
        if self.agree:
            how = f" by count, {self.scanned} had changed" if self.is_by_count else ""
            return f"both sides agree: {self.ours - self.elsewhere} records{how}{self._besides}"
        parts = [
            f"{count} {what}"
            for count, what in (
                (self.missing, "missing here"),
                (self.extra, f"no longer in the store{self._looked_for}"),
                (self.lost, "deleted here by hand"),
            )
            if count
        ]
        if not self.is_complete:
            is_short = self.scanned != self.total
            parts.append(
                f"{self.scanned} of {self.total} records were read"
                if is_short
                else "more is missing than is believed at once"
                if self.is_doubted
                else "nothing proves that all were read"
            )
        return "both sides differ: " + ", ".join(parts) + self._besides

    @property
    def _looked_for(self) -> str:
        if not self.waiting:
            return ""
        who = "" if self.waiting == self.extra else f"{self.waiting} of them "
        return f" ({who}for the first time: the next sync looks again)"

    @property
    def _besides(self) -> str:
        """What is no difference and yet worth a word."""
        return "".join(
            f"; {count} {what}"
            for count, what in (
                (self.tombstoned, "were taken for deleted"),
                (self.elsewhere, "more are there, but not listed: another role or status"),
                (self.held, "more were taken back by an undo"),
            )
            if count
        )


NO_SYNC: Final = Verdict(
    total=None, scanned=0, distinct=0, ours=0, missing=0, failed=0, extra=0, lost=0,
    missing_ids=(), extra_ids=(), is_complete=None, agree=None, is_beside=True,
)  # fmt: skip


def judge(
    row: Mapping[str, Any],
    *,
    total: int | None,
    scanned: int,
    is_complete: bool | None,
    is_filtered: bool,
    is_window: bool = False,
    is_delta: bool = False,
    is_doubted: bool = False,
) -> Verdict:
    """The verdict over counted sets. Pure.

    Args:
        row: n_theirs, n_ours, n_lost, n_missing, n_failed, n_extra, n_held, n_waiting,
            n_elsewhere, n_tombstoned, missing_ids, extra_ids, has_pages; of a delta n_own,
            n_beside and n_disputed as well.
        total, scanned, is_complete: what the extract proved.
        is_filtered: only a part was read; then there is nothing to say about the whole.
        is_window: that part is a span of time, of which all was read.
        is_delta: only what changed was read; the rest is held against the total.
        is_doubted: more was missing than is believed at once.
    """
    is_purged = not is_filtered and not row["has_pages"]
    is_part = is_filtered or is_purged
    missing, failed, extra = row["n_missing"], row["n_failed"], row["n_extra"]
    if is_delta and not is_part and total is not None:
        missing = max(missing, total - row["n_own"])
        failed = max(failed, min(missing, row["n_disputed"]))
        extra = max(0, row["n_own"] - row["n_beside"] - total)
    is_proven_part = is_window and row["has_pages"]
    differs = bool(missing) if is_part else bool(missing or extra or row["n_lost"])
    return Verdict(
        total=total,
        scanned=scanned,
        distinct=row["n_theirs"],
        ours=row["n_ours"],
        missing=missing,
        failed=failed,
        extra=0 if is_part else extra,
        lost=row["n_lost"],
        missing_ids=tuple(row["missing_ids"]),
        extra_ids=() if is_part or is_delta else tuple(row["extra_ids"]),
        is_complete=is_complete,
        agree=None if is_part and not is_proven_part else bool(is_complete) and not differs,
        is_purged=is_purged,
        is_by_count=is_delta,
        is_window=is_window,
        held=row.get("n_held", 0),
        waiting=0 if is_part or is_delta else row.get("n_waiting", 0),
        elsewhere=0 if is_part else row.get("n_elsewhere", 0),
        tombstoned=int(row.get("n_tombstoned", 0)),
        is_doubted=is_doubted,
    )
