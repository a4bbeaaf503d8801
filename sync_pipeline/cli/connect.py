"""`sync-pipeline connect`: register a remote system.

Belongs here: checking what a person typed. Does not: the row (sources/connections.py), whether the
store answers (doctor.py).

Keys are never arguments: they would stay in the shell's history. A connection names the
environment variables that hold them.
"""

import math
import os
import re
from typing import Annotated, Any

import psycopg
import typer

from sync_pipeline.cli import output
from sync_pipeline.entities import entity_of
from sync_pipeline.entities.deletion import LIMIT_OPTION, POLICY_OPTION, policy_of
from sync_pipeline.entities.policies import POLICIES_OPTION, policies_of
from sync_pipeline.errors import InputError
from sync_pipeline.postgres.database import Database
from sync_pipeline.queue.due import EVERY_MINUTES, SCHEDULED_ENTITIES
from sync_pipeline.settings import DatabaseSettings
from sync_pipeline.sources import connections
from sync_pipeline.sources.woocommerce.addresses import normalize_base_url

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Register a remote system.")

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOOKS_LIKE_A_KEY = re.compile(r"c[ks]_[0-9A-Za-z]{16,}")
_ROLE = re.compile(r"[a-z0-9_-]{1,60}")


# What is said of a store.
Org = Annotated[str, typer.Option(help="The organization it belongs to.")]
Url = Annotated[str, typer.Option(help="The store's address, https://shop.example.")]
KeyEnv = Annotated[str, typer.Option(help="Environment variable of the consumer key.")]
SecretEnv = Annotated[str, typer.Option(help="Environment variable of the consumer secret.")]
Role = Annotated[
    str | None, typer.Option(help="Accounts to read; WooCommerce's own default is customer.")
]
IncludeGuests = Annotated[
    bool,
    typer.Option(
        "--include-guests/--no-include-guests",
        help="Make customers of people who ordered without an account, by e-mail.",
    ),
]
RequestsPerSecond = Annotated[
    float | None,
    typer.Option(min=0, max=1000, help="To this store, of all processes; 0: no limit."),
]
EveryMinutes = Annotated[
    int | None,
    typer.Option(
        min=0, help="Minutes between its scheduled syncs; 0: none. SYNC_DELTA_EVERY_MINUTES, 60."
    ),
]
Entities = Annotated[
    str | None, typer.Option(help="What schedules sync of it, with commas between; customers.")
]

Deletion = Annotated[
    list[str] | None,
    typer.Option(
        help="What becomes of our rows of records that the store deleted, as in customers=archive: "
        "keep (and mark), archive or delete. Several times for several entities."
    ),
]
DeletionLimitPercent = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="More of what we know missing at once is not believed without a person; "
        "SYNC_SOURCE_DELETION_LIMIT_PERCENT, 5.",
    ),
]
FieldPolicies = Annotated[
    list[str] | None,
    typer.Option("--policy", help="Who wins a field that both sides change: orders.total=manual."),
]


@app.callback()
def systems() -> None:
    """Register a remote system."""


@app.command()
def woocommerce(  # noqa: PLR0913  (its options)
    name: Annotated[str, typer.Argument(help="What to call it: a-z, 0-9, - and _.")],
    *,
    org: Org,
    url: Url,
    key_env: KeyEnv,
    secret_env: SecretEnv,
    role: Role = None,
    include_guests: IncludeGuests = False,
    requests_per_second: RequestsPerSecond = None,
    every_minutes: EveryMinutes = None,
    entities: Entities = None,
    deletion: Deletion = None,
    deletion_limit_percent: DeletionLimitPercent = None,
    policy: FieldPolicies = None,
    as_json: output.AsJson = False,
) -> None:
    """Register a WooCommerce store, or change the one of that name."""
    base_url = normalize_base_url(url)
    _require_sound(key_env, secret_env, role, requests_per_second)
    with Database.open(DatabaseSettings()) as database:
        connection = _register(
            database,
            org_id=org,
            name=name,
            base_url=base_url,
            key_env=key_env,
            secret_env=secret_env,
            options=_given(
                customer_role=role,
                include_guests=include_guests or None,
                requests_per_second=requests_per_second,
                **{
                    EVERY_MINUTES: every_minutes,
                    SCHEDULED_ENTITIES: _entities(entities),
                    POLICY_OPTION: _policies(deletion),
                    LIMIT_OPTION: deletion_limit_percent,
                    POLICIES_OPTION: policies_of("woocommerce", policy) if policy else None,
                },
            ),
        )
    _print(connection, key_env, secret_env, as_json=as_json)


