"""What a store's answer is cleaned of before it is written down.

Belongs here: redaction of texts that come from a store (error bodies, PHP warnings) and of the
log records that HTTP libraries write. Does not: what a secret looks like (sync_pipeline.redaction),
the decision what an answer means (classification.py).

The one rule: a consumer key, a consumer secret, a signature or an Authorization header never
reaches an error, a log record or the database.
"""

import html
import logging
import re

from sync_pipeline.redaction import without_secrets

LONGEST_TEXT = 200

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
    plain = without_secrets(plain)
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
