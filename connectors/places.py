"""Places: the hosts and roots that connectors may reach, listed by the operator, with the secrets bound to each.

A contract names a place's id and nothing else of it. The list is a TOML file (docs/places.md) that holds no secret:
it names the environment variable or the file (mode 0600) where each lies. Secrets are read when they are used.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from connectors.errors import PlacesUnreadable, SecretUnreadable
from contracts.model import FeedContract
from hub.ids import PlaceId
from hub.said import Said, joined
from hub.settings import settings
from hub.valuewords import value_problems

MAX_LIST_BYTES = 1024 * 1024
MAX_SECRET_BYTES = 64 * 1024

Word = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Entry(BaseModel):
    # Values of the list never stand in an error: someone may have written a secret where its name belongs.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class OAuth2(_Entry):
    """OAuth 2 client credentials of a place (RFC 6749 §4.4)."""

    token_url: Word  # on the place's host or on one of its own: it is listed by standing here
    client_id: Word
    client_secret_env: Variable | None = None
    client_secret_file: Path | None = None
    scope: Word | None = None
    auth: Literal["basic", "post"] = "basic"  # how the client shows its secret: header or form


class Place(_Entry):
    """A host or root that connectors may reach. Made by `load_places`."""

    id: PlaceId
    host: Word | None = None  # SQL: host name or address
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    dialect: Annotated[str, Field(pattern=r"^[a-z0-9_]+(\+[a-z0-9_]+)?$")] | None = None  # e.g. postgresql+psycopg
    database: Word | None = None  # SQL: database; with `root`: the SQLite file under it
    base_url: Word | None = None  # HTTP: https://host[:port][/path]
    root: Path | None = None  # files: folder
    user: Word | None = None
    password_env: Variable | None = None
    password_file: Path | None = None
    token_env: Variable | None = None  # HTTP: bearer token that doesn't change
    token_file: Path | None = None
    oauth2: OAuth2 | None = None
    tls_ca: Path | None = None  # PEM of the authority that signs the place's certificate
    vouched_read_only: bool = False  # the operator vouches for a role that the hub can't examine itself

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [name for name in ("host", "base_url", "root") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise ValueError(
                Said("a place has exactly one of host, base_url, root", "来源地须且只能有 host、base_url、root 之一")
            )
        for url in (self.base_url, self.oauth2.token_url if self.oauth2 else None):
            if url is not None:
                _check_url(url)
        if self.root is not None and not self.root.is_absolute():
            raise ValueError(Said("root is not absolute", "root 不是绝对路径"))
        for first, second in (("password_env", "password_file"), ("token_env", "token_file")):
            if getattr(self, first) and getattr(self, second):
                raise ValueError(Said(f"{first} and {second} exclude each other", f"{first} 与 {second} 不得并用"))
        if self.oauth2 and (self.token_env or self.token_file or self.user):
            raise ValueError(Said("oauth2 excludes token and user", "oauth2 不得与 token、user 并用"))
        return self

    def password(self) -> SecretStr | None:
        """The password, read now. Raises SecretUnreadable; None where none is named."""
        return self._secret("password", self.password_env, self.password_file)

    def token(self) -> SecretStr | None:
        """The bearer token, read now. Raises SecretUnreadable; None where none is named."""
        return self._secret("token", self.token_env, self.token_file)

    def client_secret(self) -> SecretStr:
        """The OAuth 2 client's secret, read now. Raises SecretUnreadable."""
        oauth2 = self.oauth2
        found = oauth2 and self._secret("client secret", oauth2.client_secret_env, oauth2.client_secret_file)
        if not found:
            raise SecretUnreadable(
                place=self.id, what=Said("client secret", "客户端密钥"), reason=Said("none is named", "没有写明")
            )
        return found

    def _secret(self, what: str, variable: str | None, path: Path | None) -> SecretStr | None:
        if variable is not None:
            value = os.environ.get(variable)
            if not value:
                raise SecretUnreadable(
                    place=self.id,
                    what=what,
                    reason=Said(f"the variable {variable} is not set", f"未设置环境变量 {variable}"),
                )
            return SecretStr(value)
        return SecretStr(_read_secret(self.id, what, path)) if path is not None else None


