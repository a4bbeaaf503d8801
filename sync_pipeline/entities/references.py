"""References between entities that are filled in when what they name has come.

Belongs here: orders to customers, lines to products, variations to parents. Does not: resolving a
reference whose target is there already (the projections and the trigger on sales_order do).

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
