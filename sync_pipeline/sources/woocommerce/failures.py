"""What a request that got no answer means.

Belongs here: one function from an exception of requests to an error. Does not: answers
(classification.py).

Never quotes the exception: its text holds the URL, and that may hold keys.
"""

from collections.abc import Callable

import requests
from urllib3.exceptions import NameResolutionError

from sync_pipeline.errors import SyncError
from sync_pipeline.sources.woocommerce import errors

# Python's ssl says these; all else (an EOF in the handshake, a reset) may pass by itself.
_CERTIFICATE_WORDS = ("CERTIFICATE", "certificate", "Hostname", "hostname")
_NO_TLS_WORDS = (
    "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE",
    "UNSUPPORTED_PROTOCOL",
    "PROTOCOL_VERSION",
    "UNRECOGNIZED_NAME",
)


def classify_failure(failure: requests.RequestException, *, where: str) -> SyncError:
    """The error that an exception of requests is.

    Args:
        failure: what requests raised while sending or while reading the body.
        where: what was asked, for the message.
    """
    for kinds, told in _TOLD:
        if isinstance(failure, kinds):
            return told(failure, where)
    if "Read timed out" in str(failure):  # while the body came: requests calls it ConnectionError
        return errors.StoreTimeoutError(f"{where}: no answer in time.")
    return _of_connection(failure, where)


def _of_connect_timeout(_: requests.RequestException, where: str) -> SyncError:
    return errors.StoreUnavailableError(f"{where}: no connection in time.")


def _of_read_timeout(_: requests.RequestException, where: str) -> SyncError:
    return errors.StoreTimeoutError(f"{where}: no answer in time.")


def _of_address(_: requests.RequestException, where: str) -> SyncError:
    return errors.UrlInvalidError(f"{where}: not an address that can be asked.")


def _of_decoding(_: requests.RequestException, where: str) -> SyncError:
    return errors.MalformedResponseError(f"{where}: the compressed answer cannot be read.")


def _of_proxy(_: requests.RequestException, where: str) -> SyncError:
    return errors.StoreUnavailableError(
        f"{where}: the proxy does not connect.", remedy="Check HTTPS_PROXY and NO_PROXY."
    )


def _of_tls(failure: requests.RequestException, where: str) -> SyncError:
    text = str(failure)
    if any(word in text for word in _CERTIFICATE_WORDS):
        return errors.TlsFailedError(f"{where}: the certificate does not hold.")
    if any(word in text for word in _NO_TLS_WORDS):
        return errors.TlsFailedError(
            f"{where}: no TLS that we speak.", remedy="Check the port and https:// or http://."
        )
    return errors.ConnectionCutError(f"{where}: the TLS connection broke off.")


def _of_connection(failure: requests.RequestException, where: str) -> SyncError:
    reason = getattr(failure.args[0], "reason", None) if failure.args else None
    if isinstance(reason, NameResolutionError):
        return errors.StoreUnavailableError(
            f"{where}: the host name does not resolve.", remedy="Check the store's address."
        )
    if reason is not None:
        return errors.StoreUnavailableError(f"{where}: no connection.")
    return errors.ConnectionCutError(f"{where}: the connection was cut before the answer ended.")


# In order: an SSLError is a ConnectionError, a ConnectTimeout is a Timeout.
_TOLD: tuple[
    tuple[
        tuple[type[requests.RequestException], ...],
        Callable[[requests.RequestException, str], SyncError],
    ],
    ...,
] = (
    ((requests.exceptions.SSLError,), _of_tls),
    ((requests.exceptions.ProxyError,), _of_proxy),
    ((requests.ConnectTimeout,), _of_connect_timeout),
    ((requests.Timeout,), _of_read_timeout),
    ((requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema), _of_address),
    ((requests.exceptions.ContentDecodingError,), _of_decoding),
)
