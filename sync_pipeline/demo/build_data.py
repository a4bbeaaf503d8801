"""Make the compressed data of the demo store and of its replay tests from a folder of recordings.

    python -m sync_pipeline.demo.build_data RECORDINGS TEST_DATA

Belongs here: which recorded exchanges are kept. Does not: reading them back (recorded.py).
"""

import argparse
import json
import lzma
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sync_pipeline.demo.recorded import FIXED_FILE, LISTINGS_FILE

LISTED = {
    "customers": "customers_role_all",
    "orders": "orders",
    "products": "products",
    "refunds": "refunds",
}
# Collections of a few records, listed with paging and _fields only: path -> recorded exchange.
SMALL = {
    "coupons": "store/coupons",
    "products/attributes": "products/attributes",
    "products/categories": "products/categories",
    "shipping/zones": "store/shipping_zones",
    "taxes": "store/taxes",
    "webhooks": "store/webhooks_list_empty",
}
# Bodies served as recorded: path under /wp-json -> recorded exchange.
FIXED = {
    "": "auth/root_index_no_auth",
    "wc/v3": "auth/wc_v3_index_no_auth",
    "wc/v3/system_status": "store/system_status",
    "wc/v3/data/currencies/current": "store/data_currencies_current",
    "wc/v3/payment_gateways": "store/payment_gateways",
    "wc/v3/settings/general": "store/settings_general",
    "wc/v3/settings": "store/settings_groups",
    "wc/v3/customers/3/downloads": "customers/downloads",
    "wc/v3/orders/3549/notes": "orders/notes_of_order",
    "wc/v3/products/191": "products/variation_read_as_product",
}
REPLAYED = ("auth", "customers", "drift", "orders", "pagination", "products", "timezones")
ALSO_REPLAYED = ("errors/404_namespace", "errors/404_route", *SMALL.values(), *FIXED.values())


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the package's data and the tests' data."""
    parser = argparse.ArgumentParser(description="Compress recordings for the demo store.")
    parser.add_argument("recordings", type=Path)
    parser.add_argument("test_data", type=Path)
    chosen = parser.parse_args(arguments)
    _write(LISTINGS_FILE, listings(chosen.recordings))
    _write(FIXED_FILE, fixed_answers(chosen.recordings))
    _write(chosen.test_data / "exchanges.json.xz", exchanges(chosen.recordings))


def listings(recordings: Path) -> dict[str, Any]:
    """The full listings by name; variations by the id of their product."""
    listing = recordings / "listing"
    data: dict[str, Any] = {
        name: _records(sorted((listing / folder).glob("*.json"))) for name, folder in LISTED.items()
    }
    data["variations"] = {
        file.stem.split("_")[1]: _records([file])
        for file in sorted((listing / "variations").glob("*.json"))
    }
    return data


def fixed_answers(recordings: Path) -> dict[str, Any]:
    """Small lists and fixed bodies, by path."""
    return {
        "small": {path: _body(recordings / f"{name}.json") for path, name in SMALL.items()},
        "fixed": {path: _body(recordings / f"{name}.json") for path, name in FIXED.items()},
    }


def exchanges(recordings: Path) -> dict[str, Any]:
    """The replayed exchanges by name; a listing's bodies are left out, the store holds them."""
    kept: dict[str, Any] = {}
    for folder in REPLAYED:
        for file in sorted((recordings / folder).glob("*.json")):
            exchange = json.loads(file.read_text())
            if "request" in exchange:
                kept[f"{folder}/{file.stem}"] = exchange
    for name in ALSO_REPLAYED:
        kept[name] = json.loads((recordings / f"{name}.json").read_text())
    for file in sorted((recordings / "listing").glob("*/*.json")):
        if file.parent.name == "wc_analytics_reports_customers":
            continue
        exchange = json.loads(file.read_text())
        ids = [record["id"] for record in exchange["response"].pop("body")]
        kept[f"listing/{file.parent.name}/{file.stem}"] = exchange | {"ids": ids}
    return kept


def _records(files: Iterable[Path]) -> list[Any]:
    return [record for file in files for record in _body(file)]


def _body(file: Path) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(file.read_text())["response"]["body"]


def _write(file: Path, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(lzma.compress(text.encode(), preset=9))


if __name__ == "__main__":
    main()
