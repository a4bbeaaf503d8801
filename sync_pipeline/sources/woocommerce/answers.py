"""What a request to a store comes to: an answer, and what is told of each attempt.

Belongs here: the two values. Does not: getting them (client.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A parsed answer.

    Attributes:
        value: the JSON value.
        headers: names in lower case; only those that are needed, never Link or Set-Cookie.
        noise: what stood around the JSON, redacted; None if nothing did.
        elapsed_seconds: from the first attempt on, waits included.
    """

    value: Any
    headers: Mapping[str, str]
    noise: str | None
    elapsed_seconds: float


@dataclass(frozen=True)
class RequestEvent:
    """One attempt, for metrics. `status` is None without an answer; `error_code` when it failed.

    `waited_seconds` for the right to ask came before `elapsed_seconds`.
    """

    path: str
    status: int | None
    elapsed_seconds: float
    attempt: int
    error_code: str | None
    waited_seconds: float = 0.0
