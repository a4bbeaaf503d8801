"""Every setting, from the environment, frozen, with its unit in its name.

Belongs here: what an operator may turn. Built once at the edge (CLI, Dagster resource); nothing
below reads the environment. Also in which words a refused one is told. Secrets of stores are not
settings: a connection names the environment variables that hold them.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    field_validator,
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


class LogSettings(BaseSettings):
    """What is written to stderr about the work, and in which form."""

    model_config = SettingsConfigDict(env_prefix="SYNC_LOG_", frozen=True)

    format: Literal["console", "json"] = "console"
    # Quiet: a command says itself what it did. `info` tells when stages begin and end.
    level: Literal["debug", "info", "warning", "error"] = "warning"

    @field_validator("format", "level", mode="before")
    @classmethod
    def case_does_not_matter(cls, value: object) -> object:
        """INFO is info."""
        return value.lower() if isinstance(value, str) else value


class QueueSettings(BaseSettings):
    """How queues are made and worked."""

    model_config = SettingsConfigDict(env_prefix="SYNC_QUEUE_", frozen=True)

    # 500 lines a batch: 64k lines/s with one worker; 50 pays the commit ten times as often.
    batch_size: PositiveInt = 500
    batch_delay_ms: NonNegativeInt = 0
    workers: PositiveInt = 2
    lease_seconds: PositiveFloat = 30
    max_retries: NonNegativeInt = 3
    initial_backoff_ms: NonNegativeInt = 1000
    max_backoff_ms: PositiveInt = 16000
    lifetime_value_rule: Literal["all_orders", "paid_net"] = "all_orders"
    isolation: Literal["read committed", "serializable"] = "read committed"
    # Between runs that a passing fault ended: 10 s, 20 s, 40 s … A line's own waits are above.
    failure_backoff_seconds: PositiveFloat = 10
    failure_backoff_cap_seconds: PositiveFloat = 600

    @model_validator(mode="after")
    def cap_is_not_below_start(self) -> Self:
        """Waits grow towards the cap."""
        if self.max_backoff_ms < self.initial_backoff_ms:
            raise ValueError("SYNC_QUEUE_MAX_BACKOFF_MS is below SYNC_QUEUE_INITIAL_BACKOFF_MS")
        if self.failure_backoff_cap_seconds < self.failure_backoff_seconds:
            raise ValueError(
                "SYNC_QUEUE_FAILURE_BACKOFF_CAP_SECONDS is below SYNC_QUEUE_FAILURE_BACKOFF_SECONDS"
            )
        return self


class AutomationSettings(BaseSettings):
    """What starts by itself."""

    model_config = SettingsConfigDict(env_prefix="SYNC_", frozen=True)

    # on: schedules run unless somebody switched them off in the UI; off: the other way round.
    schedules: bool = False
    # A connection may say otherwise: connect … --every-minutes.
    delta_every_minutes: NonNegativeInt = 60
    nightly_hour_utc: int = Field(default=1, ge=0, le=23)


class RunSettings(BaseSettings):
    """How many syncs run at once, where this checkout runs Dagster (a deployment: deploy/)."""

    model_config = SettingsConfigDict(env_prefix="SYNC_", frozen=True)

    # A run is a process of 160 MB and a few connections: ten suit a machine of two cores.
    max_concurrent_runs: PositiveInt = 10
    max_runs_per_organization: PositiveInt = 5


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
    # Pages of the whole listing, in turn, that each reading of changes reads besides; 0: none. The
    # first one costs no call: its answer tells the total that is asked for anyway.
    rescan_pages: NonNegativeInt = 1
    # More of what we know missing at once is a fault of the store, until a person says otherwise.
    deletion_limit_percent: float = Field(default=5, ge=0, le=100)
    verify_tls: bool = True
    ca_bundle: Path | None = None
    # Per connection, of all processes together; 0: no limit. The recorded store (two cores) managed
    # 3.3 full pages a second at best, so 10 slows no sync and stops a runaway.
    requests_per_second: NonNegativeFloat = 10
    # What accrues in so long may go at once: a sync that finds nothing new (11 calls) never waits.
    burst_seconds: NonNegativeFloat = 2
    # In a row, over so long at least: four parallel requests that fail together are no outage.
    circuit_failures: PositiveInt = 5
    circuit_failing_seconds: NonNegativeFloat = 2
    circuit_open_seconds: PositiveFloat = 15
    circuit_open_cap_seconds: PositiveFloat = 300
    redis_url: SecretStr | None = Field(default=None, validation_alias="REDIS_URL")

    @model_validator(mode="after")
    def circuit_cap_is_not_below_start(self) -> Self:
        """Waits grow towards the cap."""
        if self.circuit_open_cap_seconds < self.circuit_open_seconds:
            raise ValueError(
                "SYNC_SOURCE_CIRCUIT_OPEN_CAP_SECONDS is below SYNC_SOURCE_CIRCUIT_OPEN_SECONDS"
            )
        return self


class RetentionSettings(BaseSettings):
    """How long history is kept."""

    model_config = SettingsConfigDict(env_prefix="SYNC_RETENTION_", frozen=True)

    # Finished queues with their lines, audit and closed conflicts; dropped about a day's at a time.
    queues_days: PositiveInt = 30
    # What the store answered is of use while a sync is looked into; the lines keep the records.
    pages_days: PositiveInt = 7
    dagster_runs_days: PositiveInt = 30


_ALL: tuple[type[BaseSettings], ...] = (
    DatabaseSettings,
    LogSettings,
    QueueSettings,
    AutomationSettings,
    RunSettings,
    SourceSettings,
    RetentionSettings,
)


def require_valid() -> None:
    """Look at every setting before anything is started that would stumble over one later.

    Raises:
        pydantic.ValidationError: of the first class that refuses one; `refusal` puts it in words.
    """
    for settings in _ALL:
        settings()


def variable_of(settings: type[BaseSettings], name: str) -> str:
    """The environment variable of a field. Pure."""
    alias = settings.model_fields[name].validation_alias
    prefix = settings.model_config.get("env_prefix", "")
    return alias if isinstance(alias, str) else f"{prefix}{name}".upper()


def refusal(error: ValidationError) -> str:
    """Which variables were refused and why, without their values: one may be a secret. Pure."""
    settings = next((one for one in _ALL if one.__name__ == error.title), None)
    said = []
    for one in error.errors():
        name = ".".join(map(str, one["loc"]))
        if settings is not None and name in settings.model_fields:
            name = variable_of(settings, name)
        words = one["msg"].removeprefix("Value error, ")
        said.append(f"{name}: {words}" if name else words)
    return "; ".join(said)
