"""Opening the remote system of a connection, whatever it is.

Belongs here: from a registered connection to a Source that can be read. Does not: reading it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

from sync_pipeline.demo.auth import DEMO_KEYS
from sync_pipeline.demo.recorded import recorded_store
from sync_pipeline.demo.server import DemoServer
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.call_stats import CallStats
from sync_pipeline.sources.connections import Connection, connect
from sync_pipeline.sources.errors import PageFaultError
from sync_pipeline.sources.protocol import Source
from sync_pipeline.sources.throttle.protocol import UNTHROTTLED
from sync_pipeline.sources.throttle.throttle import shared_throttle
from sync_pipeline.sources.woocommerce.answers import RequestEvent
from sync_pipeline.sources.woocommerce.client import WooCommerceClient
from sync_pipeline.sources.woocommerce.source import WooCommerceSource

DEMO_NAME: Final = "demo"
DEMO_URL: Final = "demo:recorded"
# It listens on another port each time, and no record of it has changed for that.
_DEMO_SHOP_URL: Final = "https://demo.example"


class SystemUnknownError(InputError):
    """No source is written for the connection's system yet."""

    code = "connection.system_unknown"


@contextmanager
def store_address(connection: Connection) -> Iterator[tuple[str, str, str]]:
    """Base URL, key and secret of the connection's store; serves it when it is the demo store.

    Raises:
        SecretMissingError: an environment variable that the connection names is not set.
    """
    if not connection.base_url.startswith("demo:"):
        key, secret = connection.keys()
        yield connection.base_url, key, secret
        return
    with DemoServer(recorded_store(), shop_url=_DEMO_SHOP_URL) as server:
        yield server.url, DEMO_KEYS[0].key, DEMO_KEYS[0].secret


@contextmanager
def open_source(
    connection: Connection,
    settings: SourceSettings,
    *,
    database: Database | None = None,
) -> Iterator[Source]:
    """The connection's remote system, open while the block runs.

    Args:
        connection: which one.
        settings: how it is read.
        database: where all processes agree on how often, and on whether it is asked at all, and
            where calls are counted; None asks without limit and counts nothing.

    Raises:
        SystemUnknownError: no source for its system.
        InputError: its URL or its keys cannot be used.
    """
    if connection.system != "woocommerce":
        raise SystemUnknownError(f"There is no source for {connection.system} yet.")
    agreed = nullcontext(UNTHROTTLED)
    throttling = shared_throttle(database, connection, settings) if database else agreed
    counting = CallStats(database, connection) if database else nullcontext(None)

    def count(event: RequestEvent) -> None:
        if calls is not None:
            calls.observed(event.elapsed_seconds, event.error_code, event.waited_seconds)

    with (
        store_address(connection) as (base_url, key, secret),
        throttling as throttle,
        counting as calls,
    ):
        client = WooCommerceClient(
            base_url, key, secret, settings, on_request=count, throttle=throttle
        )
        source = WooCommerceSource(client)
        try:
            yield source
        except PageFaultError as fault:
            # Reading had asked for single records elsewhere before it let this through.
            throttle.gave_up(fault)
            raise
        finally:
            source.close()


def connect_demo(database: Database) -> Connection:
    """Register the demo store: connection `demo` of organization `demo`."""
    return connect(
        database,
        org_id=DEMO_NAME,
        name=DEMO_NAME,
        system="woocommerce",
        base_url=DEMO_URL,
        key_env="SYNC_DEMO_KEY",
        secret_env="SYNC_DEMO_SECRET",  # noqa: S106  (the name of a variable)
    )
