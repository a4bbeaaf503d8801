"""WooCommerce products: simple and variable ones with their variations, drafts and private too."""

from sync_pipeline.entities.declaration import Entity
from sync_pipeline.entities.deletion import Deletion
from sync_pipeline.entities.reading import Changes, NestedListing
from sync_pipeline.sources.protocol import Listing

# What products and variations share. `related_ids` is drawn anew for every answer and would make
# every product a changed one; `total_sales` grows with each order and bumps no date (recorded).
_FIELDS = (
    "id",
    "parent_id",
    "type",
    "status",
    "name",
    "sku",
    "price",
    "regular_price",
    "sale_price",
    "attributes",
    "manage_stock",
    "stock_quantity",
    "stock_status",
    "backorders",
    "permalink",
    "date_created_gmt",
    "date_modified_gmt",
)

PRODUCTS = Entity(
    system="woocommerce",
    name="products",
    # `variations`: their ids, so that only products that have any cost a call.
    listing=Listing(
        name="products", path="products", fields=(*_FIELDS, "categories", "variations")
    ),
    # An edited or sold variation bumps its product's date as well (recorded), so what changed of
    # products is all that has to be asked.
    changes=Changes(),
    # A variation is read at `products/ID` as well (recorded), also one whose product is gone.
    deletion=Deletion(mark_column="status"),
    modified_column="source_modified_at",
    children=NestedListing(
        name="variations",
        path="products/{id}/variations",
        fields=_FIELDS,
        ids_field="variations",
        parent_field="parent_id",
        parent_column="parent_external_id",
    ),
    figures_listing=None,
    projection="projections/woocommerce/products",
    enrichment=None,
    target="product",
    match_column="source_key",
    columns=(
        "source",
        "external_id",
        "parent_external_id",
        "parent_id",
        "type",
        "status",
        "name",
        "sku",
        "price",
        "regular_price",
        "sale_price",
        "categories",
        "attributes",
        "manage_stock",
        "stock_quantity",
        "stock_status",
        "backorders",
        "permalink",
        "source_created_at",
        "source_modified_at",
    ),
    # Whoever renames a product here, or gives it a code, means it.
    policies={"name": "manual", "sku": "manual"},
)
