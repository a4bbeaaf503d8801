"""Examines a store before, or when, syncing from it does not work.

Belongs here: the checks, in the order in which one makes the next moot, each with what was seen and
what to do. Does not: printing them (cli/), reading records (source.py).

Never raises for a bad store: what is bad is a finding.
"""

from collections.abc import Callable
from functools import partial

from sync_pipeline.errors import SyncError
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.errors import PageFaultError
from sync_pipeline.sources.woocommerce import findings
from sync_pipeline.sources.woocommerce.answers import Answer
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.findings import Finding, Outcome

__all__ = ["Finding", "Outcome", "examine"]

_READ = ("customers", "orders", "products")
_INDEX_FIELDS = "name,gmt_offset,timezone_string,namespaces"
_PAGE_SIZES = (100, 50, 25, 10)
_ONE_ID = {"per_page": "1", "_fields": "id"}
_LAST_CHECKS = ("version", "page size")
_CHECKS_AFTER_ADDRESS = (
    "reachable",
    "tls",
    "firewall",
    "permalinks",
    "clock",
    "time zone",
    "auth",
    *(f"read {name}" for name in _READ),
    *_LAST_CHECKS,
)


def examine(base_url: str, key: str, secret: str, settings: SourceSettings) -> list[Finding]:
    """Probe a store with about eight requests, two attempts each.

    Args:
        base_url: as a person gave it.
        key: consumer key.
        secret: consumer secret.
        settings: how it would be read.

    Returns:
        One finding per check, always the same checks in the same order.
    """
    patient = settings.model_copy(update={"max_attempts": min(2, settings.max_attempts)})
    try:
        client = WooCommerceClient(base_url, key, secret, patient)
    except SyncError as error:
        return [
            findings.failed("address", error),
            *findings.skipped(_CHECKS_AFTER_ADDRESS, "the address is wrong"),
        ]
    with client:
        address = Finding("address", Outcome.OK, client.base_url)
        found = {finding.check: finding for finding in _probe(client, patient)}
    return [address, *(found[check] for check in _CHECKS_AFTER_ADDRESS)]


def _probe(client: WooCommerceClient, settings: SourceSettings) -> list[Finding]:
    index = _asked(partial(client.get_index, _INDEX_FIELDS))
    found = findings.of_reaching(index, client.base_url, tls_checked=settings.verify_tls)
    if isinstance(index, SyncError):
        told = {finding.check for finding in found}
        left = [check for check in _CHECKS_AFTER_ADDRESS if check not in told]
        return [*found, *findings.skipped(left, "the store's API did not answer")]
    reads = {name: _asked(partial(client.get, name, _ONE_ID)) for name in _READ}
    found += [
        findings.clock(index, client.auth_form),
        findings.time_zone(index),
        findings.auth(client.auth_form, reads),
        *(findings.read(name, answer) for name, answer in reads.items()),
    ]
    if isinstance(reads["customers"], SyncError):
        return [*found, *findings.skipped(_LAST_CHECKS, "customers cannot be read")]
    status = _asked(partial(client.get, "system_status", {"_fields": "environment"}))
    return [*found, findings.version(status), _page_size(client)]


def _page_size(client: WooCommerceClient) -> Finding:
    """The largest page of customers that is answered in time."""
    for size in _PAGE_SIZES:
        params = {"per_page": str(size), "orderby": "id", "order": "asc"}
        answer = _asked(partial(client.get, "customers", params, attempts=1))
        if isinstance(answer, Answer):
            return _page_of(size, answer)
        if not isinstance(answer, PageFaultError):
            return findings.failed("page size", answer)
    remedy = "The store's PHP error log tells why; more memory for PHP may help."
    return Finding("page size", Outcome.FAIL, "not even 10 records are answered", remedy)


def _page_of(size: int, answer: Answer) -> Finding:
    seen = f"{size} records in {answer.elapsed_seconds:.2f} s"
    if size == _PAGE_SIZES[0]:
        return Finding("page size", Outcome.OK, seen)
    remedy = f"Set SYNC_SOURCE_PAGE_RECORDS={size}, or give PHP more memory and time."
    return Finding("page size", Outcome.WARN, f"only {seen}", remedy)


def _asked(ask: Callable[[], Answer]) -> Answer | SyncError:
    try:
        return ask()
    except SyncError as error:
        return error
