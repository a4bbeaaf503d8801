"""Products, variations and stock of one store, and what people do to them between two syncs.

Belongs here: changes with the consequences that were recorded: whose date of modification moves.
Does not: customers and orders (store.py), answering requests (routes.py).

An edited or sold variation bumps its product as well; a sale bumps who counts the pieces; a product
whose stock is not managed is sold without a trace but its number of sales (drift/d0, d1).
"""

import threading
from collections.abc import Callable, MutableMapping
from copy import deepcopy

from sync_pipeline.demo.conditions import Record
from sync_pipeline.demo.records import Collection, Records, changed_copy, copy_of

Bump = Callable[[Record], Record]


class Catalog:
    """The products of a store by id, and their variations by the product's id.

    Every deed holds the store's lock: nobody reads the half of it. Whoever is not there raises
    InputError.
    """

    def __init__(
        self,
        products: Collection,
        variations: MutableMapping[int, Collection],
        lock: threading.RLock,
        bump: Bump,
    ) -> None:
        self._products, self._variations = products, variations
        self._lock, self._bump = lock, bump

    def product(self, product_id: int) -> Record:
        """A copy of one product."""
        return copy_of(self._products, product_id, "product")

    def variation(self, product_id: int, variation_id: int) -> Record:
        """A copy of one variation."""
        return copy_of(self._under(product_id), variation_id, "variation")

    def any_variation(self, variation_id: int) -> Record | None:
        """One variation, of whatever product; it is read at `products/ID` as well (recorded)."""
        found = (under.get(variation_id) for under in self._variations.values())
        return next((one for one in found if one is not None), None)

    def is_sold(self, variation_id: int) -> bool:
        """Whether there is such a variation, and not in the trash."""
        found = self.any_variation(variation_id)
        return found is not None and found["status"] != "trash"

    def put_product(self, record: Record) -> None:
        """Add or replace a whole product, as it is."""
        with self._lock:
            self._products.put(deepcopy(record))

    def put_variation(self, product_id: int, record: Record) -> None:
        """Add or replace a whole variation; its product names it and is bumped."""
        with self._lock:
            ids = self.product(product_id)["variations"]
            self._under(product_id).put(deepcopy(record) | {"parent_id": product_id})
            self.edit_product(product_id, variations=sorted({*ids, record["id"]}))

    def edit_product(self, product_id: int, **changes: object) -> None:
        """Change fields of a product and bump it."""
        with self._lock:
            self._products.put(self._bump(changed_copy(self.product(product_id), changes)))

    def edit_variation(self, product_id: int, variation_id: int, **changes: object) -> None:
        """Change fields of a variation; it and its product are bumped."""
        with self._lock:
            changed = changed_copy(self.variation(product_id, variation_id), changes)
            self._under(product_id).put(self._bump(changed))
            self.edit_product(product_id)

    def trash_product(self, product_id: int) -> None:
        """Put a product into the trash: no listing shows it, reading it alone does.

        Its variations go with it (WooCommerce's own code; not recorded).
        """
        with self._lock:
            for variation_id in list(self._under(product_id).matching([])):
                self.edit_variation(product_id, variation_id, status="trash")
            self.edit_product(product_id, status="trash")

    def delete_product(self, product_id: int) -> None:
        """Delete a product for good, with its variations."""
        with self._lock:
            self.product(product_id)
            self._products.remove(product_id)
            self._variations.pop(product_id, None)

    def delete_variation(self, product_id: int, variation_id: int) -> None:
        """Delete a variation for good; its product no longer names it, and is bumped."""
        with self._lock:
            self.variation(product_id, variation_id)
            self._under(product_id).remove(variation_id)
            ids = [i for i in self.product(product_id)["variations"] if i != variation_id]
            self.edit_product(product_id, variations=ids)

    def sell(self, product_id: int, pieces: int, variation_id: int = 0) -> None:
        """Take pieces off the stock that counts them, which may go below zero."""
        with self._lock:
            product = self.product(product_id)
            sold = self.variation(product_id, variation_id) if variation_id else product
            if sold["manage_stock"] is True and variation_id:
                self.edit_variation(product_id, variation_id, **_less(sold, pieces))
            elif sold["manage_stock"] in (True, "parent"):
                self.edit_product(product_id, **_less(product, pieces))
                self._repeat_stock(product_id)
            sales = int(product["total_sales"]) + pieces
            self._products.put(self.product(product_id) | {"total_sales": sales})

    def _repeat_stock(self, product_id: int) -> None:
        """Variations that sell from their product's stock answer with its numbers."""
        product, under = self.product(product_id), self._under(product_id)
        for variation_id in list(under.matching([])):
            variation = self.variation(product_id, variation_id)
            if variation["manage_stock"] == "parent":
                names = ("stock_quantity", "stock_status")
                under.put(variation | {name: product[name] for name in names})

    def _under(self, product_id: int) -> Collection:
        return self._variations.setdefault(product_id, Records())


def _less(record: Record, pieces: int) -> Record:
    left = int(record["stock_quantity"]) - pieces
    kept = (
        "instock" if left > 0 else "outofstock" if record["backorders"] == "no" else "onbackorder"
    )
    return {"stock_quantity": left, "stock_status": kept}
