"""WooCommerce customers: registered accounts, and guests, with figures from the store's orders."""

from sync_pipeline.entities.declaration import Entity
from sync_pipeline.entities.deletion import Deletion
from sync_pipeline.entities.reading import Guests
from sync_pipeline.sources.protocol import Listing

CUSTOMERS = Entity(
    system="woocommerce",
    name="customers",
    listing=Listing(
        name="customers",
        path="customers",
        fields=(
            "id",
            "email",
            "first_name",
            "last_name",
            "username",
            "role",
            "date_created_gmt",
            "billing",
        ),
    ),
    # `refunds` in the order itself, not the listing of refunds: the same calls bring both, and a
    # refund bumps the order's date_modified (recorded), so the watermark covers it.
    figures_listing=Listing(
        name="orders",
        path="orders",
        fields=(
            "id",
            "status",
            "currency",
            "total",
            "customer_id",
            "date_created_gmt",
            "date_modified_gmt",
            "refunds",
        ),
    ),
    guests=Guests(
        name="guests",
        option="include_guests",
        fields=("billing",),
        id_prefix="guest:",
        settle="derivations/woocommerce/guests_settle",
        derivation="derivations/woocommerce/guests",
    ),
    # One with another role is not listed, and no deletion: `role=all` shows it.
    deletion=Deletion(
        shown_as="role",
        hidden={"role": "all"},
        mark_column="tags",
        mark_tag="deleted-in-woocommerce",
        key_field="email",
    ),
    id_pattern=r"[0-9]+|guest:\S+@\S+",
    id_example="123 and guest:ann@shop.example",
    filters=frozenset({"limit", "email", "external_id"}),
    option_params={"customer_role": "role"},
    is_scheduled=True,
    projection="projections/woocommerce/customers",
    enrichment="enqueue/customer_figures",
    target="customer",
    match_column="email_normalized",
    key_column="email",
    columns=(
        "name",
        "email",
        "phone",
        "company",
        "lifetime_value",
        "segment",
        "status",
        "acquisition_date",
        "last_interaction_date",
        "address",
        "metadata",
        "tags",
    ),
    # What people correct in a back office; the rest is the shop's, or follows from its orders.
    policies={
        "name": "manual",
        "email": "manual",
        "phone": "manual",
        "company": "manual",
        "address": "manual",
        "metadata": "merge",
        "tags": "merge",
    },
)
