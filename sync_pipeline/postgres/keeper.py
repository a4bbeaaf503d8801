"""The keeper of the embedded server: it starts it, restarts it, stops it after the last client.

Belongs here: the program `python -m sync_pipeline.postgres.keeper ROOT BINARIES` that embedded.py
runs. Does not: how a server is driven (server.py). Standard library only, 10 MB, four locks asked
a second.

The program returns when the server takes connections: 0, or 1 with the error as JSON
`{"code", "detail"}` on its output, or 3 when another keeper is at work. What stays behind is a
process in a session of its own, which Ctrl-C in a terminal does not reach; SIGTERM stops it and
the server. Killed, it leaves the server running; the next client starts a new keeper.
"""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path

from sync_pipeline.postgres.layout import Layout, try_lock
from sync_pipeline.postgres.server import Server
from sync_pipeline.postgres.server_errors import EmbeddedServerError, from_os_error

OTHER_KEEPER = 3
_POLL_SECONDS = 0.25
_RESTARTS = 3


def keep(layout: Layout, server: Server) -> None:
    """Keep the server up until no client is left, then stop it.

    Raises:
        EmbeddedServerError: it died and did not start again.
    """
    terminated: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: terminated.append(number))
    while not terminated and (layout.data / "PG_VERSION").exists():
        clients = try_lock(layout.lock_file("clients"))
        if clients is not None:
            server.stop()
            return  # the descriptor stays open: newcomers wait for the end of this process
        if not server.is_running():
            _restart(server)
        time.sleep(_POLL_SECONDS)
    server.stop()


def _restart(server: Server) -> None:
    for attempt in range(_RESTARTS):
        try:
            server.start()
        except EmbeddedServerError:
            if attempt == _RESTARTS - 1:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def _start(server: Server) -> EmbeddedServerError | None:
    try:
        if not server.is_running():
            server.start()
    except EmbeddedServerError as error:
        return error
    except OSError as error:
        return from_os_error(error)
    return None


def _detach() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def main(arguments: list[str]) -> int:
    """Become the keeper of a directory; see the module's docstring."""
    layout, binaries = Layout(Path(arguments[0])), Path(arguments[1])
    lock = try_lock(layout.lock_file("keeper"))
    if lock is None:
        return OTHER_KEEPER
    server = Server(layout, binaries)
    report, answer = os.pipe()
    if os.fork():
        os.close(answer)
        with os.fdopen(report) as stream:
            text = stream.read()
        sys.stdout.write(text)
        return 1 if text else 0
    os.close(report)
    with contextlib.suppress(OSError):
        layout.lock_file("keeper").write_text(str(os.getpid()))
    error = _start(server)
    if error is not None:
        os.write(answer, json.dumps({"code": error.code, "detail": error.detail}).encode())
        return 1
    _detach()
    os.close(answer)
    keep(layout, server)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
