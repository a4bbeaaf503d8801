"""What an idempotency key may look like, of a queue and of an orchestration.

Belongs here: the one rule. Does not: what a key means (opening.py, orchestrations/starting.py).
"""

from typing import Final

from sync_pipeline.errors import InputError

_LONGEST: Final = 200


def require_key(key: str | None) -> None:
    """Whether the key can be one; None is none.

    Raises:
        InputError: it is blank, as of a variable that was not set, and every such start would be
            the same one; or it has more than 200 characters.
    """
    if key is None:
        return
    if not key.strip():
        raise InputError("The idempotency key is blank.", remedy="Give one, or leave it out.")
    if len(key) > _LONGEST:
        raise InputError(
            f"The idempotency key has {len(key)} characters.",
            remedy=f"{_LONGEST} are the most; a hash of it will do.",
        )
