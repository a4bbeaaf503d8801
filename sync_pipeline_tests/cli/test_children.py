"""Children live as long as the block, whatever they or their children do."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from sync_pipeline.cli import children
from sync_pipeline.cli.children import Child, Children

QUICK_SECONDS = 0.3


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "_GRACE_SECONDS", QUICK_SECONDS)
    monkeypatch.setattr(children, "_REST_GRACE_SECONDS", QUICK_SECONDS)


def python(code: str) -> Child:
    return Child("the child", [sys.executable, "-S", "-c", code])


def touched(path: Path) -> bool:
    return path.exists()


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class TestChildren:
    def test_given_a_signal_when_waiting_then_it_ends_and_so_do_the_children(self, tmp_path: Path):
        mark = tmp_path / "stopped"
        child = python(
            "import pathlib, time\n"
            f"ready, mark = pathlib.Path({str(tmp_path)!r}, 'ready'), pathlib.Path({str(mark)!r})\n"
            "try:\n"
            "    ready.touch(); time.sleep(60)\n"
            "except KeyboardInterrupt: mark.touch()\n"
        )

        with Children() as family:
            family.start(child, os.environ)
            assert family.wait_until(lambda: touched(tmp_path / "ready"), 10)
            os.kill(os.getpid(), signal.SIGTERM)
            family.wait_for_signal()

        assert (family.was_told_to_stop, family.ended) == (True, None)
        assert mark.exists()

    def test_given_a_child_that_prints_when_stopped_then_only_what_came_before_is_passed_on(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        child = python(
            "import pathlib, time\n"
            f"ready = pathlib.Path({str(tmp_path)!r}, 'ready')\n"
            "try:\n"
            "    print('working', flush=True); ready.touch(); time.sleep(60)\n"
            "except KeyboardInterrupt: print('a long complaint', flush=True)\n"
        )

        with Children() as family:
            family.start(child, os.environ)
            assert family.wait_until(lambda: touched(tmp_path / "ready"), 10)
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGTERM)
            family.wait_for_signal()

        assert capsys.readouterr().out == "working\n"

    def test_given_a_child_that_ends_by_itself_when_waiting_then_it_is_named(self):
        with Children() as family:
            family.start(python("raise SystemExit(3)"), os.environ)
            family.wait_for_signal()

        assert (family.was_told_to_stop, family.ended) == (
            False,
            "the child ended with exit code 3",
        )

    def test_given_a_child_that_does_not_get_ready_when_the_time_is_up_then_it_is_false(self):
        with Children() as family:
            family.start(python("import time; time.sleep(60)"), os.environ)

            assert family.wait_until(lambda: False, 0.1) is False

    def test_given_a_child_that_ignores_us_when_left_then_it_and_its_child_are_gone(
        self, tmp_path: Path
    ):
        pids = tmp_path / "pids"
        stubborn = (
            "import os, pathlib, signal, time\n"
            "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "child = os.fork()\n"
            f"if child: pathlib.Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{child}}')\n"
            "time.sleep(60)\n"
        )

        with Children() as family:
            family.start(python(stubborn), os.environ)
            assert family.wait_until(lambda: touched(pids) and " " in pids.read_text(), 10)

        mother, grandchild = map(int, pids.read_text().split())
        deadline = time.monotonic() + 60  # the orphan is reaped by init
        while lives(grandchild) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (lives(mother), lives(grandchild)) == (False, False)

    def test_given_an_ignored_interrupt_when_a_child_starts_then_it_does_not_inherit_that(
        self, tmp_path: Path
    ):
        answer = tmp_path / "answer"
        child = python(
            "import pathlib, signal\n"
            f"path = pathlib.Path({str(answer)!r})\n"
            "path.write_text(str(signal.getsignal(signal.SIGINT) is signal.default_int_handler))"
        )
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            with Children() as family:
                family.start(child, os.environ)
                family.wait_for_signal()
        finally:
            signal.signal(signal.SIGINT, before)

        assert answer.read_text() == "True"
