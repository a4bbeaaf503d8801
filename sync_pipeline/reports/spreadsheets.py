"""A report as CSV files, one per section.

Belongs here: the form of the files. Does not: what they tell.
"""

from pathlib import Path
from typing import Final

from sync_pipeline.reports.tables import Report

# A cell that begins so is a formula to a spreadsheet, and names come from shops.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def write_csv(report: Report, directory: Path) -> list[Path]:
    """Write one UTF-8 file per section, named after it, over what was there.

    A text that a spreadsheet would take for a formula gets an apostrophe before it. A section
    without rows has its header.

    Args:
        directory: made when it is missing.

    Returns:
        The files, in the order of the sections.

    Raises:
        OSError: it cannot be written there.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for section in report.sections:
        path = directory / f"{section.name}.csv"
        section.frame.map(_cell).to_csv(path, index=False, encoding="utf-8", lineterminator="\n")
        written.append(path)
    return written


def _cell(value: object) -> object:
    is_formula = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value
