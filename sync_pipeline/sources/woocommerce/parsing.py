"""Reading JSON out of a body that may begin with noise.

Belongs here: finding and parsing the JSON. Does not: what the value must look like (source.py).

PHP with display_errors prints warnings before (or, at shutdown, behind) the JSON, and then often
no header gets out any more, so the content type says text/html; plugins saved with a byte order
mark or blank lines send those first. The JSON itself is whole and right.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from sync_pipeline.sources.woocommerce.redaction import redact

_BLANK = "\ufeff \t\r\n"
# Warnings end in a tag or a line: JSON after them starts behind one of these, and never where a
# list or an object goes on: else the last record of a cut list would pass for the whole.
_START = re.compile(r"(?:[^\s,:\[{]\s+|[>\ufeff])([\[{])")
_MOST_STARTS = 50


@dataclass(frozen=True)
class Parsed:
    """A JSON value, and what stood around it (redacted, at most 200 characters)."""

    value: Any
    noise: str | None


def parse_json(body: bytes) -> Parsed:
    """The one JSON list or object of a body.

    Raises:
        ValueError: none is there, it is cut, or it holds NaN or Infinity (which is not JSON).
    """
    raw = body.decode("utf-8")
    text = raw.lstrip(_BLANK)
    if text[:1] in ("[", "{"):
        value, end = _decode(text, 0)
        return Parsed(value, _described(raw[: len(raw) - len(text)], text[end:]))
    for start in list(_START.finditer(text))[:_MOST_STARTS]:
        try:
            value, end = _decode(text, start.start(1))
        except ValueError:
            continue
        return Parsed(value, _described(text[: start.start(1)], text[end:]))
    raise ValueError("no JSON in the body")


def _decode(text: str, start: int) -> tuple[Any, int]:
    """The value at `start` and its end; only blanks or a tag may follow it."""
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise ValueError("JSON is nested too deep") from None
    behind = text[end:].lstrip(_BLANK)
    if behind and not behind.startswith("<"):
        raise ValueError("text after the JSON")
    return value, end


def _described(before: str, behind: str) -> str | None:
    words = redact(before.strip(_BLANK) + " " + behind.strip(_BLANK))
    marks = ["byte order mark"] if "\ufeff" in before else ["blank lines"] if before else []
    if words:
        return words
    return marks[0] + " before the JSON" if marks else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
