"""What each listing accepts and how it answers, as recorded.

Belongs here: one Schema per listing. Does not: how they are checked (parameters.py).
"""

from sync_pipeline.demo.parameters import Schema, date, email, integers, one_of

ROLES = (
    "all", "administrator", "editor", "author", "contributor", "subscriber", "customer",
    "shop_manager",
)  # fmt: skip
ORDER_STATUSES = (
    "any", "trash", "auto-draft", "pending", "processing", "on-hold", "completed", "cancelled",
    "refunded", "failed", "checkout-draft",
)  # fmt: skip
HIDDEN_ORDER_STATUSES = ("trash", "auto-draft", "checkout-draft")
_DATES = {
    "after": ("date_created_gmt", "after"),
    "before": ("date_created_gmt", "before"),
    "modified_after": ("date_modified_gmt", "after"),
    "modified_before": ("date_modified_gmt", "before"),
}
_DATE_CHECKS = dict.fromkeys(_DATES, date)
_PRODUCT_STATUSES = ("any", "future", "trash", "draft", "pending", "private", "publish")
HIDDEN_PRODUCT_STATUSES = ("trash",)
_PRODUCT_TYPES = ("simple", "grouped", "external", "variable")

_POST_ORDER = {
    "date": "date_created_gmt",
    "id": "id",
    "include": "date_created_gmt",
    "title": "date_created_gmt",
    "slug": "date_created_gmt",
    "modified": "date_modified_gmt",
}

CUSTOMERS = Schema(
    orderby={
        "id": "id",
        "include": "username",
        "name": "username",
        "registered_date": "date_created_gmt",
    },
    default_orderby="name",
    descending=False,
    checks={"role": one_of(*ROLES), "email": email},
    equal={"role": "role", "email": "email"},
    searched=("username", "email"),
)
ORDERS = Schema(
    orderby=_POST_ORDER,
    default_orderby="date",
    checks={"status": one_of(*ORDER_STATUSES), "customer": integers(), **_DATE_CHECKS},
    lists=("include", "exclude", "status"),
    equal={"status": "status", "customer": "customer_id"},
    dates=_DATES,
    searched=("billing",),
    forgets_total=True,
)
REFUNDS = Schema(
    orderby=_POST_ORDER,
    default_orderby="date",
    checks=_DATE_CHECKS,
    dates=_DATES,
    forgets_total=True,
)
PRODUCTS = Schema(
    orderby=_POST_ORDER,
    default_orderby="date",
    checks={
        "type": one_of(*_PRODUCT_TYPES),
        "include_types": one_of(*_PRODUCT_TYPES),
        "status": one_of(*_PRODUCT_STATUSES),
        **_DATE_CHECKS,
    },
    lists=("include", "exclude", "include_types"),
    equal={"type": "type", "status": "status", "sku": "sku", "stock_status": "stock_status"},
    dates=_DATES,
    stores_local_dates=True,
    searched=("name", "sku"),
)
VARIATIONS = Schema(
    orderby=_POST_ORDER,
    default_orderby="date",
    checks={"status": one_of(*_PRODUCT_STATUSES), **_DATE_CHECKS},
    equal={"status": "status", "sku": "sku", "stock_status": "stock_status"},
    dates=_DATES,
    stores_local_dates=True,
    searched=("sku",),
)
COUPONS = Schema(orderby=_POST_ORDER, default_orderby="date")
SMALL = Schema(
    orderby={"id": "id", "include": "name", "name": "name"},
    default_orderby="name",
    descending=False,
)
