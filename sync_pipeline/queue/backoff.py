"""How long to wait before the next attempt. Pure: chance is an argument."""


def backoff_seconds(attempt: int, base_ms: int, cap_ms: int, chance: float) -> float:
    """Exponential, capped, with jitter: 1 s, 2 s, 4 s … for a base of 1,000 ms.

    Args:
        attempt: failures so far, from 1.
        base_ms: wait after the first failure.
        cap_ms: no wait is longer than this.
        chance: from [0, 1); takes up to a quarter off, so that many waiters do not wake as one.

    Returns:
        Seconds, never negative.
    """
    whole_ms = min(cap_ms, base_ms * 2 ** (max(attempt, 1) - 1))
    return float(whole_ms * (1 - chance / 4) / 1000)
