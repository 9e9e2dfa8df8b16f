"""`hub contract …` called as a person calls it, whichever packages its sub-commands lie in."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.cli import commands_on_disk, shell
from hub.settings import Settings


def contract(*words: str) -> Any:
    """What `hub contract WORDS` does; an error of the hub stands in `exception`."""
    return CliRunner().invoke(shell, ["contract", *words], env={"COLUMNS": "200"})


def settings_are(monkeypatch: pytest.MonkeyPatch, now: Settings) -> None:
    """Every part of `hub contract` takes these settings."""
    command: Any = commands_on_disk()["contract"]
    for name in ("contracts.commands.changes.gating", command.module, *command.more):
        if hasattr(import_module(name), "settings"):
            monkeypatch.setattr(f"{name}.settings", lambda: now)
    monkeypatch.setattr("hub.settings.settings", lambda: now)
