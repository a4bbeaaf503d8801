"""The query of a listing: checked like WordPress checks it, and turned into values.

Belongs here: which parameters each listing knows, their limits and the recorded errors. Unknown
parameters are ignored, as recorded. Does not: finding the records (listing.py).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from sync_pipeline.demo.answers import RestError

Value = str | list[str]
_ARRAY = re.compile(r"([^\[\]]+)\[\d*\]")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}(?::?\d{2})?)?")
_INTEGER = re.compile(r"[+-]?\d+")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


@dataclass(frozen=True)
class Problem:
    """What is wrong with one parameter."""

    code: str
    message: str
    data: Mapping[str, str] | None = None


Check = Callable[[str, Value], Problem | None]


@dataclass(frozen=True)
class Schema:
    """What one listing accepts.

    Attributes:
        orderby: accepted value → field; what the error lists keeps this order.
        default_orderby: one of them.
        descending: the default direction.
        checks: parameter → check, beside paging and order.
        lists: parameters that are lists: "a,b" and a[]=… mean the same.
        equal: parameter → field that must have the value.
        dates: parameter → (field, "after" or "before").
        stores_local_dates: a date is compared with the local one as stored (products).
        forgets_total: past the end X-WP-Total reads 0 (orders, refunds; recorded).
    """

    orderby: Mapping[str, str]
    default_orderby: str
    descending: bool = True
    checks: Mapping[str, Check] = field(default_factory=dict)
    lists: tuple[str, ...] = ("include", "exclude")
    equal: Mapping[str, str] = field(default_factory=dict)
    dates: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    searched: tuple[str, ...] = ()
    stores_local_dates: bool = False
    forgets_total: bool = False


def php_query(query: str) -> dict[str, Value]:
    """The query as PHP reads it: a[]= and a[0]= make arrays, a repeated name keeps the last."""
    found: dict[str, Value] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        array = _ARRAY.fullmatch(name)
        if array is None:
            found[name] = value
            continue
        parts = found.setdefault(array[1], [])
        if isinstance(parts, list):
            parts.append(value)
    return found


def validated(parameters: Mapping[str, Value], schema: Schema) -> dict[str, Value]:
    """The parameters, lists taken apart.

    Raises:
        RestError: 400 rest_invalid_param, naming every bad parameter.
    """
    checks = {**_paging_checks(schema), **schema.checks}
    known: dict[str, Value] = {}
    problems: dict[str, Problem] = {}
    for name, given in parameters.items():
        value = given
        if name in schema.lists and isinstance(given, str):
            value = [part for part in re.split(r"[\s,]+", given) if part]
        known[name] = value
        problem = checks[name](name, value) if name in checks else None
        if problem is not None:
            problems[name] = problem
    if problems:
        raise _invalid(problems)
    return known


def integers(minimum: int | None = None, maximum: int | None = None) -> Check:
    """A check for one integer, or for each of a list."""

    def check(name: str, value: Value) -> Problem | None:
        if isinstance(value, list):
            named = ((f"{name}[{i}]", part) for i, part in enumerate(value))
            return next((problem for n, part in named if (problem := check(n, part))), None)
        if not _INTEGER.fullmatch(value):
            message = f"{name} is not of type integer."
            return Problem("rest_invalid_type", message, {"param": name})
        number = int(value)
        too_small = minimum is not None and number < minimum
        if maximum is not None and (too_small or number > maximum):
            message = f"{name} must be between {minimum} (inclusive) and {maximum} (inclusive)"
            return Problem("rest_out_of_bounds", message)
        if too_small:
            message = f"{name} must be greater than or equal to {minimum}"
            return Problem("rest_out_of_bounds", message)
        return None

    return check


def one_of(*choices: str) -> Check:
    """A check for one of the choices, or each of a list."""
    words = f"{', '.join(choices[:-1])}{',' if len(choices) > 2 else ''} and {choices[-1]}"  # noqa: PLR2004

    def check(name: str, value: Value) -> Problem | None:
        if isinstance(value, list):
            wrong = [i for i, part in enumerate(value) if part not in choices]
            named = f"{name}[{wrong[0]}]" if wrong else ""
        else:
            named = "" if value in choices else name
        return Problem("rest_not_in_enum", f"{named} is not one of {words}.") if named else None

    return check


def date(name: str, value: Value) -> Problem | None:  # noqa: ARG001 - a Check
    """A date with a time; a zone is allowed."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        return None
    return Problem("rest_invalid_date", "Invalid date.")


def email(name: str, value: Value) -> Problem | None:  # noqa: ARG001 - a Check
    """An e-mail address."""
    if isinstance(value, str) and _EMAIL.fullmatch(value):
        return None
    return Problem("rest_invalid_email", "Invalid email address.")


def _paging_checks(schema: Schema) -> dict[str, Check]:
    return {
        "page": integers(minimum=1),
        "per_page": integers(minimum=1, maximum=100),
        "offset": integers(),
        "include": integers(),
        "exclude": integers(),
        "orderby": one_of(*schema.orderby),
        "order": one_of("asc", "desc"),
    }


def _invalid(problems: Mapping[str, Problem]) -> RestError:
    return RestError(
        400,
        "rest_invalid_param",
        f"Invalid parameter(s): {', '.join(problems)}",
        more={
            "params": {name: problem.message for name, problem in problems.items()},
            "details": {
                name: {"code": problem.code, "message": problem.message, "data": problem.data}
                for name, problem in problems.items()
            },
        },
        allow="GET, POST",
    )
