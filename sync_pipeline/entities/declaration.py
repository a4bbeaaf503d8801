"""What an entity is: one frozen declaration, from which everything else is made.

Belongs here: the shape of a declaration. Does not: composing SQL from it (composing.py), what one
entity says (entities/woocommerce_*.py), when it is synced (orchestration/).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import md5
from typing import Literal

from psycopg import sql

from sync_pipeline.entities.composing import Operation, composed
from sync_pipeline.entities.deletion import Deletion
from sync_pipeline.entities.reading import Changes, Guests, NestedListing, Window
from sync_pipeline.postgres.ranges import range_of
from sync_pipeline.postgres.statements import statement
from sync_pipeline.sources.protocol import Listing

Policy = Literal["source_wins", "target_wins", "newest_wins", "manual", "merge"]


@dataclass(frozen=True)
class Entity:
    """One kind of record of one system.

    Attributes:
        system: "woocommerce" or "odoo".
        name: "customers", …; with `system` the prefix of its assets.
        listing: what is read to have every record. Its fields are all that is hashed, so a field
            that changes by itself (date_modified, related_ids) is not asked for.
        figures_listing: what is read besides to enrich the records (orders for customers).
        projection: file of `sql/`, from a line's payload to typed columns.
        enrichment: file of `sql/` giving (external_id, extra) per record, or None.
        target: our table.
        match_column: generated column of the target that `match_key` of the projection finds.
        columns: columns of the target that the projection fills, in order.
        depends_on: names of entities that are synced before, because records refer to theirs.
        changes: how the listing is asked for what changed; None: it is read whole every time.
        window: how the listing is asked for what was created in a span; None: it cannot be.
        modified_column: of the target, when the store says that the record was changed last.
        children: listings under records of the listing, whose records are of this entity as well.
        derivation: file of `sql/` giving (external_id, record, changed_at) from our own tables, in
            place of a listing that is read; the store is not called.
        filters: names of Filters that can choose among its records.
        option_params: options of a connection that go with the listing, and as which parameter.
        id_pattern: what an id of one of its records looks like; a regular expression.
        id_example: one for people.
        guests: records of people whom the listing does not hold, made of the figures.
        is_scheduled: schedules sync it, unless the connection names the entities that they sync.
        policies: column -> who wins where both sides changed it (sync_merge); `source_wins` where
            none is named. A connection may say otherwise: options -> policies -> entity -> column.
        deletion: how a record is told to be gone, and what then becomes of our row.
        key_column: column of the target that the match column is made of, where it is an e-mail
            that one record may leave to another.
        feeds_figures_of: the entity whose figures come from these very records, kept when they are
            enqueued: synced in one run, the records are read once for both.
    """

    system: str
    name: str
    listing: Listing
    figures_listing: Listing | None
    projection: str
    enrichment: str | None
    target: str
    match_column: str
    columns: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    changes: Changes | None = None
    window: Window | None = None
    modified_column: str | None = None
    children: NestedListing | None = None
    derivation: str | None = None
    filters: frozenset[str] = frozenset({"limit", "external_id"})
    option_params: Mapping[str, str] = field(default_factory=dict)
    id_pattern: str = "[0-9]+"
    id_example: str = "123"
    is_scheduled: bool = False
    feeds_figures_of: str | None = None
    guests: Guests | None = None
    policies: Mapping[str, Policy] = field(default_factory=dict)
    key_column: str | None = None
    deletion: Deletion = field(default_factory=Deletion)

    @property
    def watermark_name(self) -> str:
        """The name of the watermark of the records; figures have names of their own."""
        return f"entity:{self.name}"

    @property
    def children_prefix(self) -> str | None:
        """How the names of listings under its records begin; None: there are none."""
        return self.children.prefix if self.children else None

    @property
    def guests_name(self) -> str | None:
        """Under which name guests land; None: the entity has none."""
        return self.guests.name if self.guests else None

    def watermark_salt(self, rule: str) -> str:
        """What makes a watermark out of date: the mapping, its rule, and what is asked for."""
        text = self.hash_salt(rule) + self._asked
        return md5(text.encode(), usedforsecurity=False).hexdigest()

    @property
    def asked_salt(self) -> str:
        """What of a watermark's salt only another reading can answer."""
        return md5(self._asked.encode(), usedforsecurity=False).hexdigest()

    @property
    def _asked(self) -> str:
        derived = statement(self.derivation) if self.derivation else ""
        nested = self.children.fields if self.children else ()
        return f"{self.listing} {nested} {derived}"

    def hash_salt(self, rule: str) -> str:
        """What makes a content hash out of date besides the content: the mapping and its rule."""
        text = statement(self.projection) + rule
        return md5(text.encode(), usedforsecurity=False).hexdigest()

    def complete_statement(self, queue_no: int, operation: Operation = "upsert") -> sql.SQL:
        """The statement that applies a batch of this entity, on the tables of the queue's range.

        The same object for every queue of a range, of which there is one a day.
        """
        key = (range_of(queue_no), operation)
        if key not in self._complete_statements:
            self._complete_statements[key] = composed(self, *key)
        return self._complete_statements[key]

    @cached_property
    def _complete_statements(self) -> dict[tuple[int, Operation], sql.SQL]:
        return {}
