"""The errors of a WooCommerce store, each on one of the two branches.

Belongs here: what can go wrong between us and a store, with its stable code and what a person can
do. Does not: how an answer is told to be one of these (classification.py, failures.py).

    TransientError
    |- StoreUnavailableError       down, in maintenance, not reached
    |- RateLimitedError            429
    |- BlockedByFirewallError      a captcha or a block page answered instead of the store
    `- PageFaultError              reading less may help
       |- StoreFaultedError        500: PHP failed on this request
       |- BadGatewayError          502: PHP died or is down (also a StoreUnavailableError)
       |- ConnectionCutError       the answer broke off
       |- MalformedResponseError   not JSON, or not what was asked for
       `- StoreTimeoutError        too slow (PageTimeoutError)
    PermanentError
    |- AuthenticationFailedError   the keys are not accepted
    |- PermissionDeniedError       the keys are accepted and may not read this
    |- RouteMissingError           no such route: plugin off, plain permalinks, wrong address
    |- RecordMissingError          no record with that id
    |- RequestRefusedError         400: a parameter is wrong
    |- TlsFailedError              the certificate does not hold
    `- UrlInvalidError             the address is no store's address (InputError)
"""

from typing import ClassVar

from sync_pipeline.errors import InputError, PermanentError, SyncError, TransientError
from sync_pipeline.sources.errors import PageFaultError, PageTimeoutError


class WooCommerceError(SyncError):
    """Base of all errors of a store.

    Attributes:
        retry_after_seconds: what the store asked to wait; None when it did not ask.
    """

    usual_remedy: ClassVar[str] = ""

    def __init__(
        self, message: str, *, remedy: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, remedy=remedy or self.usual_remedy)
        self.retry_after_seconds = retry_after_seconds


class StoreUnavailableError(WooCommerceError, TransientError):
    """The store is down, in maintenance, or not reached."""

    code = "woocommerce.store_unavailable"
    usual_remedy = "Open the store's address in a browser; try again when it answers."


class RateLimitedError(WooCommerceError, TransientError):
    """The store or its host counts our requests and had enough."""

    code = "woocommerce.rate_limited"
    usual_remedy = "It goes on later; ask less often: connect … --requests-per-second N."


class BlockedByFirewallError(WooCommerceError, TransientError):
    """Something before the store answered with a web page instead of letting us through."""

    code = "woocommerce.blocked_by_firewall"
    usual_remedy = (
        "Allow the User-Agent sync-pipeline or this server's address for /wp-json/ in the "
        "firewall or security plugin of the store."
    )


class StoreFaultedError(WooCommerceError, PageFaultError):
    """PHP failed while it made this answer."""

    code = "woocommerce.store_faulted"
    usual_remedy = "The store's PHP error log names the plugin at fault."


class BadGatewayError(StoreUnavailableError, PageFaultError):
    """The web server got no answer from PHP: it is down, or it died on this request."""

    code = "woocommerce.bad_gateway"


class ConnectionCutError(WooCommerceError, PageFaultError):
    """The connection ended before the answer did."""

    code = "woocommerce.connection_cut"
    usual_remedy = "Try again; if it lasts, ask the store's host what ends the connections."


class MalformedResponseError(WooCommerceError, PageFaultError):
    """The answer is not JSON, or not what was asked for."""

    code = "woocommerce.malformed_response"
    usual_remedy = "The store's PHP error log, or a caching or security plugin, tells the cause."


class StoreTimeoutError(WooCommerceError, PageTimeoutError):
    """The answer did not come in time."""

    code = "woocommerce.store_timeout"
    usual_remedy = "A slow host: smaller pages (SYNC_SOURCE_PAGE_RECORDS) or more time to read."


class AuthenticationFailedError(WooCommerceError, PermanentError):
    """The store does not accept the keys.

    Attributes:
        keys_unseen: the store answered as if no key had come at all: the key is unknown, or the
            host strips the Authorization header.
    """

    code = "woocommerce.authentication_failed"
    usual_remedy = (
        "Make a new key with read permission in WooCommerce > Settings > Advanced > REST API."
    )
    keys_unseen: bool = False


class PermissionDeniedError(WooCommerceError, PermanentError):
    """The store knows the keys and does not let them read this."""

    code = "woocommerce.permission_denied"
    usual_remedy = (
        "The key needs read permission and must belong to an administrator or a shop manager."
    )


class RouteMissingError(WooCommerceError, PermanentError):
    """The address answers, but not with the WooCommerce REST API."""

    code = "woocommerce.route_missing"
    usual_remedy = (
        "Check that WooCommerce is active, that the permalinks are not 'Plain' "
        "(Settings > Permalinks), and that the address is the store's."
    )


class RecordMissingError(WooCommerceError, PermanentError):
    """The store has no record with that id."""

    code = "woocommerce.record_missing"
    usual_remedy = "The record was deleted in the store, or the id is another entity's."


class RequestRefusedError(WooCommerceError, PermanentError):
    """The store refuses a parameter."""

    code = "woocommerce.request_refused"
    usual_remedy = "Check the filters of the sync."


class TlsFailedError(WooCommerceError, PermanentError):
    """The store's certificate does not hold, or it does not speak TLS there."""

    code = "woocommerce.tls_failed"
    usual_remedy = (
        "Renew the store's certificate; for one of your own authority set SYNC_SOURCE_CA_BUNDLE."
    )


class UrlInvalidError(WooCommerceError, InputError):
    """The address is not one that a store can be read at."""

    code = "woocommerce.url_invalid"
    usual_remedy = "Give the store's address as in https://shop.example, nothing behind it."
