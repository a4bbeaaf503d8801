"""`python -m benchmarks [SUBJECT …]`: measure, print, and say which targets are met.

Belongs here: arguments, and which subject runs with which sizes. Does not: measuring.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import upsert
from benchmarks.measure import Subject
from benchmarks.report import show, write_json
from benchmarks.throwaway import Server, open_server

_LEAST_WIDTH = 120  # a terminal that is told nothing claims 80 columns

Run = Callable[[Server, argparse.Namespace], Subject]

SUBJECTS: dict[str, Run] = {
    "upsert": lambda server, chosen: upsert.run(server, lines=chosen.lines, rounds=chosen.rounds),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subjects; the exit code is 1 when a target is missed and --strict was given."""
    chosen = _parser().parse_args(arguments)
    console = Console()
    console.width = max(console.width, _LEAST_WIDTH)
    subjects = []
    with open_server() as server:
        settings = server.settings()
        console.print("PostgreSQL: " + ", ".join(f"{k} {v}" for k, v in settings.items()))
        console.print()
        for name in chosen.subjects or SUBJECTS:
            subject = SUBJECTS[name](server, chosen)
            show(console, subject)
            subjects.append(subject)
    if chosen.json:
        write_json(chosen.json, settings, subjects)
    missed = [f for subject in subjects for f in subject.figures if f.is_met is False]
    return 1 if missed and chosen.strict else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help=", ".join(SUBJECTS))
    parser.add_argument("--lines", type=int, default=50_000, help="lines of the upsert subjects")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, in turns")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a target is missed")
    return parser


if __name__ == "__main__":
    sys.exit(main())
