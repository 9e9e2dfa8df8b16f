"""The file `hub.env` of a run directory: the `HUB_*` settings of what runs, for every command and task that starts later.

There only while the stack runs. What was exported wins over it (`hub.settings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from hub.stack.layout import Layout, write_private


def publish(var: Path, values: Mapping[str, str]) -> None:
    """Adds settings to the file, or replaces them, mode 0600; two writers don't undo each other."""
    layout = Layout.of(var)
    if not values:
        return
    with FileLock(layout.env_lock):
        told = {**published(layout), **values}
        write_private(layout.env_file, "".join(f"{key}={value}\n" for key, value in told.items()))


def published(layout: Layout) -> dict[str, str]:
    """What the file says; empty where there is none."""
    if not layout.env_file.exists():
        return {}
    lines = layout.env_file.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