def _print(
    connection: connections.Connection, key_env: str, secret_env: str, *, as_json: bool
) -> None:
    """What is registered now, which variables are still to be set, and what comes next."""
    unset = [variable for variable in (key_env, secret_env) if not os.environ.get(variable)]
    if as_json:
        output.print_json(
            {
                "success": True,
                "name": connection.name,
                "org_id": connection.org_id,
                "system": connection.system,
                "base_url": connection.base_url,
                "key_env": key_env,
                "secret_env": secret_env,
                "options": dict(connection.options),
                "unset_variables": unset,
            }
        )
        return
    typer.echo(f"Connected {connection.name} to {connection.base_url} for {connection.org_id}.")
    if unset:
        typer.echo(f"Not set in this shell yet: {', '.join(unset)}.")
    typer.echo(f"Next: sync-pipeline doctor {connection.name}")


def _require_sound(
    key_env: str, secret_env: str, role: str | None, requests_per_second: float | None
) -> None:
    """Refuse what no store can be read with, before anything is written."""
    for option, variable in (("--key-env", key_env), ("--secret-env", secret_env)):
        _require_variable_name(option, variable)
    if role is not None and not _ROLE.fullmatch(role):
        raise InputError(f"{role!r} is not a role.", remedy="Such as all, customer, subscriber.")
    if requests_per_second is not None and math.isnan(requests_per_second):
        raise InputError("nan is not a rate.", remedy="Give requests a second, or 0: no limit.")


def _entities(given: str | None) -> list[str] | None:
    """The names between the commas, each of an entity."""
    if given is None:
        return None
    return [entity_of("woocommerce", one.strip()).name for one in given.split(",") if one.strip()]


def _policies(given: list[str] | None) -> dict[str, str] | None:
    """Entity -> policy, of `entity=policy` each."""
    if not given:
        return None
    parts = [one.partition("=") for one in given]
    return {
        entity_of("woocommerce", name.strip()).name: policy_of(policy.strip())
        for name, _, policy in parts
    }


def _given(**options: object) -> dict[str, object]:
    """The options that were given; the others are not kept, so that settings hold."""
    return {name: value for name, value in options.items() if value is not None}


def _register(database: Database, *, org_id: str, **values: Any) -> connections.Connection:  # noqa: ANN401
    """`connections.connect`, where an organization that cannot be is wrong input."""
    try:
        return connections.connect(database, org_id=org_id, system="woocommerce", **values)
    except psycopg.errors.InvalidTextRepresentation:
        raise InputError(
            f"{org_id!r} cannot be the id of an organization here.",
            remedy="Give an id of the table organization; its type is your own.",
        ) from None
    except psycopg.errors.NotNullViolation:
        raise InputError(
            f"There is no organization {org_id!r}, and its table wants more than an id and a name.",
            remedy="Make the organization first, then connect.",
        ) from None


def _require_variable_name(option: str, variable: str) -> None:
    """Refuse a key given in place of a name; it is not repeated."""
    if _LOOKS_LIKE_A_KEY.fullmatch(variable) or not _VARIABLE.fullmatch(variable):
        raise InputError(
            f"{option} takes the name of an environment variable, not the key itself.",
            remedy=f"export SHOP_KEY=…, then {option} SHOP_KEY.",
        )
