"""The recorded store: 1,028 accounts, 3,009 orders, 249 refunds, 200 products, 80 variations.

Belongs here: reading the compressed recordings. Does not: making them (build_data.py).
"""

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

from sync_pipeline.demo.records import Records
from sync_pipeline.demo.store import DemoStore

_DATA = Path(__file__).parent / "data"
LISTINGS_FILE = _DATA / "listings.json.xz"
FIXED_FILE = _DATA / "fixed.json.xz"


def recorded_store() -> DemoStore:
    """The recorded store as it was, for the caller to change: 0.3 s the first time, then 5 ms.

    Stores share the records they did not change, so nobody may write into one that was read.
    """
    data, fixed = read_compressed(LISTINGS_FILE), read_compressed(FIXED_FILE)
    return DemoStore(
        customers=Records(data["customers"]),
        orders=Records(data["orders"]),
        products=Records(data["products"]),
        refunds=Records(data["refunds"]),
        variations={int(parent): Records(rows) for parent, rows in data["variations"].items()},
        small=fixed["small"],
        fixed=fixed["fixed"],
    )


@cache
def read_compressed(file: Path) -> Any:  # noqa: ANN401 - any JSON value
    """The JSON value of an .xz file, read once a process; nobody may write into it."""
    return json.loads(lzma.decompress(file.read_bytes()))
