"""The hub's key for HMACs of refused and masked content: from HUB_HMAC_KEY, else made once in the run directory."""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from pathlib import Path

from hub.errors import SettingInvalid
from hub.said import Said
from hub.settings import settings

_BYTES = 32


def hmac_key() -> bytes:
    """The key. Two hubs with one key would make comparable traces, so it is never shared.

    Raises SettingInvalid where HUB_HMAC_KEY is not hex or too short.
    """
    given = settings().hmac_key
    text = given.get_secret_value() if given is not None else _made(settings().var / "secrets" / "hub-hmac-key")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < _BYTES:
        raise SettingInvalid(
            setting="HUB_HMAC_KEY",
            reason=Said(f"it is not hex text of {_BYTES} bytes or more", f"不是至少 {_BYTES} 字节的十六进制文本"),
        )
    return key


@lru_cache(maxsize=8)
def _made(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A link fails where the name is taken: of two processes that start at once both use the first one's key.
            path.hardlink_to(beside)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return path.read_text(encoding="ascii").strip()
