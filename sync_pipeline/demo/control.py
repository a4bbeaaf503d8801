"""The control paths, for a store that is served by another process.

    GET /__demo__/requests            the request log;             DELETE forgets it
    GET /__demo__/faults              how many faults are set;     DELETE takes them away
    POST /__demo__/faults             [{"action": …}, …] replaces them
    POST /__demo__/store              {"do": "delete_customer", "id": 5}
                                      {"do": "edit_order", "id": 9, "changes": {"total": "1.00"}}

Belongs here: these paths. Does not: WooCommerce's own (routes.py). The server listens on loopback
only, and no request here is logged.
"""

import json
from collections.abc import Callable
from typing import Any, Protocol

from sync_pipeline.demo.answers import JSON_TYPE, Answer
from sync_pipeline.demo.faults import Fault, faults_from_json
from sync_pipeline.demo.request import Request
from sync_pipeline.demo.request_log import RequestLog
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.errors import InputError

CONTROL_PREFIX = "/__demo__/"


class Controlled(Protocol):
    """What the control paths may touch."""

    log: RequestLog
    store: DemoStore
    faults: tuple[Fault, ...]


def control_answer(server: Controlled, request: Request, body: bytes) -> Answer:
    """The answer of a control path; 400 with a message for bad input."""
    name = request.path.removeprefix(CONTROL_PREFIX)
    deed = _DEEDS.get((request.method, name))
    if deed is None:
        return _json(404, {"error": "No such control path."})
    try:
        return _json(200, deed(server, json.loads(body) if body else None))
    except json.JSONDecodeError:
        return _json(400, {"error": "The body is not JSON."})
    except InputError as error:
        return _json(400, {"error": str(error)})


def _read_requests(server: Controlled, _: object) -> object:
    return [entry.as_json() for entry in server.log.entries()]


def _forget_requests(server: Controlled, _: object) -> object:
    server.log.clear()
    return {}


def _count_faults(server: Controlled, _: object) -> object:
    return {"faults": [fault.action for fault in server.faults]}


def _set_faults(server: Controlled, value: object) -> object:
    server.faults = tuple(faults_from_json(value))
    return {"faults": len(server.faults)}


def _no_faults(server: Controlled, _: object) -> object:
    server.faults = ()
    return {}


def _change_store(server: Controlled, value: object) -> object:
    if not isinstance(value, dict) or not isinstance(value.get("id"), int):
        raise InputError('A change is {"do": …, "id": …}.')
    record_id: int = value["id"]
    changes: dict[str, Any] = value.get("changes") or {}
    store, catalog = server.store, server.store.catalog
    deeds: dict[object, Callable[[], None]] = {
        "delete_customer": lambda: store.delete_customer(record_id),
        "edit_customer": lambda: store.edit_customer(record_id, **changes),
        "put_customer": lambda: store.put_customer(changes | {"id": record_id}),
        "delete_order": lambda: store.delete_order(record_id),
        "edit_order": lambda: store.edit_order(record_id, **changes),
        "put_order": lambda: store.put_order(changes | {"id": record_id}),
        "trash_order": lambda: store.trash_order(record_id),
        "refund_order": lambda: store.refund_order(record_id, **changes),
        "edit_product": lambda: catalog.edit_product(record_id, **changes),
        "put_product": lambda: catalog.put_product(changes | {"id": record_id}),
        "delete_product": lambda: catalog.delete_product(record_id),
        "trash_product": lambda: catalog.trash_product(record_id),
        "edit_variation": lambda: catalog.edit_variation(record_id, **changes),
        "sell": lambda: catalog.sell(record_id, **changes),
    }
    deed = deeds.get(value.get("do"))
    if deed is None:
        raise InputError("No such change.", remedy=f"One of {', '.join(map(str, deeds))}.")
    deed()
    return {}


_DEEDS: dict[tuple[str, str], Callable[[Controlled, object], object]] = {
    ("GET", "requests"): _read_requests,
    ("DELETE", "requests"): _forget_requests,
    ("GET", "faults"): _count_faults,
    ("POST", "faults"): _set_faults,
    ("DELETE", "faults"): _no_faults,
    ("POST", "store"): _change_store,
}


def _json(status: int, value: object) -> Answer:
    return Answer(status, json.dumps(value).encode(), (("Content-Type", JSON_TYPE),))
