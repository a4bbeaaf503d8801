"""What a sync leaves out. Pure values."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from sync_pipeline.entities import Entity
from sync_pipeline.errors import InputError

# A number, behind what it counts where that is not told otherwise (`refund:7`), or a guest's e-mail.
_ID: Final = re.compile(r"([a-z]+:)?[0-9]+|guest:\S+@\S+")


@dataclass(frozen=True)
class Filters:
    """Which records of a listing a sync is about; nothing set means all of them.

    Attributes:
        limit: the first N records by id.
        email: the one account with this address.
        external_id: the one record with this id in the remote system.
    """

    limit: int | None = None
    email: str | None = None
    external_id: str | None = None

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

    def require_fit(self, entity: Entity) -> None:
        """Refuse what chooses nothing among the records of this entity.

        Raises:
            InputError: which filter, and which there are.
        """
        if odd := sorted(self.as_dict().keys() - entity.filters):
            raise InputError(
                f"{entity.name} cannot be chosen by {', '.join(odd)}.",
                remedy=f"They can by {', '.join(sorted(entity.filters))}.",
            )
        if self.external_id is not None and not re.fullmatch(entity.id_pattern, self.external_id):
            raise InputError(
                f"{self.external_id!r} is no id of {entity.name}.",
                remedy=f"Their ids look like {entity.id_example}.",
            )

    @property
    def is_everything(self) -> bool:
        """No filter: the sync can prove that both sides agree."""
        return self == Filters()

    def as_dict(self) -> dict[str, Any]:
        """For the queue's row; only what is set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def as_options(self) -> str:
        """As options of the command line."""
        options = {"limit": self.limit, "email": self.email, "external-id": self.external_id}
        return " ".join(f"--{name} {value}" for name, value in options.items() if value is not None)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Back from the queue's row."""
        return cls(**stored)
