"""Structured logs: one pipeline for every record of this package, with what the work is about.

Belongs here: loggers, the context they carry, and where records go. Does not: what is worth a
record, what a secret looks like (redaction.py).

A logger is made at import and costs nothing; nothing is configured before an edge (a command, the
resource of a Dagster process) calls `configure`. Only handlers of the logger `sync_pipeline` are
ours: Dagster configures structlog and the root logger for itself.

Records go to stderr, words for people or one JSON document a line. Each carries the context that
is bound where it is written: queue, connection, organization, entity, run.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Any, Final, ParamSpec, TextIO, TypeVar, cast

import structlog
from structlog.stdlib import BoundLogger
from structlog.typing import EventDict, Processor

from sync_pipeline.redaction import without_secrets
from sync_pipeline.settings import LogSettings

_PACKAGE: Final = "sync_pipeline"
_DATABASE: Final = "sync_pipeline.postgres"
_FIRST: Final = ("timestamp", "level", "event")

_P = ParamSpec("_P")
_T = TypeVar("_T")


def get_logger(name: str) -> BoundLogger:
    """The logger of a module; its records say a few words and then name their figures.

    Args:
        name: `__name__` of the module.
    """
    return cast(
        BoundLogger,
        structlog.wrap_logger(
            logging.getLogger(name),
            processors=[
                structlog.stdlib.filter_by_level,
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            ],
            wrapper_class=BoundLogger,
            # Bound once: a logger that is made anew for every record costs more than a level check.
        ).bind(),
    )


@contextmanager
def bound(**about: str | None) -> Iterator[None]:
    """Every record that is written inside the block says what it is about; None says nothing."""
    known = {name: value for name, value in about.items() if value is not None}
    with structlog.contextvars.bound_contextvars(**known):
        yield


class Workers(ThreadPoolExecutor):
    """A pool whose threads know what they work on: each call runs in its caller's context."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """As ThreadPoolExecutor, with a copy of the caller's context variables."""
        call = partial(fn, *args, **kwargs)
        return super().submit(cast("Callable[[], _T]", partial(copy_context().run, call)))


def configure(settings: LogSettings, *, is_forced: bool = True, is_command: bool = False) -> None:
    """Write records as the settings say, from now on.

    Args:
        is_command: unless a level was set, write nothing but warnings of the database: a command
            itself tells people what it did and what went wrong.
        is_forced: False leaves what was configured before in this process: a command that runs
            Dagster jobs itself has decided already.
    """
    package = logging.getLogger(_PACKAGE)
    ours = [handler for handler in package.handlers if isinstance(handler, _ToStderr)]
    if ours and not is_forced:
        return
    for handler in ours:
        package.removeHandler(handler)
    handler = _ToStderr()
    handler.setFormatter(_formatter(settings))
    package.addHandler(handler)
    is_silent = is_command and "level" not in settings.model_fields_set
    package.setLevel(logging.CRITICAL if is_silent else settings.level.upper())
    logging.getLogger(_DATABASE).setLevel(logging.WARNING if is_silent else logging.NOTSET)


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to what sys.stderr is at the time: a progress bar or a test may have replaced it."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Standard error, now."""
        return sys.stderr


def _formatter(settings: LogSettings) -> logging.Formatter:
    is_json = settings.format == "json"
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _take_secrets_out,
    ]
    return structlog.stdlib.ProcessorFormatter(
        # Records of logging.getLogger(...) get what get_logger binds when it is called.
        foreign_pre_chain=[structlog.contextvars.merge_contextvars],
        processors=[*shared, _as_json() if is_json else _as_words()],
    )


def _as_json() -> Processor:
    return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)


def _as_words() -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _take_secrets_out(_logger: Any, _method: str, record: EventDict) -> EventDict:  # noqa: ANN401
    names = sorted(record, key=lambda name: name not in _FIRST)
    return {name: _clean(record[name]) for name in names}


def _clean(value: Any) -> Any:  # noqa: ANN401
    match value:
        case bool() | int() | float() | None:
            return value
        case dict():
            return {name: _clean(one) for name, one in value.items()}
        case list() | tuple() | set():
            return [_clean(one) for one in value]
        case _:
            text = without_secrets(str(value))
            return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    """What comes from elsewhere moves no cursor; a traceback keeps its lines."""
    return character if character.isprintable() or character == "\n" else " "
