"""What a sync leaves out. Pure values."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from sync_pipeline.entities import Entity
from sync_pipeline.errors import InputError
from sync_pipeline.queue.moments import moment_of, told, whole_second

# A number, behind what it counts where that is not told otherwise (`refund:7`), or a guest's mail.
_ID: Final = re.compile(r"([a-z]+:)?[0-9]+|guest:\S+@\S+")

_WINDOW: Final = frozenset({"created_after", "created_before"})
_REPLAY: Final = frozenset({"replay", "replay_of"})
# Of another queue, or of conflicts: what they are about is chosen there.
_ALONE: Final = {
    "reverts": "A revert",
    "resolves": "A resolution",
    "applies": "What a preview showed",
}
_CHANGES: Final = frozenset({"reverts", "resolves"})
_BESIDE: Final = _CHANGES | {"preview"}
_KINDS: Final = _BESIDE | {"applies"}
# It chooses nothing: all is read.
_LIMIT: Final = frozenset({"deletion_limit_percent"})
_WHOLE_PERCENT: Final = 100


@dataclass(frozen=True)
class Filters:
    """Which records of a listing a sync is about; nothing set means all of them.

    Attributes:
        limit: the first N records by id.
        email: the one account with this address.
        external_id: the one record with this id in the remote system.
        created_after, created_before: records that were created at the first moment or later, and
            before the second; aware, at whole seconds.
        replay: what was read before is applied again; the store is not asked.
        replay_of: of that, only the records that this queue (its id) had read.
        reverts: what this queue (its id) did to our rows is taken back.
        resolves: what people decided about conflicts is applied.
        preview: it is shown what a sync would do; nothing of ours is written.
        applies: what this preview (its id) showed is applied, and nothing else.
        deletion_limit_percent: so much may be gone, once; it leaves nothing out.
    """

    limit: int | None = None
    email: str | None = None
    external_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    replay: bool = False
    replay_of: str | None = None
    reverts: str | None = None
    resolves: bool = False
    preview: bool = False
    applies: str | None = None
    deletion_limit_percent: float | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot select anything.

        Raises:
            InputError: which filter, and what it takes.
        """
        if self.limit is not None and self.limit < 1:
            raise InputError(f"limit is {self.limit}.", remedy="Use 1 or more, or leave it out.")
        if self.email is not None and "@" not in self.email:
            raise InputError(f"{self.email!r} is not an e-mail address.")
        if self.external_id is not None and not _ID.fullmatch(self.external_id):
            raise InputError(
                f"external_id is {self.external_id!r}.", remedy="WooCommerce ids are numbers."
            )
        limit = self.deletion_limit_percent
        if limit is not None and not 0 <= limit <= _WHOLE_PERCENT:
            raise InputError(
                f"deletion_limit_percent is {limit}.", remedy="Use 0 to 100, or leave it out."
            )
        self._require_window()
        if self.replay_of is not None and not self.replay:
            raise InputError("replay_of says of which sync, and replay is not set.")
        self._require_queues()
        self._require_alone()

    def _require_queues(self) -> None:
        for name in ("reverts", "applies"):
            if (value := getattr(self, name)) is not None and not _is_uuid(value):
                raise InputError(
                    f"{name} is {value!r}, which is no queue id.",
                    remedy="Queue ids are UUIDs: sync-pipeline status.",
                )

    def _require_alone(self) -> None:
        named = self.as_dict().keys()
        for alone, also, what in (
            (_WINDOW, frozenset[str](), "A window"),
            (_REPLAY, frozenset({"preview"}), "A replay"),
            *((frozenset({name}), frozenset[str](), said) for name, said in _ALONE.items()),
        ):
            if named & alone and (odd := sorted(named - alone - also)):
                raise InputError(f"{what} cannot also be narrowed by {', '.join(odd)}.")

    def _require_window(self) -> None:
        bounds = [one for one in (self.created_after, self.created_before) if one is not None]
        if any(one.tzinfo is None for one in bounds):
            raise InputError("created_after and created_before need a time zone.")
        if any(one != whole_second(one) for one in bounds):
            raise InputError("created_after and created_before are moments at whole seconds.")
        if self.created_after and self.created_before and self.created_after >= self.created_before:
            raise InputError(
                f"Nothing lies between {told(self.created_after)} and {told(self.created_before)}.",
                remedy="created_after is the first moment, created_before the one after the last.",
            )

    def require_fit(self, entity: Entity) -> None:
        """Refuse what chooses nothing among the records of this entity.

        Raises:
            InputError: which filter, and which there are.
        """
        fit = entity.filters | (_WINDOW if entity.window else frozenset())
        if odd := sorted(self.as_dict().keys() - fit - _REPLAY - _KINDS - _LIMIT):
            raise InputError(
                f"{entity.name} cannot be chosen by {', '.join(odd)}.",
                remedy=f"They can by {', '.join(sorted(fit))}.",
            )
        if self.replay_of is not None and entity.derivation is not None:
            raise InputError(f"{entity.name} are derived from our own tables, always all of them.")
        if self.external_id is not None and not re.fullmatch(entity.id_pattern, self.external_id):
            raise InputError(
                f"{self.external_id!r} is no id of {entity.name}.",
                remedy=f"Their ids look like {entity.id_example}.",
            )

    @property
    def is_everything(self) -> bool:
        """No filter: all that a sync needs is read, and can be proven."""
        return replace(self, deletion_limit_percent=None, preview=False) == Filters()

    @property
    def is_window(self) -> bool:
        """Records of a span of time: all of it is read and proven, beside the running sync."""
        return bool(self.as_dict().keys() & _WINDOW)

    @property
    def is_change(self) -> bool:
        """Lines say what becomes of rows of ours; nothing is read and nothing compared."""
        return bool(self.as_dict().keys() & _CHANGES)

    @property
    def is_beside(self) -> bool:
        """No sync: it takes back, resolves or shows, beside whatever sync is open."""
        return bool(self.as_dict().keys() & _BESIDE)

    @property
    def asks_store(self) -> bool:
        """The remote system is read; else all is at hand."""
        return not (self.replay or self.is_change or self.applies)

    def as_dict(self) -> dict[str, Any]:
        """For the queue's row; only what is set."""
        return {
            name: told(value) if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
            if value is not None and value is not False
        }

    def as_options(self) -> str:
        """As options of the command line."""
        return " ".join(
            f"--{name.replace('_', '-')}" + ("" if value is True else f" {_typed(value)}")
            for name, value in self.as_dict().items()
        )

    def as_command(self, connection: str, entity: str) -> str:
        """The command that starts, or goes on with, such a sync."""
        if self.reverts:
            return f"sync-pipeline revert {self.reverts}"
        if self.resolves:
            which = f"--connection {connection} --entity {entity}"
            return f"sync-pipeline conflicts resolve --all {which}"
        if self.applies:
            return f"sync-pipeline sync {connection} --entity {entity} --preview {self.applies}"
        if self.preview:
            options = replace(self, preview=False, replay=False).as_options()
            pages = " --from-pages" if self.replay else ""
            return f"sync-pipeline preview {connection} --entity {entity}{pages} {options}".rstrip()
        if self.replay:
            of = f" --queue {self.replay_of}" if self.replay_of else ""
            return f"sync-pipeline replay {connection} --entity {entity}{of}"
        return f"sync-pipeline sync {connection} --entity {entity} {self.as_options()}".rstrip()

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Back from the queue's row, or from options; what is None is not set.

        Raises:
            InputError: as the constructor, or a moment that is none.
        """
        given = {name: value for name, value in stored.items() if value is not None}
        return cls(
            **given | {name: moment_of(given[name], name) for name in given.keys() & _WINDOW}
        )


def _typed(value: object) -> str:
    """As a person types it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
