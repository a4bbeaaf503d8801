"""What the doctor reports, and what each answer of a store is told to be.

Belongs here: the form of a finding, and the pure checks on answers that have come. Does not: asking
for them (doctor.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sync_pipeline.errors import SyncError
from sync_pipeline.sources.throttle.circuit import Circuit
from sync_pipeline.sources.woocommerce.addresses import API_NAMESPACE
from sync_pipeline.sources.woocommerce.answers import Answer
from sync_pipeline.sources.woocommerce.auth import AuthForm
from sync_pipeline.sources.woocommerce.errors import (
    BlockedByFirewallError,
    RouteMissingError,
    TlsFailedError,
)
from sync_pipeline.sources.woocommerce.retries import parsed_date

_SIGNATURE_LIFE_SECONDS = 900  # recorded: a timestamp 901 s old is refused
_NOTICEABLE_SKEW_SECONDS = 60
_HTTPS = "https://"


class Outcome(StrEnum):
    """How a check ended; SKIP: an earlier finding made it moot."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's table.

    Attributes:
        check: what was checked, e.g. "permalinks".
        outcome: how it ended.
        seen: what was seen, without secrets.
        remedy: what to do; empty when nothing is to be done.
    """

    check: str
    outcome: Outcome
    seen: str
    remedy: str = ""


def of_reaching(index: Answer | SyncError, base_url: str, *, tls_checked: bool) -> list[Finding]:
    """Reachable, TLS, firewall, permalinks: told by the answer of the API's index."""
    if isinstance(index, TlsFailedError):
        return [Finding("reachable", Outcome.OK, "a server answers"), failed("tls", index)]
    if isinstance(index, BlockedByFirewallError):
        return [_reached(index), _tls(base_url, tls_checked=tls_checked), failed("firewall", index)]
    if isinstance(index, RouteMissingError):
        open_way = Finding("firewall", Outcome.OK, "lets us through")
        return [
            _reached(index),
            _tls(base_url, tls_checked=tls_checked),
            open_way,
            failed("permalinks", index),
        ]
    if isinstance(index, SyncError):
        return [failed("reachable", index)]
    return [
        _reached(index),
        _tls(base_url, tls_checked=tls_checked),
        Finding("firewall", Outcome.OK, "lets us through"),
        _permalinks(index),
    ]


def _reached(index: Answer | SyncError) -> Finding:
    seen = "answers"
    if isinstance(index, Answer):
        seen = f"answers in {index.elapsed_seconds:.2f} s"
        if index.noise:
            remedy = "Turn off display_errors in PHP; the sync reads past it."
            return Finding("reachable", Outcome.WARN, f"{seen}, noise: {index.noise}", remedy)
    return Finding("reachable", Outcome.OK, seen)


def _tls(base_url: str, *, tls_checked: bool) -> Finding:
    if not base_url.startswith(_HTTPS):
        remedy = "Use https: the keys are safe (signed), the customers' data is not."
        return Finding("tls", Outcome.WARN, "plain http", remedy)
    if not tls_checked:
        remedy = "Set SYNC_SOURCE_VERIFY_TLS=true, or SYNC_SOURCE_CA_BUNDLE for your authority."
        return Finding("tls", Outcome.WARN, "the certificate is not checked", remedy)
    return Finding("tls", Outcome.OK, "the certificate holds")


def _permalinks(index: Answer) -> Finding:
    namespaces = index.value.get("namespaces") if isinstance(index.value, dict) else None
    if isinstance(namespaces, list) and API_NAMESPACE in namespaces:
        return Finding("permalinks", Outcome.OK, f"/wp-json/ offers {API_NAMESPACE}")
    remedy = "Activate WooCommerce (3.5 or later) in the store."
    return Finding("permalinks", Outcome.FAIL, f"/wp-json/ has no {API_NAMESPACE}", remedy)


