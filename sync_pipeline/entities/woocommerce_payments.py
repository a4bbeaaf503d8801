"""Payments and refunds of WooCommerce orders, taken from our own orders without a call."""

from sync_pipeline.entities.declaration import Entity
from sync_pipeline.entities.deletion import Deletion
from sync_pipeline.sources.protocol import Listing

PAYMENTS = Entity(
    system="woocommerce",
    name="payments",
    listing=Listing(name="payments", path="", fields=("id",)),
    derivation="derivations/woocommerce/payments",
    depends_on=("orders",),
    # It goes with its order: there is no column to mark it in, and sums over it must be right.
    deletion=Deletion(policy="archive"),
    figures_listing=None,
    id_pattern="(order|refund):[0-9]+",
    id_example="order:123 and refund:7",
    projection="projections/woocommerce/payments",
    enrichment=None,
    target="payment",
    match_column="source_key",
    columns=(
        "source",
        "external_id",
        "kind",
        "order_id",
        "order_external_id",
        "method",
        "method_title",
        "transaction_id",
        "amount",
        "currency",
        "paid_at",
        "refund_reason",
    ),
)
