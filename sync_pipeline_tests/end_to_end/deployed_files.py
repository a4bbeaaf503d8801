"""The files of deploy/, as tests read them.

Belongs here: where they are, their commands and variables. Does not: running them (stack.py).
"""

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"


def procfile() -> dict[str, str]:
    """The commands of deploy/Procfile by the name of the process."""
    lines = (DEPLOY / "Procfile").read_text().splitlines()
    named = [line.partition(":") for line in lines if line and not line.startswith("#")]
    return {name: command.strip() for name, _, command in named}


def example_variables() -> dict[str, str]:
    """What deploy/environment.example sets, as systemd reads it: `man systemd.exec`.

    It knows no shell: nothing is expanded, and only quotes around a whole value are taken off.
    """
    lines = (DEPLOY / "environment.example").read_text().splitlines()
    named = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: _unquoted(value) for name, _, value in named}


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] == "'"
    return value[1:-1] if is_quoted else value
