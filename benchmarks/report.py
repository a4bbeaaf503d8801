"""What a run says: tables for people, JSON for programs.

Belongs here: presentation. Does not: measuring.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Figure, Subject

_PLAIN_FROM = 100


def show(console: Console, subject: Subject) -> None:
    """Print one table."""
    table = Table(title=subject.title, title_justify="left", title_style="bold")
    table.add_column("", overflow="fold")
    table.add_column("measured", justify="right", no_wrap=True)
    table.add_column("target", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("from", overflow="fold", style="dim")
    for figure in subject.figures:
        table.add_row(
            figure.name,
            in_words(figure),
            str(figure.target or ""),
            {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.is_met],
            figure.note,
        )
    console.print(table)
    for remark in subject.remarks:
        console.print(f"  {remark}", style="dim")
    console.print()


def in_words(figure: Figure) -> str:
    """The number with its unit; large ones without decimals."""
    digits = 0 if abs(figure.value) >= _PLAIN_FROM or figure.unit == "calls" else 2
    return f"{figure.value:,.{digits}f} {figure.unit}"


def write_json(file: Path, server: Mapping[str, str], subjects: Sequence[Subject]) -> None:
    """Write everything that was measured."""
    content = {
        "server": dict(server),
        "subjects": [
            {
                "title": subject.title,
                "remarks": list(subject.remarks),
                "figures": [
                    asdict(figure)
                    | {
                        "target": str(figure.target) if figure.target else None,
                        "is_met": figure.is_met,
                    }
                    for figure in subject.figures
                ],
            }
            for subject in subjects
        ],
    }
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def show_verdict(console: Console, subjects: Sequence[Subject], elapsed_seconds: float) -> int:
    """Print how many targets are met; the number of those that are missed."""
    judged = [figure for subject in subjects for figure in subject.figures if figure.target]
    missed = [figure.name for figure in judged if not figure.is_met]
    console.print(
        f"{len(judged) - len(missed)} of {len(judged)} targets met in {elapsed_seconds:.0f} s"
        + (f"; missed: {', '.join(missed)}" if missed else "")
    )
    return len(missed)
