"""What `hub doctor` looks at here: whether the contracts on disk can be read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from contracts import catalogue
from hub.checked import Check, remedy_of
from hub.said import Said
from hub.settings import Settings


def look(now: Settings) -> Iterator[Check]:
    """How many feeds there are, and each contract that is broken. Changes nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        # A copy of the cache: loading renews it, and a doctor changes nothing.
        cache = Path(scratch) / "contracts"
        with suppress(OSError, shutil.Error):
            shutil.copytree(now.var / "cache" / "contracts", cache)
        on_disk = catalogue.load(now.contracts, cache)
    found, broken = len(on_disk.feeds), list(on_disk.broken)
    put = Said(f"put contracts into {now.contracts}/feeds", f"请将数据契约放入 {now.contracts}/feeds")
    remedy = "" if found or broken else put
    yield Check("contracts", "catalogue", "warn" if remedy else "ok", f"{found} feeds, {len(broken)} broken", remedy)
    for one in broken:
        yield Check("contracts", str(one.id), "fail", one.error.sentence()[:600], remedy_of(one.error))
