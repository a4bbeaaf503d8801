"""What Dagster loads. Importing it starts nothing and reads no environment.

Belongs here: the name under which Dagster finds the definitions. Does not: making them
(orchestration/build.py).
"""

from sync_pipeline.orchestration.build import build_definitions

__all__ = ["build_definitions", "defs"]

defs = build_definitions()
