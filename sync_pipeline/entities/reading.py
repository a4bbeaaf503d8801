"""How an entity is read besides one whole listing: what changed, and what lies under a record.

Belongs here: frozen values that a declaration names. Does not: reading
(stages/), one entity's values (entities/woocommerce_*.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sync_pipeline.sources.protocol import Listing


@dataclass(frozen=True)
class Changes:
    """How a listing is asked for what changed since a moment.

    Only a naive GMT time with dates_are_gmt is right in every time zone; with a Z, Berlin lost one
    order of 1,997 (recorded). The bound is exclusive at whole seconds.

    Attributes:
        param: takes the moment.
        params: go with it.
        date_field: of a record, its date of modification, naive GMT; the watermark comes from it.
    """

    param: str = "modified_after"
    params: Mapping[str, str] = field(default_factory=lambda: {"dates_are_gmt": "true"})
    date_field: str = "date_modified_gmt"


@dataclass(frozen=True)
class Window:
    """How a listing is asked for what was created in a span of time.

    Our spans hold their beginning and not their end. The store's bounds are exclusive at whole
    seconds, so the beginning is asked for one second earlier. As for changes, only naive GMT with
    dates_are_gmt is right in every time zone.

    Attributes:
        after_param, before_param: take the bounds.
        params: go with them.
    """

    after_param: str = "after"
    before_param: str = "before"
    params: Mapping[str, str] = field(default_factory=lambda: {"dates_are_gmt": "true"})

    def asked(self, after: datetime | None, before: datetime | None) -> dict[str, str]:
        """Parameters for what was created at `after` or later, and before `before`. Pure.

        Args:
            after, before: aware, at whole seconds; None leaves that side open.
        """
        bounds = {
            self.after_param: after and after - timedelta(seconds=1),
            self.before_param: before,
        }
        told = {
            name: f"{one.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
            for name, one in bounds.items()
            if one is not None
        }
        return {**told, **self.params} if told else {}


@dataclass(frozen=True)
class NestedListing:
    """Records that are listed under a record of the entity's own listing, one listing a parent.

    Attributes:
        name: key of the landed pages, with the parent's id behind it.
        path: end point; `{id}` stands for the parent's id.
        fields: what is asked for.
        ids_field: of a parent, the list of its children's ids. Empty: no call. Otherwise it says
            how many there must be, so no probe is needed.
        parent_field: of a child, its parent's id; set from the listing that it came in.
        parent_column: of the target; NULL in rows of records of the entity's own listing.
    """

    name: str
    path: str
    fields: tuple[str, ...]
    ids_field: str
    parent_field: str
    parent_column: str

    @property
    def prefix(self) -> str:
        """How the names of all these listings begin, and no other name does."""
        return f"{self.name}:"

    def children_of(self, record: Mapping[str, Any]) -> tuple[str, ...]:
        """Ids of the children a parent names; empty where it names none. Pure."""
        ids = record.get(self.ids_field)
        return tuple(str(one) for one in ids) if isinstance(ids, list) else ()

    def placed(self, record: Mapping[str, Any], parent_id: str) -> dict[str, Any]:
        """A child as it is kept: with its parent's id, of the type that ids have in the store."""
        return {**record, self.parent_field: int(parent_id) if parent_id.isdecimal() else parent_id}

    def under(self, parent_id: str) -> Listing:
        """The listing of one parent's children."""
        return Listing(
            name=f"{self.prefix}{parent_id}",
            path=self.path.format(id=parent_id),
            fields=tuple(one for one in self.fields if one != self.parent_field),
        )


@dataclass(frozen=True)
class Guests:
    """Records of people without an account, made of the orders behind the entity's figures.

    Attributes:
        name: key of the landed pages, and the salt of a figures' watermark that stands for them.
        option: of a connection; it turns them on.
        fields: asked for of the figures' listing besides.
        id_prefix: how their ids begin, and no other's. The e-mail follows, in lower case.
        settle: file of `sql/` that says which guests have an account, and who takes over whose row.
        derivation: file of `sql/` giving (external_id, record) of those that have none.
    """

    name: str
    option: str
    fields: tuple[str, ...]
    id_prefix: str
    settle: str
    derivation: str

    def email_of(self, external_id: str) -> str | None:
        """The e-mail in a guest's id; None for an id of another kind. Pure."""
        if not external_id.startswith(self.id_prefix):
            return None
        return external_id.removeprefix(self.id_prefix).lower()
