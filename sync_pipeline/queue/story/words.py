"""Words that a story uses in more than one place. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

POLICY_WORDS: Final[Mapping[str, str]] = {
    "source_wins": "the store's next change of it wins",
    "target_wins": "ours stays, whatever the store says",
    "newest_wins": "should the store change it too, the newer of both wins",
    "manual": "should the store change it too, a person decides",
    "merge": "changes on both sides are merged",
}
_TOMBSTONES: Final[Mapping[str, str]] = {
    "deleted": "the store deleted it",
    "trashed": "it is in the store's trash",
    "merged": "it is gone in the store, and another record has its key now",
    "reverted": "it was taken back, and stays so until it changes in the store",
    "": "it is retired no more",
}


def tombstone_words(reason: str | None) -> str:
    """Why a record is retired; of no reason: another has its row."""
    if reason is None:
        return "another record took its row over"
    return _TOMBSTONES.get(reason, f"it is retired: {reason}")


def time_words(moment: datetime) -> str:
    """A time in UTC, at seconds."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
