"""Takes the pictures of terminals in docs/: runs commands as a person would, draws what they said.

    COLUMNS=104 python docs/images/terminal.py out.svg 'sync-pipeline status' 'sync-pipeline …'

Several commands make one picture. Each runs in bash, on a terminal of its own of that width;
progress, which goes to stderr, is left out. Exit codes do not matter. A command may be shown as
another by putting that before it: `'shown :: run'`. Look at pictures before you commit them. Each
stays below 150 KB.
"""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME
from rich.text import Text

_LINES = 60
_COLUMNS = int(os.environ.get("COLUMNS", "104"))


def output_of(command: str) -> str:
    """What it printed on a terminal, colours and all."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(_COLUMNS)}
    process = subprocess.Popen(  # noqa: S603  (what its caller typed)
        ["/bin/bash", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    os.close(theirs)
    printed = b""
    while part := _read(ours):
        printed += part
    process.wait()
    os.close(ours)
    return printed.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # how Linux says that nobody writes any more
        return b""


def main(target: Path, commands: list[str]) -> None:
    """Run them in turn and write the picture."""
    console = Console(
        record=True, width=_COLUMNS, file=sys.stderr, color_system="truecolor", force_terminal=True
    )
    for command in commands:
        shown, _, run = command.rpartition(" :: ")
        console.print(Text(f"$ {shown or run}", style="bold"))
        console.print(Text.from_ansi(output_of(run).rstrip("\n")))
        console.print()
    drawn = console.export_svg(title="", theme=SVG_EXPORT_THEME, unique_id=target.stem)
    # No font from elsewhere: whoever looks at it has one.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    target.write_text(drawn.replace("Fira Code", "DejaVu Sans Mono"), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
