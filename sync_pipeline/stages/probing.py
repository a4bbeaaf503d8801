"""Asks what syncs depend on outside of PostgreSQL, once and cheaply: stores, Redis, the disk.

Belongs here: one request each, short of patience, and the verdict. Does not: examining a store
whole (sources/woocommerce/doctor.py), asking many at once (orchestration/health.py).
"""

import shutil
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from sync_pipeline.errors import SyncError
from sync_pipeline.queue.health import Check, Status
from sync_pipeline.settings import SourceSettings
from sync_pipeline.sources.connections import Connection
from sync_pipeline.sources.woocommerce.client import WooCommerceClient

_CONNECT_SECONDS: Final = 3.0
_READ_SECONDS: Final = 5.0
_ONE_ID: Final = {"per_page": "1", "_fields": "id"}
_GIGABYTE: Final = 1024**3
_LITTLE_ROOM_GIGABYTES: Final = 2.0
_NO_ROOM_GIGABYTES: Final = 0.2


def store_check(connection: Connection, settings: SourceSettings) -> Check:
    """Whether the store answers one signed request; it takes no token and opens no circuit."""
    name = f"store {connection.name}"
    if connection.base_url.startswith("demo:"):
        return Check(name, Status.OK, "the demo store, served by each sync itself")
    if connection.system != "woocommerce":
        return Check(name, Status.WARN, f"there is no probe for {connection.system} yet")
    hasty = settings.model_copy(
        update={
            "connect_timeout_seconds": min(_CONNECT_SECONDS, settings.connect_timeout_seconds),
            "read_timeout_seconds": min(_READ_SECONDS, settings.read_timeout_seconds),
            "max_attempts": 1,
        }
    )
    try:
        key, secret = connection.keys()
        with WooCommerceClient(connection.base_url, key, secret, hasty) as client:
            answer = client.get("customers", _ONE_ID)
    except SyncError as error:
        remedy = error.remedy or f"See: sync-pipeline doctor {connection.name}"
        return Check(name, Status.FAIL, error.message, remedy)
    return Check(name, Status.OK, f"answers in {answer.elapsed_seconds:.2f} s")


def redis_check(url: SecretStr) -> Check:
    """Whether Redis answers. Without it limits are kept in PostgreSQL, so that it only warns."""
    import redis  # noqa: PLC0415  (only where REDIS_URL is set)

    remedy = "Limits are kept in PostgreSQL meanwhile. Is Redis running, and is REDIS_URL right?"
    try:
        with redis.Redis.from_url(
            url.get_secret_value(),
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_CONNECT_SECONDS,
        ) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        # Their texts may quote the URL, which may hold a password.
        return Check("redis", Status.WARN, f"does not answer ({type(error).__name__})", remedy)
    return Check("redis", Status.OK, "answers")


def disk_check(directory: Path) -> Check:
    """Room where the embedded server keeps its data."""
    free_gigabytes = shutil.disk_usage(directory).free / _GIGABYTE
    seen = f"{free_gigabytes:.1f} GB free for the embedded server"
    remedy = "Free some space; SYNC_LOCAL_DIR moves the embedded server to another disk."
    if free_gigabytes < _NO_ROOM_GIGABYTES:
        return Check("disk", Status.FAIL, seen, remedy)
    if free_gigabytes < _LITTLE_ROOM_GIGABYTES:
        return Check("disk", Status.WARN, seen, remedy)
    return Check("disk", Status.OK, seen)
