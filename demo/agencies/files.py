"""Files of the agencies: each appears whole, and one whose content did not change is left as it lies, age and all."""

from __future__ import annotations

from collections.abc import Callable
from filecmp import cmp
from pathlib import Path


def put(path: Path, write: Callable[[Path], None]) -> None:
    """Lets `write` make the file beside its place and moves it there, unless the same content lies there already."""
    part = path.with_name(f".{path.name}.part")
    write(part)
    if path.exists() and cmp(part, path, shallow=False):
        part.unlink()
    else:
        part.replace(path)


def keep_only(folder: Path, *keep: Path) -> None:
    """Takes every other file out of the folder: what an earlier size or seed left."""
    for path in folder.iterdir():
        if path.is_file() and path not in keep:
            path.unlink()
