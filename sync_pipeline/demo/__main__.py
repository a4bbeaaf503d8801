"""Serve the demo store in a process of its own.

    python -m sync_pipeline.demo --port 0 [--customers N --orders M] [--faults FILE]
        [--parent-pid PID] [--latency-seconds S] [--timezone NAME]

The first line on stdout is the store's URL. It ends on SIGTERM, SIGINT, or when the parent is gone.

Belongs here: arguments and the end of the process. Does not: serving (server.py).
"""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from sync_pipeline.demo import DemoServer, DemoStore, Fault, made_store, recorded_store
from sync_pipeline.demo.faults import faults_from_json
from sync_pipeline.demo.store import RECORDED_TIMEZONE
from sync_pipeline.errors import InputError

_PARENT_POLL_SECONDS = 0.5
_USAGE_EXIT_CODE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; the exit code is 2 for bad input."""
    our_parent = os.getppid()  # before anybody is told that we run, and may end
    chosen = _parser().parse_args(arguments)
    ended = threading.Event()
    # A process started in the background inherits an ignored SIGINT: both are set here.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        server = DemoServer(
            _store(chosen.customers, chosen.orders),
            port=chosen.port,
            latency_seconds=chosen.latency_seconds,
            timezone=chosen.timezone,
            faults=_faults(chosen.faults),
        )
        with server:
            sys.stdout.write(f"{server.url}\n")
            sys.stdout.flush()
            _wait(ended, chosen.parent_pid, our_parent)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return _USAGE_EXIT_CODE
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sync_pipeline.demo", description="Serve the demo store on loopback."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--customers", type=int, help="made customers instead of the recorded")
    parser.add_argument("--orders", type=int, help="made orders instead of the recorded")
    parser.add_argument("--faults", type=Path, help="JSON file with an array of faults")
    parser.add_argument("--parent-pid", type=int, help="end when this process is gone")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="added to every answer")
    parser.add_argument("--timezone", default=RECORDED_TIMEZONE, help="the store's own")
    return parser


def _store(customers: int | None, orders: int | None) -> DemoStore:
    if customers is None and orders is None:
        return recorded_store()
    return made_store(customers or 0, orders or 0)


def _faults(file: Path | None) -> list[Fault]:
    if file is None:
        return []
    try:
        return faults_from_json(json.loads(file.read_text()))
    except OSError as error:
        raise InputError(f"Cannot read the faults in {file}: {error.strerror}.") from error
    except ValueError as error:
        raise InputError(f"The faults in {file} are not JSON.") from error


def _wait(ended: threading.Event, parent_pid: int | None, our_parent: int) -> None:
    while not ended.wait(_PARENT_POLL_SECONDS):
        if parent_pid is None:
            continue
        # An unreaped parent still answers to its pid, but no longer is our parent.
        if parent_pid == our_parent and os.getppid() != our_parent:
            return
        try:
            os.kill(parent_pid, 0)
        except ProcessLookupError:
            return
        except PermissionError:
            continue


if __name__ == "__main__":
    sys.exit(main())
