"""References between entities: filled in when what they name has come, let go when it was removed.

Belongs here: orders to customers, lines to products, variations to parents. Does not: resolving a
reference whose target is there already (the projections and the trigger on sales_order do), stock
and payments, which always belong to something.

Late references are few: entities are synced in the order of what they depend on. So each statement
reads a partial index that holds nothing but unresolved rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sync_pipeline.postgres.database import DictConnection
from sync_pipeline.postgres.statements import statement

# Columns of the entities' tables that are filled in; where a record came before what it names, they
# say more than was applied, and nobody changed them by hand.
LATE_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "sales_order": ("customer_id",),
    "product": ("parent_id",),
}
_RELEASES: Final[Mapping[str, tuple[str, ...]]] = {
    "customers": ("references/release_customers",),
    "products": ("references/release_parents", "references/release_products"),
}


@dataclass(frozen=True)
class Filled:
    """How many references were filled in.

    Attributes:
        customers: orders that got their customer, guests' orders among them.
        products: lines of orders that got their product or variation.
        parents: variations that got their product.
    """

    customers: int
    products: int
    parents: int


def fill_references(conn: DictConnection, connection_id: int) -> Filled:
    """Fill in what a connection's rows refer to and can now be found; the caller commits.

    Called again, or when nothing is open, it changes nothing. Rows are locked in the order of their
    keys, as batches lock them.
    """
    values = {"connection_id": connection_id}
    return Filled(
        customers=conn.execute(statement("references/customers"), values).rowcount
        + conn.execute(statement("references/guests"), values).rowcount,
        products=conn.execute(statement("references/products"), values).rowcount,
        parents=conn.execute(statement("references/parents"), values).rowcount,
    )


def release_references(conn: DictConnection, queue_no: int, entity: str) -> int:
    """Let go of the rows that a queue removed, wherever they are named; the caller commits.

    Called again it changes nothing. What is there again is filled in as if it had just come.

    Returns:
        How many rows named one.
    """
    values = {"queue_no": queue_no}
    row = conn.execute(statement("references/removed"), values).fetchone()
    if row is None or not row["has_removed"]:
        return 0
    return sum(conn.execute(statement(name), values).rowcount for name in _RELEASES.get(entity, ()))
