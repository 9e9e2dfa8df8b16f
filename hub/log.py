"""Structured logs on stderr: one event, its facts, no secret, of an exception its frames and not its text."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog

from hub import failure
from hub.errors import HubException
from hub.terminal import OBEYED, harmless, one_line

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str = "info", form: str = "console") -> None:
    """Sets the level (debug, info, warning, error) and form (console, json) of this process's log."""
    tail: list[Any] = (
        [structlog.processors.JSONRenderer(serializer=_json)]
        if form == "json"
        else [_harmless, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _facts,
            _frames,
            *tail,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=_Stderr()),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


def get(name: str) -> Any:
    """A logger whose lines carry `part=name`."""
    return structlog.get_logger(part=name)


class _Stderr:
    """Whatever `sys.stderr` is when a line is written: a runner may have exchanged and closed the one of before."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def _json(event: Any, **more: Any) -> str:
    """One object on one line; what a terminal would obey is escaped as JSON does it, so that the value stays what it is."""
    text = json.dumps(event, ensure_ascii=False, **more)
    return OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _harmless(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Values come from outside: what a terminal would obey is written out, and no value makes a line of its own."""
    for name, value in event.items():
        if name == "frames":  # ours, in lines
            event[name] = harmless(str(value))
        elif not isinstance(value, bool | int | float | None):
            event[name] = _quiet(value)
    return event


def _quiet(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {one_line(str(name)): _quiet(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_quiet(item) for item in value]
    return value if isinstance(value, bool | int | float | None) else one_line(str(value))


def _facts(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Spreads a HubException given as `error=` into its code, sentence and remedy."""
    error = event.get("error")
    if isinstance(error, HubException):
        event.update(code=error.code, side=error.side, error=error.sentence(), remedy=error.remedy())
    return event


def _frames(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """What `exception` logs: classes and frames. The message and the source lines may hold values."""
    wanted = event.pop("exc_info", None)
    error = sys.exc_info()[1] if wanted is True else wanted[1] if isinstance(wanted, tuple) else wanted
    if isinstance(error, BaseException):
        event.update(raised=failure.kind(error), frames=failure.story(error))
    return event
