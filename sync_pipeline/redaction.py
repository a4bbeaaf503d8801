"""What must never be written down: keys, passwords, signatures, and how they are taken out.

Belongs here: what a secret looks like, and the secrets that this process knows. Does not: what
else a store's answer is cleaned of (sources/woocommerce/redaction.py), logs (logs.py).
"""

import re
import threading
from typing import Final

# Of what is shorter, texts are full by chance.
_SHORTEST_KNOWN: Final = 6
_PATTERNS: Final = (
    (re.compile(r"\b(c[ks])_(?!…)\w+"), r"\1_…"),
    (re.compile(r"(?i)\b(consumer_key|consumer_secret|oauth_\w+)(=|%3D)[^&\s\"'<>]*"), r"\1=…"),
    (re.compile(r"(?i)\b(password|passwd|pwd|api_?key|secret|access_token)(\s*[=:]\s*)[^&\s\"'<>,;]+"),
     r"\1\2…"),
    (re.compile(r"(?i)\b(Basic|Bearer|OAuth)\s+[\w+/=.~-]{8,}"), r"\1 …"),
    (re.compile(r"//[^/\s@]+@"), "//…@"),
)  # fmt: skip

_known: set[str] = set()
_adding = threading.Lock()


def never_show(*secrets: str) -> None:
    """Take these out of every text from now on, whatever stands around them."""
    with _adding:
        _known.update(one for one in secrets if len(one) >= _SHORTEST_KNOWN)


def without_secrets(text: str) -> str:
    """The text with an ellipsis in the place of everything that is or looks like a secret."""
    for secret in tuple(_known):
        text = text.replace(secret, "…")
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
