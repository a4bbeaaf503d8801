"""What a sync leaves out. Pure values."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from sync_pipeline.entities import Entity
from sync_pipeline.errors import InputError

# A number, behind what it counts where that is not told otherwise (`refund:7`), or a guest's mail.
_ID: Final = re.compile(r"([a-z]+:)?[0-9]+|guest:\S+@\S+")

# No store is older; a year of two digits is a slip of the pen.
_FIRST_YEAR: Final = 1970

_WINDOW: Final = frozenset({"created_after", "created_before"})
_REPLAY: Final = frozenset({"replay", "replay_of"})


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
    """

    limit: int | None = None
    email: str | None = None
    external_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    replay: bool = False
    replay_of: str | None = None

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
        self._require_window()
        if self.replay_of is not None and not self.replay:
            raise InputError("replay_of says of which sync, and replay is not set.")
        named = self.as_dict().keys()
        for alone, what in ((_WINDOW, "A window"), (_REPLAY, "A replay")):
            if named & alone and (odd := sorted(named - alone)):
                raise InputError(f"{what} cannot also be narrowed by {', '.join(odd)}.")

    def _require_window(self) -> None:
        bounds = [one for one in (self.created_after, self.created_before) if one is not None]
        if any(one.tzinfo is None for one in bounds):
            raise InputError("created_after and created_before need a time zone.")
        if any(one != _whole_second(one) for one in bounds):
            raise InputError("created_after and created_before are moments at whole seconds.")
        if self.created_after and self.created_before and self.created_after >= self.created_before:
            raise InputError(
                f"Nothing lies between {_told(self.created_after)} and "
                f"{_told(self.created_before)}.",
                remedy="created_after is the first moment, created_before the one after the last.",
            )

    def require_fit(self, entity: Entity) -> None:
        """Refuse what chooses nothing among the records of this entity.

        Raises:
            InputError: which filter, and which there are.
        """
        fit = entity.filters | (_WINDOW if entity.window else frozenset())
        if odd := sorted(self.as_dict().keys() - fit - _REPLAY):
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
        """No filter: the sync can prove that both sides agree."""
        return self == Filters()

    @property
    def is_window(self) -> bool:
        """Records of a span of time: all of it is read and proven, beside the running sync."""
        return bool(self.as_dict().keys() & _WINDOW)

    def as_dict(self) -> dict[str, Any]:
        """For the queue's row; only what is set."""
        return {
            name: _told(value) if isinstance(value, datetime) else value
            for name, value in asdict(self).items()
            if value is not None and value is not False
        }

    def as_options(self) -> str:
        """As options of the command line."""
        return " ".join(
            f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
            for name, value in self.as_dict().items()
        )

    def as_command(self, connection: str, entity: str) -> str:
        """The command that starts, or goes on with, such a sync."""
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


def moment_of(text: str, name: str) -> datetime:
    """A date or a moment as people write it, at whole seconds of UTC. Pure.

    A date is its first moment; what names no zone is UTC. Of parts of a second the next whole one
    is meant: records are dated at whole seconds.

    Raises:
        InputError: no date.
    """
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        whole = _whole_second(aware.astimezone(UTC))
    except (ValueError, OverflowError):
        whole = None
    if whole is None or whole.year < _FIRST_YEAR:
        raise InputError(
            f"{name} is {text!r}, which is no date.",
            remedy="Write 2024-01-31, or 2024-01-31T12:00:00Z.",
        ) from None
    return whole


def _whole_second(moment: datetime) -> datetime:
    floor = moment.replace(microsecond=0)
    return floor if floor == moment else floor + timedelta(seconds=1)


def _told(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
