"""Every setting, from the environment, frozen, with its unit in its name.

Belongs here: what an operator may turn. Built once at the edge (CLI, Dagster resource); nothing
below reads the environment. Secrets of stores are not settings: a connection names the
environment variables that hold them.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict


class DatabaseSettings(BaseSettings):
    """Where PostgreSQL is. No URL: the embedded server under `local_dir`."""

    model_config = SettingsConfigDict(frozen=True)

    url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    local_dir: Path = Field(default=Path(".local"), validation_alias="SYNC_LOCAL_DIR")
    pool_max_connections: PositiveInt = Field(
        default=8, validation_alias="SYNC_POOL_MAX_CONNECTIONS"
    )
    connect_timeout_seconds: PositiveInt = Field(
        default=10, validation_alias="SYNC_CONNECT_TIMEOUT_SECONDS"
    )


class QueueSettings(BaseSettings):
    """How queues are made and worked."""

    model_config = SettingsConfigDict(env_prefix="SYNC_QUEUE_", frozen=True)

    # 500 lines a batch: 64k lines/s with one worker; 50 pays the commit ten times as often.
    batch_size: PositiveInt = 500
    batch_delay_ms: NonNegativeInt = 0
    workers: PositiveInt = 2
    lease_seconds: PositiveFloat = 60
    max_retries: NonNegativeInt = 3
    initial_backoff_ms: NonNegativeInt = 1000
    max_backoff_ms: PositiveInt = 16000
    lifetime_value_rule: Literal["all_orders", "paid_net"] = "all_orders"
    isolation: Literal["read committed", "serializable"] = "read committed"

    @model_validator(mode="after")
    def cap_is_not_below_start(self) -> Self:
        """Waits grow towards the cap."""
        if self.max_backoff_ms < self.initial_backoff_ms:
            raise ValueError("max_backoff_ms is below initial_backoff_ms")
        return self


class SourceSettings(BaseSettings):
    """How remote systems are read."""

    model_config = SettingsConfigDict(env_prefix="SYNC_SOURCE_", frozen=True)

    connect_timeout_seconds: PositiveFloat = 10
    # The slowest page recorded (100 full orders, four at once) took 3.2 s; slow hosts take 30 s.
    read_timeout_seconds: PositiveFloat = 60
    max_attempts: PositiveInt = 5
    backoff_base_seconds: PositiveFloat = 0.5
    backoff_cap_seconds: PositiveFloat = 30
    # A Retry-After above this is not waited for in the request: the sync stops as transient.
    retry_after_cap_seconds: PositiveFloat = 120
    # Two at once is the recorded optimum on a two-core store; four made every page slower.
    max_parallel_requests: PositiveInt = 4
    page_records: PositiveInt = Field(default=100, le=100)
    # modified_after is exclusive at one-second resolution.
    watermark_overlap_seconds: PositiveFloat = 5
    verify_tls: bool = True
    ca_bundle: Path | None = None