def load_places(path: Path) -> dict[PlaceId, Place]:
    """Reads the operator's list. Relative paths in it count from its folder. Raises PlacesUnreadable."""
    try:
        if path.stat().st_size > MAX_LIST_BYTES:
            raise PlacesUnreadable(
                path=str(path), reason=Said(f"it is larger than {MAX_LIST_BYTES} bytes", f"超过 {MAX_LIST_BYTES} 字节")
            )
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        # A TOML error quotes a position, never a value; OSError quotes the path.
        raise PlacesUnreadable(path=str(path), reason=str(error)) from None
    unknown = sorted(set(document) - {"places"})
    entries = document.get("places", {})
    if unknown or not isinstance(entries, dict):
        raise PlacesUnreadable(
            path=str(path),
            reason=Said(
                f"unknown keys {unknown}; places stand as [places.<id>]",
                f"未知的键 {unknown}；来源地应写作 [places.<标识>]",
            ),
        )
    return {PlaceId(key): _place(path, key, entry) for key, entry in entries.items()}


def listed_places() -> dict[PlaceId, Place]:
    """The places that HUB_PLACES lists; none where it is not set. Raises PlacesUnreadable."""
    path = settings().places
    return load_places(path) if path is not None else {}


def unlisted(contract: FeedContract, known: Mapping[PlaceId, Place]) -> tuple[str, ...]:
    """The places of a feed's sources that are not in the operator's list: nothing of them is pulled."""
    return tuple(dict.fromkeys(one.place for one in contract.sources if one.place not in known and not one.pushed))


def by_hand_only(contract: FeedContract, known: Mapping[PlaceId, Place]) -> bool:
    """Whether none of a feed's places is listed: a file may be given by hand, and no schedule of it can be kept."""
    if any(source.pushed for source in contract.sources):
        return False
    return len(unlisted(contract, known)) == len({source.place for source in contract.sources})


def _place(path: Path, key: str, entry: Any) -> Place:
    if not isinstance(entry, dict) or "id" in entry:
        raise PlacesUnreadable(
            path=str(path),
            reason=Said(
                f"[places.{key}] is no table of settings, or repeats its id",
                f"[places.{key}] 不是配置表，或重复写了标识",
            ),
        )
    try:
        return Place(id=PlaceId(key), **_absolute(path.parent.absolute(), entry))
    except ValidationError as error:
        found = joined(value_problems(error, Place))
        reason = Said(f"[places.{key}] {found}", f"[places.{key}] {found.zh}")
        raise PlacesUnreadable(path=str(path), reason=reason) from None


def _absolute(folder: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry with its paths made absolute."""
    out: dict[str, Any] = {}
    for name, value in entry.items():
        if isinstance(value, dict):
            out[name] = _absolute(folder, value)
        elif isinstance(value, str) and (name in {"root", "tls_ca"} or name.endswith("_file")):
            out[name] = str(folder / value)
        else:
            out[name] = value
    return out


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(
            Said(
                "a URL begins with https:// (or http://) and names a host",
                "URL 须以 https://（或 http://）开头并写明主机",
            )
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(Said("a URL holds no credentials, query or fragment", "URL 不得含凭证、查询或片段"))


def _read_secret(place: str, what: str, path: Path) -> str:
    """A secret file's text, without its last line break."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SecretUnreadable(place=place, what=what, reason=f"{path}: {error.strerror}") from None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_mode & 0o077 or facts.st_uid not in {os.geteuid(), 0}:
            raise SecretUnreadable(
                place=place,
                what=what,
                reason=Said(
                    f"{path} is not a file of ours that no one else may read", f"{path} 不是仅本用户可读的自有文件"
                ),
            )
        content = file.read(MAX_SECRET_BYTES + 1)
    try:
        text = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        text = ""
    if not text or len(content) > MAX_SECRET_BYTES:
        raise SecretUnreadable(
            place=place,
            what=what,
            reason=Said(f"{path} is empty, too large or not UTF-8", f"{path} 为空、过大或不是 UTF-8"),
        )
    return text
