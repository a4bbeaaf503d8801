"""The pools that steps take their places from: each has its limit before anybody asks for a place.

Belongs here: making the limits. Does not: which step is in which pool (assets.py).

Left alone, Dagster makes a pool with the default limit when it is first asked for: by an INSERT
and, should that fail, by an UPDATE in the same transaction, which PostgreSQL refuses (1.13.27). So
all but one of the runs that start together fail, and after a change of `default_limit` all do.
It does so only to limits that come from the default; ours are set.
"""

from typing import Final

import dagster as dg
from sqlalchemy.exc import IntegrityError

from sync_pipeline.entities import ENTITIES, Entity

# More than runs there will ever be: a pool holds nothing back until an operator lowers its limit.
PLACES: Final = 200
WRITES: Final = "postgres_writes"
_ATTEMPTS: Final = 5


def pool_names() -> set[str]:
    """Every pool that a step of ours is in."""
    return {WRITES, *(reads_pool(entity) for entity in ENTITIES)}


def reads_pool(entity: Entity) -> str:
    """The pool of the step that reads an entity: its system's, or ours for what is derived."""
    return WRITES if entity.derivation is not None else f"{entity.system}_reads"


def ensure_pools(instance: dg.DagsterInstance) -> None:
    """Set the limit of each pool that has none of its own; callers may race."""
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    for _ in range(_ATTEMPTS):
        own = {pool.name for pool in storage.get_pool_limits() if not pool.from_default}
        missing = pool_names() - own
        if not missing:
            return
        for name in sorted(missing):
            try:
                storage.set_concurrency_slots(name, PLACES)
            except IntegrityError:
                break  # another process made it at this moment: look again
