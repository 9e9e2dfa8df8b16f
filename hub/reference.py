"""Reference pages made from the code: `python -m hub.reference` writes them, a test checks that they are current.

docs/settings.md comes from the settings' descriptions, docs/errors.md from the error classes found on disk.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from pydantic_core import PydanticUndefined

from hub.cli import PACKAGES
from hub.errors import AgencyError, HubError, HubException, TransientError
from hub.settings import ROOT, Settings
from hub.usage import EXIT_CODES

_SIDES = {
    "agency": "the sender / 报送方",
    "hub": "the hub / 枢纽方",
    "transient": "nobody yet: it is retried / 自动重试",
}


def every_error() -> list[type[HubException]]:
    """All error leaves of all packages, by code; found by importing each `errors.py` on disk."""
    for package in (*PACKAGES, "demo"):
        for path in sorted((ROOT / package).rglob("errors.py")):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    found: list[type[HubException]] = []
    queue: list[type[HubException]] = [HubException]
    while queue:
        for child in queue.pop().__subclasses__():
            queue.append(child)
            ours = child.__module__.split(".")[0] in (*PACKAGES, "demo")
            if ours and child not in (AgencyError, HubError, TransientError) and "code" in vars(child):
                found.append(child)
    return sorted(set(found), key=lambda error: error.code)


def settings_page() -> str:
    """docs/settings.md."""
    lines = [
        "# Settings",
        "",
        "Environment variables; `hub stack up` writes those of the local stack to `var/hub.env`, and what you export wins.",
        "Each may be given as a file instead: `HUB_X_FILE` names the file that holds the value of `HUB_X` (secrets above all).",
        "This page is generated (`python -m hub.reference`).",
        "",
        "| variable | default | what it is for |",
        "|---|---|---|",
    ]
    for name, info in Settings.model_fields.items():
        default = "" if info.default in (None, PydanticUndefined) else _relative(info.default)
        lines.append(f"| `HUB_{name.upper()}` | {default} | {_cell(info.description or '')} |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """docs/errors.md."""
    lines = [
        "# Error codes / 错误码",
        "",
        "Every error has a stable code, says who must act, and what to do. This page is generated (`python -m hub.reference`).",
        "",
        "Every command ends with one of these exit codes:",
        "",
        "| exit code | meaning | 含义 |",
        "|---|---|---|",
        *(f"| {code} | {en} | {zh} |" for code, en, zh in EXIT_CODES),
        "",
        "| code | who must act / 责任方 | what happened / 情况 | remedy / 处理办法 |",
        "|---|---|---|---|",
    ]
    for error in every_error():
        happened = f"{_cell(error.en)}<br>{_cell(error.zh)}"
        remedy = f"{_cell(error.remedy_en)}<br>{_cell(error.remedy_zh)}"
        lines.append(f"| `{error.code}` | {_SIDES[error.side]} | {happened} | {remedy} |")
    return "\n".join(lines) + "\n"


PAGES = {"settings.md": settings_page, "errors.md": errors_page}


def main() -> int:
    """Writes the pages."""
    for name, make in PAGES.items():
        (ROOT / "docs" / name).write_text(make(), encoding="utf-8")
    return 0


def _relative(value: object) -> str:
    """A default as shown: paths relative to the checkout, so that the page is the same on every machine."""
    if isinstance(value, Path):
        for base, shown in ((ROOT, ""), (ROOT.parent, "../")):
            if value.is_relative_to(base):
                return f"`{shown}{value.relative_to(base)}`"
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
