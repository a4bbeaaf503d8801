"""What must never be written down, and how it is taken out.

Belongs here: redaction of texts that come from a store (error bodies, PHP warnings) and of the
log records that HTTP libraries write. Does not: the decision what an answer means
(classification.py).

The one rule: a consumer key, a consumer secret, a signature or an Authorization header never
reaches an error, a log record or the database.
"""

import html
import logging
import re

LONGEST_TEXT = 200

_SECRETS = (
    (re.compile(r"\b(c[ks])_(?!…)\w+"), r"\1_…"),
    (re.compile(r"(?i)\b(consumer_key|consumer_secret|oauth_\w+)(=|%3D)[^&\s\"'<>]*"), r"\1=…"),
    (re.compile(r"(?i)\b(Basic|Bearer|OAuth)\s+[\w+/=.~-]{8,}"), r"\1 …"),
    (re.compile(r"//[^/\s@]+@"), "//…@"),
)
_TAG = re.compile(r"<[^>]*>")
_DIRECTORIES = re.compile(r"(?<![\w:/.])(?:/[\w.-]+){2,}/(?=[\w.-])")
_QUERY = re.compile(r"\?[^\s\"']*")

# Every debug record of these names the signed URL or the base string of the signature.
_SIGNING_LOGGERS = (
    "oauthlib.oauth1.rfc5849",
    "oauthlib.oauth1.rfc5849.signature",
    "requests_oauthlib.oauth1_auth",
)
_WIRE_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry")


def redact(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """One line of plain text without keys, tags and directories, at most `longest` characters."""
    plain = html.unescape(_TAG.sub(" ", text))
    for pattern, replacement in _SECRETS:
        plain = pattern.sub(replacement, plain)
    plain = " ".join(_DIRECTORIES.sub("…/", plain).split())
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


class _WithoutQuery(logging.Filter):
    """Cuts the query from URLs: it may hold keys or a signature."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always keeps the record."""
        record.msg = _QUERY.sub("?…", record.getMessage())
        record.args = ()
        return True


class _WarningsOnly(logging.Filter):
    """Drops debug records: they are made of what was signed."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keeps warnings and errors."""
        return record.levelno >= logging.WARNING


_without_query = _WithoutQuery()
_warnings_only = _WarningsOnly()


def guard_wire_logs() -> None:
    """Keep keys out of the logs of the HTTP libraries, whatever level is switched on."""
    for name in _WIRE_LOGGERS:
        logging.getLogger(name).addFilter(_without_query)
    for name in _SIGNING_LOGGERS:
        logging.getLogger(name).addFilter(_warnings_only)
