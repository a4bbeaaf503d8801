"""A loopback HTTP server that answers from a script, and recorded answers to script it with.

Belongs here: what the tests of the sources need to stand at HTTP. Does not: a store that lists and
pages like the recorded one (sync_pipeline.demo).
"""

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sync_pipeline.settings import SourceSettings

RECORDED: Mapping[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "data" / "answers.json").read_text(encoding="utf-8")
)
KEY = "ck_0123456789abcdef0123456789abcdef01234567"
SECRET = "cs_fedcba9876543210fedcba9876543210fedcba98"


def quick_settings(**changes: Any) -> SourceSettings:
    """Settings whose waits are too short to notice."""
    quick = {
        "connect_timeout_seconds": 2,
        "read_timeout_seconds": 2,
        "backoff_base_seconds": 0.001,
        "backoff_cap_seconds": 0.002,
    }
    return SourceSettings(**{**quick, **changes})


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    path: str
    query: dict[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """One answer: `cut` sends half of the body, `delay_seconds` comes before the status line."""

    status: int = 200
    body: bytes = b"[]"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    cut: bool = False


def recorded(name: str, **headers: str) -> Reply:
    """A recorded answer, e.g. "errors/maintenance_mode"."""
    exchange = RECORDED[name]
    kept = {
        **exchange["headers"],
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }
    return Reply(exchange["status"], exchange["body"].encode(), kept)


def as_json(value: Any, *, status: int = 200, **headers: str) -> Reply:
    """A JSON answer."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    content_type = {"Content-Type": "application/json; charset=UTF-8"}
    return Reply(status, json.dumps(value).encode(), {**content_type, **named})


class ScriptedStore:
    """Serves `script` from a thread; a callable decides, a list is served in turn."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.script: list[Reply] | Callable[[Seen], Reply] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if context else "http"
        self.url = f"{scheme}://localhost:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _next(self, seen: Seen) -> Reply:
        with self._lock:
            self.seen.append(seen)
            script = self.script
            if not callable(script):
                return script.pop(0) if len(script) > 1 else script[0]
        return script(seen)

    def _handler(store) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                reply = store._next(Seen(parts.path, query, dict(self.headers.items())))
                store._stopping.wait(reply.delay_seconds)
                self.send_response(reply.status)
                for name, text in reply.headers.items():
                    if name.lower() not in ("content-length", "date"):
                        self.send_header(name, text)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if reply.cut:
                    self.close_connection = True
                self.wfile.write(reply.body[: len(reply.body) // 2] if reply.cut else reply.body)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler
