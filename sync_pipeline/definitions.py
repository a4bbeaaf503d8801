"""What Dagster loads. Importing it starts nothing and reads no environment; Dagster calls `defs`.

Belongs here: the name under which Dagster finds the definitions. Does not: making them
(orchestration/build.py).
"""

import dagster as dg

from sync_pipeline.orchestration.build import build_definitions
from sync_pipeline.settings import AutomationSettings

__all__ = ["build_definitions", "defs"]


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions, with what the environment says of schedules."""
    return build_definitions(automation=AutomationSettings())
