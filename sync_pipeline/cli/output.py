"""What commands print, and where: results on stdout, everything else on stderr.

Belongs here: consoles, JSON, and the words for times and amounts. Does not: what one command says.

On a terminal colours and bars; elsewhere the same words, plain and without line breaks of ours.
With --json stdout holds the document and nothing else.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

_PLAIN_WIDTH = 180
_SECONDS_PER_MINUTE = 60


def stdout() -> Console:
    """Where results go."""
    return _console(sys.stdout.isatty(), stderr=False)


def stderr() -> Console:
    """Where notices, progress and errors go."""
    return _console(sys.stderr.isatty(), stderr=True)


def _console(is_terminal: bool, *, stderr: bool) -> Console:  # noqa: FBT001  (one caller a line up)
    width = None if is_terminal else _PLAIN_WIDTH
    return Console(stderr=stderr, highlight=False, width=width, soft_wrap=not is_terminal)


def show(renderable: RenderableType = "", console: Console | None = None) -> None:
    """Print a result; where no terminal is, without the spaces that fill up its tables."""
    console = console or stdout()
    if console.is_terminal:
        console.print(renderable)
        return
    with console.capture() as captured:
        console.print(renderable)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def print_json(document: object) -> None:
    """One JSON document on stdout, readable on a terminal, one line elsewhere."""
    indent = 2 if sys.stdout.isatty() else None
    typer.echo(json.dumps(document, default=_plain, indent=indent, ensure_ascii=False))


def print_json_line(document: object) -> None:
    """One JSON document on one line of stdout, at once."""
    typer.echo(json.dumps(document, default=_plain, ensure_ascii=False))


def _plain(value: object) -> Any:  # noqa: ANN401  (whatever JSON knows)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no JSON form")


def table(*headings: str) -> Table:
    """An empty table: no frame, a rule below its headings on a terminal."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in headings:
        right = heading.startswith(">")
        made.add_column(
            heading.removeprefix(">"), justify="right" if right else "left", overflow="fold"
        )
    return made


def facts(rows: Sequence[tuple[str, ...]]) -> Table:
    """Names and what they are, one a line; of three columns the second is a quantity.

    Markup is honoured in all but the names.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    made.add_column(style="dim", no_wrap=True)
    if any(len(row) > 2 for row in rows):  # noqa: PLR2004
        made.add_column(justify="right", no_wrap=True)
    made.add_column(overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def said(text: object) -> str:
    """Text that came from elsewhere, safe to print: no markup, no control characters."""
    words = "".join(c if c.isprintable() else " " for c in str(text))
    return escape(words)


def number(value: int | None) -> str:
    """A count with thousands apart."""
    return "?" if value is None else f"{value:,}"


def duration(seconds: float) -> str:
    """A time span, as short as its size allows."""
    if seconds < _SECONDS_PER_MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _SECONDS_PER_MINUTE)
    hours, minutes = divmod(minutes, _SECONDS_PER_MINUTE)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def moment(value: datetime | None) -> str:
    """A time in UTC."""
    return "" if value is None else f"{value:%Y-%m-%d %H:%M:%S}"


_STATE_STYLES = {
    "done": "green",
    "partial": "yellow",
    "failed": "red",
    "cancelled": "yellow",
    "processing": "cyan",
}


def state(name: str) -> str:
    """A state in its colour."""
    style = _STATE_STYLES.get(name)
    return f"[{style}]{name}[/{style}]" if style else name