def clock(index: Answer, form: AuthForm) -> Finding:
    """How far the clocks are apart, and whether that breaks signatures."""
    store_utc = parsed_date(index.headers.get("date", ""))
    if store_utc is None:
        return Finding("clock", Outcome.WARN, "the store sends no date")
    skew_seconds = abs((datetime.now(UTC) - store_utc).total_seconds())
    seen = f"{skew_seconds:.0f} s apart"
    remedy = "Set both clocks by NTP."
    if skew_seconds >= _SIGNATURE_LIFE_SECONDS and form is AuthForm.OAUTH:
        return Finding("clock", Outcome.FAIL, f"{seen}: signatures are refused", remedy)
    if skew_seconds >= _NOTICEABLE_SKEW_SECONDS:
        return Finding("clock", Outcome.WARN, seen, remedy)
    return Finding("clock", Outcome.OK, seen)


def time_zone(index: Answer) -> Finding:
    """The zone that the store's local dates are in."""
    value = index.value if isinstance(index.value, dict) else {}
    name, offset_hours = value.get("timezone_string"), value.get("gmt_offset")
    if name:
        return Finding("time zone", Outcome.OK, str(name))
    if isinstance(offset_hours, int | float):
        remedy = "Choose a city in Settings > General, so that daylight saving is known."
        return Finding("time zone", Outcome.WARN, f"UTC{offset_hours:+g}", remedy)
    return Finding("time zone", Outcome.WARN, "not told")


def auth(form: AuthForm, reads: Mapping[str, Answer | SyncError]) -> Finding:
    """The form of signing in that worked for at least one of the reads."""
    worked = [answer for answer in reads.values() if isinstance(answer, Answer)]
    if not worked:
        error = next(answer for answer in reads.values() if isinstance(answer, SyncError))
        return failed("auth", error)
    if form is AuthForm.QUERY:
        remedy = "Let the web server pass the Authorization header on to PHP."
        seen = "keys in the query: the host strips the Authorization header"
        return Finding("auth", Outcome.WARN, seen, remedy)
    return Finding("auth", Outcome.OK, form.value)


def read(name: str, answer: Answer | SyncError) -> Finding:
    """Whether an entity can be read, and how many there are."""
    if isinstance(answer, SyncError):
        return failed(f"read {name}", answer)
    total = answer.headers.get("x-wp-total")
    if total is None:
        remedy = "A proxy or a cache drops X-WP-Total; exclude /wp-json/ from it."
        return Finding(f"read {name}", Outcome.WARN, "readable, total not told", remedy)
    return Finding(f"read {name}", Outcome.OK, f"{total} {name}")


def version(status: Answer | SyncError) -> Finding:
    """What the store runs on."""
    if isinstance(status, SyncError):
        remedy = "Nothing needs it; a key of an administrator may read it."
        return Finding("version", Outcome.WARN, f"not told ({status.code})", remedy)
    environment = status.value.get("environment") if isinstance(status.value, dict) else None
    told: dict[str, Any] = environment if isinstance(environment, dict) else {}
    names = {"version": "WooCommerce", "wp_version": "WordPress", "php_version": "PHP"}
    seen = ", ".join(f"{name} {told[key]}" for key, name in names.items() if told.get(key))
    return Finding("version", Outcome.OK if seen else Outcome.WARN, seen or "not told")


def circuit(now: Circuit) -> Finding:
    """Whether syncs ask the store at all, whatever it just answered to the doctor."""
    if now.state == "closed" and now.failure_count == 0:
        return Finding("circuit", Outcome.OK, "closed")
    why = f"{now.failure_count} failures in a row, the last {now.last_error_code}"
    if now.state == "closed":
        return Finding("circuit", Outcome.OK, f"closed, {why}")
    if now.state == "half_open":
        remedy = "Nothing, if the other lines are well: it closes when that request is answered."
        return Finding("circuit", Outcome.WARN, f"half open, one request tries ({why})", remedy)
    remedy = (
        f"Mend what the other lines say. The first sync after {now.open_until:%H:%M:%S} UTC "
        "tries again, by itself."
    )
    return Finding("circuit", Outcome.WARN, f"open, syncs do not ask the store ({why})", remedy)


def failed(check: str, error: SyncError) -> Finding:
    """An error as a finding."""
    return Finding(check, Outcome.FAIL, error.message, error.remedy)


def skipped(checks: Sequence[str], reason: str) -> list[Finding]:
    """Checks that an earlier finding made moot."""
    return [Finding(check, Outcome.SKIP, reason) for check in checks]
