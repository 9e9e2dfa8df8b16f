"""Secrets and SQL have no place in a contract. A found value is never repeated in the message."""

from __future__ import annotations

import re
from typing import Any

from contracts import errors
from contracts.lint.around import Around
from contracts.schema_check import where
from contracts.view import View
from contracts.yaml_strict import Path_

_KEY = re.compile(
    r"pass(word|wd|phrase)?|pwd|secret|token|api_?key|access_?key|private_?key|client_?secret|credentials?|authorization|cookie|bearer|sas",
    re.IGNORECASE,
)
_HARMLESS_KEY = re.compile(r".*_(path|field|param|parameter|name|header|pointer|style|size|in)", re.IGNORECASE)
_VALUE = re.compile(
    r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@"  # a URL with user and password
    r"|[a-z][a-z0-9+.-]*://[^/\s@]+@"  # a URL with a user
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|\bAKIA[0-9A-Z]{16}\b|\beyJ[\w-]{8,}\.[\w-]{8,}\.|\bgh[pousr]_\w{20,}"
    r"|\b(bearer|basic)\s+[\w+/=.-]{12,}|\b(password|passwd|pwd|secret|token|api_?key)\s*[=:]\s*\S{3,}",
    re.IGNORECASE,
)
_LONG = re.compile(r"[A-Za-z0-9+/_=-]{40,}")
_PROSE = ("purpose", "usage", "limitations", "description", "dataGranularityDescription", "businessName", "zh", "en")
_SQL = re.compile(
    r"\bselect\b.{1,400}\bfrom\b|\binsert\s+into\b|\bdelete\s+from\b|\bupdate\s+\S+\s+set\b|\bunion\s+(all\s+)?select\b"
    r"|\b(drop|alter|truncate|create|grant|revoke)\s+(table|schema|database|view|role|user|index|function|trigger)\b"
    r"|;\s*(select|drop|delete|insert|update|alter|exec|copy)\b|\bpg_sleep\s*\(|'\s*or\s*'?\d|--\s*$",
    re.IGNORECASE | re.DOTALL,
)


def check(view: View, around: Around) -> None:
    """Looks at every key and text of the document."""
    waiting: list[tuple[Path_, Any]] = [((), view.data)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                if _secret_key(path, key, inner):
                    view.document.problem(errors.SecretInContract, (*path, key), where=where((*path, key)))
                else:
                    waiting.append(((*path, key), inner))
        elif isinstance(value, list):
            waiting.extend(((*path, number), inner) for number, inner in enumerate(value))
        elif isinstance(value, str):
            if _VALUE.search(value) or (path[:1] == ("servers",) and _looks_random(value)):
                view.document.problem(errors.SecretInContract, path, where=where(path))
            elif _SQL.search(value) and not _is_prose(path):
                view.document.problem(errors.SqlInContract, path, where=where(path))


def _is_prose(path: Path_) -> bool:
    """Whether a text is for people alone. English prose selects from lists, too."""
    for_connectors = path[:1] == ("servers",) and "customProperties" in path
    return path[-1] in _PROSE and not for_connectors


def _secret_key(path: Path_, key: str, inner: Any) -> bool:
    """A key that names a secret, within servers or custom properties, and that holds text."""
    inside = path[:1] == ("servers",) or "customProperties" in path
    named = _KEY.fullmatch(key) or re.search(rf"(^|_)({_KEY.pattern})$", key, re.IGNORECASE)
    return bool(inside and isinstance(inner, str | int) and named and not _HARMLESS_KEY.fullmatch(key))


def _looks_random(text: str) -> bool:
    """A long run of letters of both cases and digits, as keys are."""
    return any(
        any(char.isupper() for char in run)
        and any(char.islower() for char in run)
        and any(char.isdigit() for char in run)
        for run in _LONG.findall(text)
    )
