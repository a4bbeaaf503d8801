"""The demo store over HTTP/1.1 on loopback, in threads of this process.

Belongs here: starting, stopping, one request from bytes to bytes. Does not: what is answered
(routes.py), what goes wrong (faults.py).

Why the standard library: the faults need the bare socket (close it in the middle, say nothing),
and 100 records take far less than a real store's latency.
"""

import errno
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

from sync_pipeline.demo.auth import DEMO_KEYS, Authenticator, Key
from sync_pipeline.demo.control import CONTROL_PREFIX, control_answer
from sync_pipeline.demo.fault_effects import Delivery, change_store, instead, spoiled
from sync_pipeline.demo.faults import Fault, FaultPlan
from sync_pipeline.demo.http_server import LoopbackServer
from sync_pipeline.demo.request import Request
from sync_pipeline.demo.request_log import LoggedRequest, RequestLog
from sync_pipeline.demo.routes import Site
from sync_pipeline.demo.store import RECORDED_TIMEZONE, DemoStore
from sync_pipeline.errors import InputError

_WAITING_ACTIONS = ("hang", "slow")


class DemoServer:
    """Serves one store while the `with` block runs.

    Attributes:
        store: changes show in the next answer.
        faults: set anew at any time; their counters then start at nought.
        url: e.g. "http://127.0.0.1:43211", without a slash at the end.
    """

    def __init__(  # noqa: PLR0913  (what a store may be like)
        self,
        store: DemoStore,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        latency_seconds: float = 0.0,
        timezone: str = RECORDED_TIMEZONE,
        keys: Sequence[Key] = DEMO_KEYS,
        faults: Sequence[Fault] = (),
        clock: Callable[[], float] = time.time,
        shop_url: str | None = None,
    ) -> None:
        """Take a store; nothing listens before `start`.

        Args:
            port: 0 takes a free one.
            tls: serve https with this context.
            latency_seconds: added to every answer.
            timezone: the store's own, IANA name.
            clock: Unix time of the store, for the Date header and OAuth timestamps.
            shop_url: what links in records name; where the server listens, when left out.

        Raises:
            InputError: no such time zone.
        """
        self.store = store
        self.log = RequestLog()
        self._port, self._tls, self._latency_seconds = port, tls, latency_seconds
        self._clock = clock
        self._plan = FaultPlan(faults)
        self._site = Site(store, Authenticator(keys, clock), _zone(timezone), shop_url)
        self._stopping = threading.Event()
        self._http: LoopbackServer | None = None

    @property
    def url(self) -> str:
        """Where the store is.

        Raises:
            InputError: the server was not started.
        """
        if self._http is None:
            raise InputError("The demo store is not started.")
        return self._http.url

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """What was asked since the start or the last `log.clear()`, control paths apart."""
        return self.log.entries()

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The rules in force."""
        return self._plan.faults

    @faults.setter
    def faults(self, faults: Sequence[Fault]) -> None:
        self._plan = FaultPlan(faults)

    def start(self) -> Self:
        """Listen, and serve in background threads.

        Raises:
            InputError: the port is taken or not allowed.
        """
        try:
            self._http = LoopbackServer(self._port, self._tls, self._exchange, self._clock)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            why = "is in use" if error.errno == errno.EADDRINUSE else "is not allowed"
            raise InputError(
                f"Port {self._port} {why}.", remedy="Choose another, or 0 for any free one."
            ) from error
        self._stopping.clear()
        self._http.start()
        return self

    def stop(self) -> None:
        """Close every connection and wait for the threads; hanging answers end at once."""
        self._stopping.set()
        if self._http is not None:
            self._http.stop()
            self._http = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def _exchange(self, request: Request, body: bytes) -> Delivery:
        if request.path.startswith(CONTROL_PREFIX):
            return Delivery(control_answer(self, request, body))
        started = _Moment(time.monotonic(), time.time())
        faults = self._plan.strikes(request)
        hangs = any(fault.action == "hang" for fault in faults)
        if hangs:
            self._log(request, started, 0, faults)
        delivery = self._delivery(request, faults)
        # Before the bytes: whoever has the answer finds the request in the log.
        if not hangs:
            status = delivery.answer.status if delivery.answer else 0
            self._log(request, started, status, faults)
        return delivery

    def _log(
        self, request: Request, started: "_Moment", status: int, faults: Sequence[Fault]
    ) -> None:
        self.log.add(
            LoggedRequest(
                method=request.method,
                path=request.path,
                query=request.public_query(),
                status=status,
                started_seconds=started.monotonic_seconds,
                started_at_utc=_iso_utc(started.unix_seconds),
                elapsed_seconds=time.monotonic() - started.monotonic_seconds,
                faults=tuple(fault.action for fault in faults),
            )
        )

    def _delivery(self, request: Request, faults: Sequence[Fault]) -> Delivery:
        waits = [fault.seconds for fault in faults if fault.action in _WAITING_ACTIONS]
        wait_seconds = self._latency_seconds + sum(waits)
        if wait_seconds:
            self._stopping.wait(wait_seconds)
        change_store(self.store, faults)
        broken = instead(faults, self._clock())
        return broken or spoiled(self._site.answer(request), faults)


class _Moment(NamedTuple):
    monotonic_seconds: float
    unix_seconds: float


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"There is no time zone {name!r}.") from error


def _iso_utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
