"""Processes that live as long as this one: started, watched, stopped together.

Belongs here: signals and process groups. Does not: what is run (dev.py).

Each child leads a process group of its own, so that Ctrl-C in the terminal reaches only us; we stop
each child once, and then whatever it started. Children take our signals' defaults, even if we were
started in the background, where a shell sets SIGINT to be ignored.

What they print goes where ours goes, until we stop them: then a server that is asked in the middle
of its work complains at length of what was meant.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import IO, Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 15.0
_REST_GRACE_SECONDS = 3.0


@dataclass(frozen=True)
class Child:
    """What to run, and what to call it."""

    name: str
    command: Sequence[str]


class Children:
    """Processes that stop when the block ends, whatever ends it."""

    def __init__(self) -> None:
        self._running: list[tuple[Child, subprocess.Popen[bytes]]] = []
        self._readers: list[threading.Thread] = []
        self._stop = threading.Event()
        self._signals = 0
        self._before: dict[signal.Signals, Any] = {}
        self._ended: str | None = None

    @property
    def was_told_to_stop(self) -> bool:
        """Whether a signal came."""
        return self._stop.is_set()

    @property
    def ended(self) -> str | None:
        """The first child that ended by itself, in words, as found by the last look."""
        return self._ended

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._stop_all()
        finally:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def start(self, child: Child, environment: Mapping[str, str]) -> None:
        """Start a child."""
        process = subprocess.Popen(  # noqa: S603
            child.command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        reader = threading.Thread(target=self._pass_on, args=(process.stdout,), daemon=True)
        reader.start()
        self._readers.append(reader)
        self._running.append((child, process))

    def _pass_on(self, printed: IO[bytes]) -> None:
        with printed:
            for line in printed:
                if not self.was_told_to_stop:
                    sys.stdout.write(line.decode(errors="replace"))
                    sys.stdout.flush()

    def wait_until(self, is_ready: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait; False when a signal came, a child ended or the time was up."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self._is_over():
                return False
            if is_ready():
                return True
            self._stop.wait(_POLL_SECONDS)
        return False

    def wait_for_signal(self) -> None:
        """Wait until a signal comes or a child ends."""
        while not self._is_over():
            self._stop.wait(_POLL_SECONDS)

    def _is_over(self) -> bool:
        if self._stop.is_set():
            return True
        for child, process in self._running:
            if process.poll() is not None:
                self._ended = f"{child.name} ended with exit code {process.returncode}"
                return True
        return False

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        self._stop.set()

    def _stop_all(self) -> None:
        for _, process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + _GRACE_SECONDS
        for _, process in self._running:
            self._wait(lambda p=process: p.poll() is not None, deadline)  # type: ignore[misc]
        deadline = time.monotonic() + _REST_GRACE_SECONDS
        for _, process in self._running:
            # What the child started: its code server, runs that were launched from the UI.
            _signal_group(process.pid, signal.SIGTERM)
            self._wait(lambda p=process: not _group_lives(p), deadline)  # type: ignore[misc]
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        for reader in self._readers:
            reader.join(_REST_GRACE_SECONDS)

    def _wait(self, is_done: Callable[[], bool], deadline: float) -> None:
        """Wait until done, the deadline, or a second signal."""
        while not is_done() and time.monotonic() < deadline and self._signals <= 1:
            time.sleep(_POLL_SECONDS / 4)


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
