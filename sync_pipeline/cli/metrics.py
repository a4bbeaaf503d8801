"""`sync-pipeline metrics`: serve the metrics to Prometheus, or print them once.

Belongs here: the address, the end. Does not: the metrics themselves (queue/metrics.py,
orchestration/daemons.py).
"""

import errno
import signal
import threading
from types import TracebackType
from typing import Annotated, Self

import typer
from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from sync_pipeline.errors import PermanentError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.metrics import SyncCollector
from sync_pipeline.settings import DatabaseSettings

app = typer.Typer(add_completion=False)

_CONNECT_SECONDS = 3


class ListenError(PermanentError):
    """The address cannot be listened on."""

    code = "metrics.address_unusable"


@app.command()
def metrics(
    *,
    port: Annotated[int, typer.Option(help="To listen on.", min=1, max=65535)] = 9464,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    once: Annotated[bool, typer.Option("--once", help="Print them and end.")] = False,
) -> None:
    """Serve metrics for Prometheus on http://127.0.0.1:9464/metrics until Ctrl-C.

    The values come from PostgreSQL: one such process counts for all. While the database is down it
    goes on and says sync_database_up 0.
    """
    from sync_pipeline.orchestration.daemons import DaemonCollector  # noqa: PLC0415  (Dagster)

    settings = DatabaseSettings()
    registry = CollectorRegistry()
    with _OpenedOnce(settings) as database:
        registry.register(SyncCollector(database))
        registry.register(DaemonCollector(settings, database))
        if once:
            typer.echo(generate_latest(registry).decode(), nl=False)
        else:
            _serve(registry, host, port)


def _serve(registry: CollectorRegistry, host: str, port: int) -> None:
    """Answer scrapes until a signal.

    Raises:
        ListenError: the address cannot be listened on.
    """
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise _unusable(host, port, error) from None
    typer.echo(f"Metrics: http://{host}:{port}/metrics  (Ctrl-C stops)")
    stopped.wait()
    server.shutdown()
    server.server_close()
    thread.join()


class _OpenedOnce:
    """The database, opened when it first answers, with the patience of a scrape."""

    def __init__(self, settings: DatabaseSettings) -> None:
        seconds = min(_CONNECT_SECONDS, settings.connect_timeout_seconds)
        self._settings = settings.model_copy(update={"connect_timeout_seconds": seconds})
        self._database: Database | None = None
        self._opening = threading.Lock()

    def __call__(self) -> Database:
        with self._opening:
            self._database = self._database or Database.open(self._settings)
        return self._database

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._database is not None:
            self._database.close()


def _unusable(host: str, port: int, error: OSError) -> ListenError:
    taken = error.errno == errno.EADDRINUSE
    return ListenError(
        f"{host}:{port} cannot be listened on: {error.strerror or error}.",
        remedy=f"Another program listens there; choose another: --port {port % 65535 + 1}"
        if taken
        else "Give an address of this machine: --host.",
    )
