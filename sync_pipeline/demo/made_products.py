"""Made products and their variations, each computed from its id alone.

Belongs here: their records, and which product a line of a made order names. Does not: orders
(made_orders.py). There are a few hundred at most, so they are held in memory.
"""

from datetime import timedelta

from sync_pipeline.demo.conditions import Record
from sync_pipeline.demo.made_values import START_UTC, links, local_and_gmt, money, scattered

FIRST_PRODUCT_ID = 10
PRODUCTS_SOLD = 200  # made orders name the first so many products
_SIZES = ("S", "M", "L", "XL")
_VARIABLE_EVERY = 10  # recorded: 20 of 200
_DRAFT_EVERY = 20
_FIRST_VARIATION_ID = 1_000_000


def made_products(count: int) -> tuple[list[Record], dict[int, list[Record]]]:
    """So many products with ids from FIRST_PRODUCT_ID, and variations by their product's id."""
    ids = range(FIRST_PRODUCT_ID, FIRST_PRODUCT_ID + count)
    variations = {
        i: [_variation(i, size) for size in range(len(_SIZES))] for i in filter(_varies, ids)
    }
    return [_product(i) for i in ids], variations


def sold(number: int) -> tuple[int, int]:
    """Product and variation (0 for none) that a line names, from any number."""
    product_id = FIRST_PRODUCT_ID + number % PRODUCTS_SOLD
    size = number // PRODUCTS_SOLD % len(_SIZES)
    return product_id, _variation_id(product_id, size) if _varies(product_id) else 0


def _varies(product_id: int) -> bool:
    return (product_id - FIRST_PRODUCT_ID) % _VARIABLE_EVERY == _VARIABLE_EVERY - 1


def _variation_id(product_id: int, size: int) -> int:
    return _FIRST_VARIATION_ID + product_id * len(_SIZES) + size


def _product(product_id: int) -> Record:
    number = product_id - FIRST_PRODUCT_ID
    is_variable = _varies(product_id)
    ids = [_variation_id(product_id, size) for size in range(len(_SIZES))] if is_variable else []
    return _common(product_id, number) | {
        "name": f"Café Crème Mug #{number}",
        "type": "variable" if is_variable else "simple",
        "sku": f"SKU-{number:04}",
        "regular_price": "" if is_variable else money(_cents(number)),
        "manage_stock": not is_variable and number % 3 != 0,
        "stock_quantity": None if is_variable or number % 3 == 0 else scattered(number) % 90 - 10,
        "parent_id": 0,
        "total_sales": 0,
        "categories": [{"id": 17, "name": "Hats &amp; Caps", "slug": "hats-caps"}],
        "attributes": [{"id": 1, "name": "Size", "options": list(_SIZES)}] if is_variable else [],
        "variations": ids,
        # Drawn anew for every answer by a real store.
        "related_ids": [],
        "_links": links("products", product_id),
    }


def _variation(product_id: int, size: int) -> Record:
    variation_id = _variation_id(product_id, size)
    number = product_id - FIRST_PRODUCT_ID
    return _common(variation_id, number) | {
        "name": _SIZES[size],
        "type": "variation",
        "sku": f"SKU-{number:04}-{_SIZES[size]}",
        "regular_price": money(_cents(number)),
        "manage_stock": True,
        "stock_quantity": scattered(variation_id) % 90 - 10,
        "parent_id": product_id,
        "attributes": [{"id": 1, "name": "Size", "option": _SIZES[size]}],
        "_links": links(f"products/{product_id}/variations", variation_id),
    }


def _common(record_id: int, number: int) -> Record:
    return {
        "id": record_id,
        **local_and_gmt("created", START_UTC + timedelta(seconds=number)),
        **local_and_gmt("modified", START_UTC + timedelta(hours=1, seconds=number)),
        "permalink": f"https://127.0.0.1:8443/product/made-{record_id}/",
        "status": "draft" if number % _DRAFT_EVERY == 1 else "publish",
        "price": money(_cents(number)),
        "sale_price": "",
        "stock_status": "instock",
        "backorders": "no",
    }


def _cents(number: int) -> int:
    return 199 + scattered(number) % 30_000
