"""Faults by request: frozen rules that say which requests go wrong, and how.

Belongs here: the rules, counting what they match, reading them from JSON. Does not: what each does
to an answer (fault_effects.py), sockets (server.py).
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from sync_pipeline.demo.request import Request
from sync_pipeline.demo.store import DemoStore
from sync_pipeline.errors import InputError

Action = Literal[
    "bom",
    "captcha",
    "change",
    "cut_connection",
    "cut_json",
    "database_down",
    "delete_customer",
    "delete_order",
    "hang",
    "no_route",
    "php_warning",
    "poison",
    "rate_limited",
    "server_error",
    "server_error_html",
    "slow",
    "trash_order",
    "unavailable",
]
_DEFAULT_PER_PAGE = 10


@dataclass(frozen=True)
class Fault:
    """One rule. Every condition must hold; then the action strikes.

    Attributes:
        action: what goes wrong:
            rate_limited 429; unavailable 503; server_error 500 JSON; server_error_html `status`
            as HTML (500, 502, 504); database_down 500 JSON; no_route 404 as without the plugin;
            captcha 202 HTML (or `status`); hang nothing for `seconds`, then the connection is
            closed; slow answers after `seconds`; cut_connection closes after `after_bytes` of the
            body, or before anything; cut_json a complete answer whose JSON ends too early;
            php_warning, bom before the JSON; poison 500 whenever record `record_id` is shown with
            more than its id; delete_customer, delete_order, trash_order `record_id` before the
            answer; change calls `change` before the answer (in process only).
        path: regular expression, searched in the path.
        query: parameters that must have these values.
        per_page_above: only requests for more records a page (10 when not said).
        nth: the first request, of those that match, that is struck; counted from 1.
        times: how many are struck; None: all.
        retry_after_seconds: Retry-After of 429 and 503; None: no such header.
        retry_after_as_date: Retry-After as an HTTP date.
    """

    action: Action
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    per_page_above: int = 0
    nth: int = 1
    times: int | None = None
    seconds: float = 0.0
    status: int | None = None
    retry_after_seconds: float | None = None
    retry_after_as_date: bool = False
    record_id: int = 0
    after_bytes: int | None = None
    change: Callable[[DemoStore], None] | None = None

    def matches(self, request: Request) -> bool:
        """Whether the request is one of those the rule is about."""
        if not re.search(self.path, request.path):
            return False
        per_page = request.text("per_page")
        records = int(per_page) if per_page.isdigit() else _DEFAULT_PER_PAGE
        if self.per_page_above and records <= self.per_page_above:
            return False
        return all(request.text(name) == value for name, value in self.query.items())


class FaultPlan:
    """Rules in force, and how many requests each has matched."""

    def __init__(self, faults: Sequence[Fault] = ()) -> None:
        self.faults = tuple(faults)
        self._matched = [0] * len(self.faults)
        self._lock = threading.Lock()

    def strikes(self, request: Request) -> list[Fault]:
        """The faults that strike this request, in their order; counts it."""
        struck = []
        with self._lock:
            for place, fault in enumerate(self.faults):
                if not fault.matches(request):
                    continue
                self._matched[place] += 1
                since = self._matched[place] - fault.nth
                if since >= 0 and (fault.times is None or since < fault.times):
                    struck.append(fault)
        return struck


def faults_from_json(value: object) -> list[Fault]:
    """Rules from a parsed JSON array of objects with the attributes of Fault.

    Raises:
        InputError: not such an array; an unknown action or attribute; a wrong type.
    """
    if not isinstance(value, list):
        raise InputError("Faults must be a JSON array.")
    return [_fault(place, item) for place, item in enumerate(value)]


_TYPES: Mapping[str, tuple[type, ...]] = {
    "action": (str,),
    "path": (str,),
    "query": (dict,),
    "per_page_above": (int,),
    "nth": (int,),
    "times": (int, type(None)),
    "seconds": (int, float),
    "status": (int, type(None)),
    "retry_after_seconds": (int, float, type(None)),
    "retry_after_as_date": (bool,),
    "record_id": (int,),
    "after_bytes": (int, type(None)),
}


def _fault(place: int, item: object) -> Fault:
    where = f"Fault {place} "
    if not isinstance(item, dict) or item.get("action") not in get_args(Action):
        raise InputError(
            f"{where}needs an action.", remedy=f"One of {', '.join(get_args(Action))}."
        )
    given: dict[str, Any] = item
    for name, attribute in given.items():
        if name not in _TYPES:
            known = ", ".join(f.name for f in fields(Fault) if f.name in _TYPES)
            raise InputError(f"{where}has no attribute {name!r}.", remedy=f"Known: {known}.")
        if not isinstance(attribute, _TYPES[name]):
            raise InputError(f"{where}has a wrong type at {name!r}.")
    if given["action"] == "change":
        raise InputError(f"{where}can only change a store in its own process.")
    _check_pattern(where, str(given.get("path", "")))
    return Fault(**given)


def _check_pattern(where: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise InputError(f"{where}has no regular expression as path: {error}.") from error
