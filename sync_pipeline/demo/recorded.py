"""The recorded store: 1,028 accounts, 3,009 orders, 249 refunds, 200 products, 80 variations.

Belongs here: reading the compressed recordings. Does not: making them (build_data.py).
"""

import json
import lzma
from pathlib import Path
from typing import Any

from sync_pipeline.demo.records import Records
from sync_pipeline.demo.store import DemoStore

_DATA = Path(__file__).parent / "data"
LISTINGS_FILE = _DATA / "listings.json.xz"
FIXED_FILE = _DATA / "fixed.json.xz"


def recorded_store() -> DemoStore:
    """A fresh copy of the recorded store, for the caller to change (0.3 s to load)."""
    data = read_compressed(LISTINGS_FILE)
    fixed = read_compressed(FIXED_FILE)
    return DemoStore(
        customers=Records(data["customers"]),
        orders=Records(data["orders"]),
        products=Records(data["products"]),
        refunds=Records(data["refunds"]),
        variations={int(parent): Records(rows) for parent, rows in data["variations"].items()},
        small=fixed["small"],
        fixed=fixed["fixed"],
    )


def read_compressed(file: Path) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of an .xz file."""
    return json.loads(lzma.decompress(file.read_bytes()))
