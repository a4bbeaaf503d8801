"""What each entity is. Everything made per entity is made from `ENTITIES`."""

from sync_pipeline.entities.declaration import Entity
from sync_pipeline.entities.woocommerce_customers import CUSTOMERS
from sync_pipeline.entities.woocommerce_inventory import INVENTORY
from sync_pipeline.entities.woocommerce_orders import ORDERS
from sync_pipeline.entities.woocommerce_payments import PAYMENTS
from sync_pipeline.entities.woocommerce_products import PRODUCTS
from sync_pipeline.errors import UnknownEntityError

# What others depend on comes first.
ENTITIES: tuple[Entity, ...] = (CUSTOMERS, PRODUCTS, ORDERS, INVENTORY, PAYMENTS)


def entity_of(system: str, name: str) -> Entity:
    """The declaration of `name` in `system`.

    Raises:
        UnknownEntityError: nothing of that name is declared.
    """
    for entity in ENTITIES:
        if (entity.system, entity.name) == (system, name):
            return entity
    known = ", ".join(entity.name for entity in ENTITIES if entity.system == system)
    raise UnknownEntityError(
        f"There is no entity {name!r} in {system}.", remedy=f"Known entities: {known or 'none'}."
    )


__all__ = ["ENTITIES", "Entity", "entity_of"]
