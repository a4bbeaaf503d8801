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


def example_variables() -> list[str]:
    """What deploy/environment.example sets."""
    lines = (DEPLOY / "environment.example").read_text().splitlines()
    return [line.partition("=")[0] for line in lines if line and not line.startswith("#")]
