"""What Dagster loads. Importing it starts nothing and reads no environment; Dagster calls `defs`.

Belongs here: the name under which Dagster finds the definitions. Does not: making them
(orchestration/build.py).
"""

import dagster as dg
from pydantic import ValidationError

from sync_pipeline.errors import InputError
from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.settings import AutomationSettings, refusal

__all__ = ["build_definitions", "defs"]


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions, with what the environment says of schedules.

    Raises:
        InputError: a setting is refused; in words, without its value.
    """
    try:
        automation = AutomationSettings()
    except ValidationError as error:
        raise InputError(
            refusal(error), remedy="Mend the environment, then restart the code server."
        ) from None
    return build_definitions(automation=automation)
