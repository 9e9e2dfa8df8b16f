"""Files put into a drop folder, and the names under which they come out of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from connectors.base import Window
from tests.connectors.making import contract, folder, opened

CSV = b"id,name,amount\n1,a,2\n"


def names(root: Path, window: Window | None = None, **options: Any) -> list[str]:
    spec = contract(options={"glob": "*.csv", "stable_seconds": 0, **options})
    return [delivery.name for delivery in opened(spec, folder(root)).deliveries(window or Window())]


def put(path: Path, data: bytes = CSV, mtime: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path
