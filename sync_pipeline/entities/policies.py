"""Who wins where both sides changed a field: what people say of a connection's fields.

Belongs here: reading and refusing what was said, and what holds then. Does not: applying a policy
(`sync_merge` in the database), what an entity says by itself (woocommerce_*.py).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, cast, get_args

from sync_pipeline.entities import entity_of
from sync_pipeline.entities.declaration import Entity, Policy
from sync_pipeline.errors import InputError

POLICIES_OPTION: Final = "policies"
DEFAULT: Final[Policy] = "source_wins"


def policies_of(system: str, said: Iterable[str]) -> dict[str, dict[str, Policy]]:
    """Entity -> column -> policy, of `customers.name=source_wins` each: an option of a connection.

    Raises:
        InputError: it says nothing, or names a field or a policy that there is not.
        UnknownEntityError: no such entity.
    """
    found: dict[str, dict[str, Policy]] = {}
    for one in said:
        place, _, policy = one.partition("=")
        entity_name, _, column = place.strip().partition(".")
        if not (entity_name and column and policy):
            raise InputError(
                f"{one!r} is no policy of a field.",
                remedy="Write entity.field=policy: customers.name=source_wins.",
            )
        entity = entity_of(system, entity_name)
        found.setdefault(entity.name, {})[column] = _checked(entity, column, policy.strip())
    return found


def _checked(entity: Entity, column: str, policy: str) -> Policy:
    if column not in entity.columns:
        raise InputError(
            f"{entity.name} have no field {column!r}.",
            remedy=f"They have {', '.join(entity.columns)}.",
        )
    known = get_args(Policy)
    if policy not in known:
        raise InputError(f"{policy!r} is no policy.", remedy=f"There are {', '.join(known)}.")
    if policy == "newest_wins" and entity.modified_column is None:
        raise InputError(
            f"The store does not say when {entity.name} were changed, so none is the newest.",
            remedy="Use source_wins, target_wins or manual.",
        )
    if policy == "merge" and entity.policies.get(column) != "merge":
        merged = [name for name, own in entity.policies.items() if own == "merge"]
        raise InputError(
            f"{entity.name}.{column} has no parts to merge: one side wins, or a person decides.",
            remedy=f"Of {entity.name}, merge is for {', '.join(merged) or 'no field'}; use "
            "source_wins, target_wins or manual.",
        )
    return cast(Policy, policy)


def in_force(entity: Entity, options: Mapping[str, Any]) -> dict[str, Policy]:
    """Column -> policy of every field, by the connection's options and else by the declaration."""
    said = options.get(POLICIES_OPTION) or {}
    own = said.get(entity.name) or {}
    return {
        column: own.get(column) or entity.policies.get(column, DEFAULT) for column in entity.columns
    }


def as_said(options: Mapping[str, Any]) -> list[str]:
    """What the connection says otherwise, each as it is typed: `customers.name=source_wins`."""
    said: Mapping[str, Mapping[str, str]] = options.get(POLICIES_OPTION) or {}
    return [
        f"{entity}.{column}={policy}"
        for entity, fields in sorted(said.items())
        for column, policy in sorted(fields.items())
    ]
