"""Starting, killing and stopping processes that sync."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from sync_pipeline_tests.factories import environment

ROOT = Path(__file__).parent.parent.parent
_PATIENCE_SECONDS = 120

IS_FULL = os.environ.get("SYNC_TEST_CHAOS") == "full"
KILLS = int(os.environ.get("CHAOS_ROUNDS", "50" if IS_FULL else "5"))


def note(line):
    """Shown with a test that fails, or with -rP."""
    sys.stdout.write(f"{line}\n")


class SyncProcess:
    """One driven sync; left alone it runs to its end."""

    def __init__(self, database, key, *options):
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sync_pipeline_tests.chaos.drive_sync",
                key,
                *map(str, options),
            ],
            cwd=ROOT,
            env=environment(database),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()

    def wait_until_started(self):
        line = self._process.stdout.readline()
        if line.strip() != "started":
            raise AssertionError(self._process.communicate()[1])

    def signal(self, number):
        self._process.send_signal(number)

    def wait_until_stopped(self):
        status = Path(f"/proc/{self._process.pid}/stat")
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while status.read_text().rpartition(")")[2].split()[0] != "T":
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self._process.communicate()[1])
            time.sleep(0.01)

    def kill_after(self, seconds):
        """Kill -9 after a while; True if it had come to its end before."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_PATIENCE_SECONDS)
            return False
        self.result()
        return True

    def result(self):
        """The numbers at its end."""
        out, errors = self._process.communicate(timeout=_PATIENCE_SECONDS)
        if self._process.returncode != 0:
            raise AssertionError(errors)
        return json.loads(out.splitlines()[-1])
