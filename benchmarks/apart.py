"""A part of a subject in a process of its own, so that its memory is its own.

Belongs here: starting that process, and what it says. Does not: what it does (`main` of the
subject's module).
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parent.parent


def run_apart(module: str, *arguments: str) -> dict[str, Any]:
    """The JSON object that `python -m MODULE ARGUMENTS` prints.

    Raises:
        subprocess.CalledProcessError: it failed; what it said went to standard error.
    """
    ended = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said: dict[str, Any] = json.loads(ended.stdout)
    return said
