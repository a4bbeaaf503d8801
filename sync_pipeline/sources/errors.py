"""Failures that every source can have and that paging decides on.

Belongs here: the branches of a failed read that the range itself may have caused, so that reading
less may help. Does not: what one remote system answers (sources/woocommerce/errors.py), and
failures that reading less cannot help (no network, wrong key), which are plain TransientError
or PermanentError.

    TransientError
    `- PageFaultError        the answer to this range failed: one record may be the cause
       `- PageTimeoutError   it took too long: the size of the range may be the cause
"""

from sync_pipeline.errors import TransientError


class PageFaultError(TransientError):
    """The answer to one range failed; a smaller range may be answered."""

    code = "source.page_fault"


class PageTimeoutError(PageFaultError):
    """The answer to one range took too long; a smaller range may be in time."""

    code = "source.page_timeout"
