"""What a fault does: to the store before an answer, and to the answer.

Belongs here: broken answers, as recorded where there is a recording. Does not: which requests are
struck (faults.py), waiting and sockets (server.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate

from sync_pipeline.demo.answers import HTML_TYPE, JSON_TYPE, Answer, no_route
from sync_pipeline.demo.faults import Fault
from sync_pipeline.demo.records import wordpress_json
from sync_pipeline.demo.store import DemoStore

_PHP_WARNING = (
    b'<br />\n<b>Warning</b>:  Undefined array key "nope" in '
    b"<b>/var/www/html/wp-content/mu-plugins/local.php</b> on line <b>12</b><br />\n"
)
_BOM = b"\xef\xbb\xbf"
_CAPTCHA = (
    "<!DOCTYPE html>\n<html><head><title>Just a moment...</title></head>\n"
    "<body><h1>Checking that you are human</h1>"
    '<div class="captcha-challenge">Please complete the captcha.</div></body></html>\n'
)
_CRITICAL = {
    "code": "internal_server_error",
    "message": (
        "<p>There has been a critical error on this website.</p><p><a href="
        '"https://wordpress.org/documentation/article/faq-troubleshooting/">'
        "Learn more about troubleshooting WordPress.</a></p>"
    ),
    "data": {
        "status": 500,
        "error": {
            "type": 1,
            "message": (
                "Uncaught Error: Call to undefined function undefined_function() in "
                "/var/www/html/wp-content/mu-plugins/local.php:9"
            ),
            "file": "/var/www/html/wp-content/mu-plugins/local.php",
            "line": 9,
        },
    },
    "additional_errors": [],
}
_REASONS = {500: "Internal Server Error", 502: "Bad Gateway", 504: "Gateway Time-out"}
_HTML = ("Content-Type", HTML_TYPE)
_WITH_RETRY_AFTER = ("rate_limited", "unavailable")
_CHANGES = ("change", "delete_customer", "delete_order", "trash_order")


def _died(message: str, status: int) -> dict[str, object]:
    return {
        "code": "wp_die",
        "message": message,
        "data": {"status": status},
        "additional_errors": [],
    }


# Action → the usual status and the body; "" makes nginx's own page of the status.
_JSON_BODIES: dict[str, tuple[int, object]] = {
    "rate_limited": (
        429,
        {"code": "too_many_requests", "message": "Too many requests.", "data": {"status": 429}},
    ),
    "unavailable": (
        503,
        _died("Briefly unavailable for scheduled maintenance. Check back in a minute.", 503),
    ),
    "database_down": (500, _died("<h1>Error establishing a database connection</h1>", 500)),
    "server_error": (500, _CRITICAL),
    "no_route": (404, no_route().body),
}
_HTML_PAGES = {"captcha": (202, _CAPTCHA), "server_error_html": (500, "")}


@dataclass(frozen=True)
class Delivery:
    """How an answer goes out.

    Attributes:
        answer: None: the connection is closed without one.
        cut_after_bytes: close after so many bytes of the body; None: send all of it.
    """

    answer: Answer | None
    cut_after_bytes: int | None = None


def change_store(store: DemoStore, faults: Sequence[Fault]) -> None:
    """What happens in the store just before the answer."""
    for fault in faults:
        if fault.action in _CHANGES:
            _change(store, fault)


def instead(faults: Sequence[Fault], now_seconds: float) -> Delivery | None:
    """What comes instead of the store's answer, by the first such fault; None: the store answers.

    Args:
        now_seconds: the store's clock, for a Retry-After date.
    """
    for fault in faults:
        if fault.action == "hang" or (fault.action == "cut_connection" and not fault.after_bytes):
            return Delivery(None)
        answer = _broken(fault, now_seconds)
        if answer is not None:
            return Delivery(answer)
    return None


def spoiled(answer: Answer, faults: Sequence[Fault]) -> Delivery:
    """The store's answer after the faults that need it."""
    cut_after_bytes = None
    for fault in faults:
        if fault.action == "poison" and fault.record_id in answer.record_ids:
            answer = answer if answer.ids_only else _json(500, _CRITICAL)
        elif fault.action == "cut_json":
            answer = replace(answer, body=answer.body[: max(1, len(answer.body) * 2 // 3)])
        elif fault.action == "php_warning":
            answer = replace(answer, body=_PHP_WARNING + answer.body)
        elif fault.action == "bom":
            answer = replace(answer, body=_BOM + answer.body)
        elif fault.action == "cut_connection":
            cut_after_bytes = fault.after_bytes
    return Delivery(answer, cut_after_bytes)


def _change(store: DemoStore, fault: Fault) -> None:
    if fault.action == "change" and fault.change is not None:
        fault.change(store)
    elif fault.action == "delete_customer":
        store.delete_customer(fault.record_id)
    elif fault.action == "delete_order":
        store.delete_order(fault.record_id)
    elif fault.action == "trash_order":
        store.trash_order(fault.record_id)


def _broken(fault: Fault, now_seconds: float) -> Answer | None:
    if fault.action in _HTML_PAGES:
        status, page = _HTML_PAGES[fault.action]
        status = fault.status or status
        return Answer(status, (page or _nginx_page(status)).encode(), (_HTML,))
    if fault.action not in _JSON_BODIES:
        return None
    status, body = _JSON_BODIES[fault.action]
    waits = _retry_after(fault, now_seconds) if fault.action in _WITH_RETRY_AFTER else ()
    return _json(fault.status or status, body, waits)


def _retry_after(fault: Fault, now_seconds: float) -> tuple[tuple[str, str], ...]:
    if fault.retry_after_seconds is None:
        return ()
    if fault.retry_after_as_date:
        moment = formatdate(now_seconds + fault.retry_after_seconds, usegmt=True)
        return (("Retry-After", moment),)
    return (("Retry-After", f"{fault.retry_after_seconds:g}"),)


def _nginx_page(status: int) -> str:
    title = f"{status} {_REASONS.get(status, 'Error')}"
    return (
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n"
        "<hr><center>nginx/1.22.1</center>\n</body>\n</html>\n"
    )


def _json(status: int, body: object, more: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status, wordpress_json(body).encode(), (("Content-Type", JSON_TYPE), *more))
