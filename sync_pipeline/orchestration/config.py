"""What a person may choose when they start a sync from the Dagster UI.

Belongs here: the launchpad's fields and what they mean to the queue. Does not: secrets (a
connection names environment variables), what an operator sets once (settings.py).
"""

from dataclasses import fields

import dagster as dg
from pydantic import Field, ValidationError

from sync_pipeline.errors import InputError
from sync_pipeline.queue.filters import Filters
from sync_pipeline.settings import QueueSettings


class SyncConfig(dg.Config):
    """Filters and settings of one sync. Nothing set: everything, as the environment says."""

    queue_id: str | None = Field(
        default=None,
        description="Go on with this sync wherever it stands, instead of opening or joining one. "
        "It keeps its own filters and settings: the other fields then mean nothing.",
    )
    orchestration_id: str | None = Field(
        default=None,
        description="In a run over all entities: go on with this orchestration, instead of "
        "starting one. Once is enough, with any entity.",
    )
    full: bool = Field(
        default=False,
        description="Read everything again instead of what changed since the last sync.",
    )
    limit: int | None = Field(default=None, description="Read only the first N records by id.")
    email: str | None = Field(default=None, description="Read only the account with this e-mail.")
    external_id: str | None = Field(
        default=None, description="Read only the record with this id in the remote system."
    )
    created_after: str | None = Field(
        default=None,
        description="Read only what was created at this moment or later (orders): 2024-01-31, or "
        "2024-01-31T12:00:00Z. It runs beside the sync of what changed.",
    )
    created_before: str | None = Field(
        default=None, description="Read only what was created before this moment (orders)."
    )
    replay: bool = Field(
        default=False,
        description="Apply again, with today's mapping, what was read before; the store is not "
        "asked.",
    )
    replay_of: str | None = Field(
        default=None, description="Of a replay: only the records that this sync (its id) had read."
    )
    deletion_limit_percent: float | None = Field(
        default=None,
        description="Once: so much of what we know may be gone in the store and is taken for "
        "deleted; more is not believed. Usually SYNC_SOURCE_DELETION_LIMIT_PERCENT, 5.",
    )
    applies: str | None = Field(
        default=None,
        description="Do exactly what this preview (its id) showed, and nothing else; what moved "
        "since is named and left.",
    )
    idempotency_key: str | None = Field(
        default=None,
        description="A start with a key that was used before means that first sync: it is "
        "resumed when it stands open, and nothing happens when it is finished.",
    )
    batch_size: int | None = Field(
        default=None, description="Lines per batch; each batch commits alone. Default 500."
    )
    batch_delay_ms: int | None = Field(
        default=None, description="Milliseconds that a worker waits after each batch. Default 0."
    )
    max_retries: int | None = Field(
        default=None, description="Further tries of a line after its first one. Default 3."
    )
    initial_backoff_ms: int | None = Field(
        default=None, description="Wait before the first further try; it doubles. Default 1000."
    )

    def filters(self) -> Filters:
        """What the sync leaves out.

        Raises:
            InputError: a filter that cannot select anything.
        """
        return Filters.from_dict({name: getattr(self, name) for name in self._filters()})

    @classmethod
    def _filters(cls) -> list[str]:
        # Taking back and resolving have jobs of their own.
        return [one.name for one in fields(Filters) if one.name in cls.model_fields]

    def queue_settings(self, configured: QueueSettings) -> QueueSettings:
        """The configured settings with what was chosen here in their place.

        Raises:
            InputError: a number that a setting cannot be.
        """
        chosen = {
            "batch_size": self.batch_size,
            "batch_delay_ms": self.batch_delay_ms,
            "max_retries": self.max_retries,
            "initial_backoff_ms": self.initial_backoff_ms,
        }
        given = {name: value for name, value in chosen.items() if value is not None}
        try:
            return QueueSettings(**(configured.model_dump() | given))
        except ValidationError as error:
            raise InputError(
                "; ".join(
                    f"{'.'.join(map(str, one['loc'])) or 'settings'}: {one['msg']}"
                    for one in error.errors()
                )
                + ".",
                remedy="Change it in the launchpad's config, or leave it out.",
            ) from None
