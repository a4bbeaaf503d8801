"""Stock of WooCommerce products and variations, taken from our own products without a call."""

from sync_pipeline.entities.declaration import Entity
from sync_pipeline.entities.deletion import Deletion
from sync_pipeline.sources.protocol import Listing

INVENTORY = Entity(
    system="woocommerce",
    name="inventory",
    listing=Listing(name="inventory", path="", fields=("id",)),
    derivation="derivations/woocommerce/inventory",
    depends_on=("products",),
    # It goes with its product: there is no column to mark it in, and sums over it must be right.
    deletion=Deletion(policy="archive"),
    figures_listing=None,
    projection="projections/woocommerce/inventory",
    enrichment=None,
    target="inventory_level",
    match_column="source_key",
    columns=(
        "source",
        "external_id",
        "product_id",
        "management",
        "quantity",
        "stock_status",
        "backorders",
    ),
)
