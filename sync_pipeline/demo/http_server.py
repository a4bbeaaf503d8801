"""HTTP/1.1 with keep-alive on a loopback socket, one thread a connection.

Belongs here: sockets, TLS, bytes. Does not: what the bytes say (server.py).
"""

import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

from sync_pipeline.demo.fault_effects import Delivery
from sync_pipeline.demo.request import Request

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.05  # how long stopping waits for the accepting thread


class LoopbackServer(ThreadingHTTPServer):
    """Serves until stopped; knows its open connections, so that it can close them."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(
        self,
        port: int,
        tls: ssl.SSLContext | None,
        exchange: Callable[[Request, bytes], Delivery],
        clock: Callable[[], float],
    ) -> None:
        """Listen on a port; OSError when it cannot be had."""
        super().__init__((_HOST, port), _Handler)
        self.exchange, self.clock, self.over_tls = exchange, clock, tls is not None
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.host = f"{_HOST}:{self.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        self._thread = threading.Thread(
            target=self.serve_forever, args=(_POLL_SECONDS,), name=f"demo store {self.host}"
        )

    def start(self) -> None:
        """Accept connections in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Accept no more, close what is open, wait for every thread."""
        self.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._open:
                _end(connection)
        self.server_close()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Accept one connection; its TLS handshake happens in its own thread."""
        connection, address = self.socket.accept()
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._lock:
            self._open.add(connection)
        return connection, address

    def close_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """Forget and close one connection."""
        with self._lock:
            self._open.discard(cast(socket.socket, request))
        super().close_request(request)

    def handle_error(
        self,
        request: socket.socket | tuple[bytes, socket.socket],
        client_address: tuple[str, int],
    ) -> None:
        """A client that went away is no error; anything else goes to stderr."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LoopbackServer

    def _handle(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        server = self.server
        request = Request.of(
            self.command, self.path, headers, host=server.host, over_tls=server.over_tls
        )
        self._deliver(server.exchange(request, body))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle  # noqa: N815

    def _deliver(self, delivery: Delivery) -> None:
        answer, cut = delivery.answer, delivery.cut_after_bytes
        if answer is None:
            _end(self.connection)
            self.close_connection = True
            return
        body = b"" if self.command == "HEAD" else answer.body
        lines = [
            f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
            "Server: demo-store",
            f"Date: {formatdate(self.server.clock(), usegmt=True)}",
            *(f"{name}: {value}" for name, value in answer.headers),
            f"Content-Length: {len(answer.body)}",
            "\r\n",
        ]
        self.wfile.write("\r\n".join(lines).encode("latin-1") + body[:cut])
        if cut is not None:
            _end(self.connection)
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: the request log tells."""


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)
