"""Addresses: everything requested lies on the place's own scheme, host and port."""

from __future__ import annotations

from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from connectors.errors import HttpElsewhere, PlaceIncomplete
from connectors.places import Place
from hub.said import Said

_PORTS = {"http": 80, "https": 443}


def path_problem(path: str) -> str | None:
    """What is wrong with a contract's path, or None."""
    # As a server behind a proxy may read it, however often it is decoded on the way.
    while (decoded := unquote(path)) != path:
        path = decoded
    if not path.startswith("/") or path.startswith("//"):
        return Said("a path begins with one /", "路径须以一个 / 开头")
    if any(mark in path for mark in "?#\\") or any(ord(letter) <= 32 or ord(letter) == 127 for letter in path):
        return Said("a path has no query, fragment, backslash or blank", "路径不得含查询、片段、反斜杠或空白")
    if ";" in path:  # some servers cut a part at it: `..;` is `..` to them
        return Said("a path has no `;`", "路径不得含 `;`")
    return Said("a path has no `..`", "路径不得含 `..`") if ".." in path.split("/") else None


def address_of(place: Place, connector: str, path: str) -> str:
    """The URL of a contract's path under the place's base. Raises PlaceIncomplete."""
    if place.base_url is None:
        raise PlaceIncomplete(
            place=place.id, connector=connector, reason=Said("it has no `base_url`", "没有 `base_url`")
        )
    return place.base_url.rstrip("/") + path


def followed(place: Place, current: str, link: str) -> str:
    """A link found at `current`, absolute. Raises HttpElsewhere where it leads to another scheme, host or port."""
    try:
        target = urljoin(current, link)
        parts = urlsplit(target)
        same = _origin(target) == _origin(current) and not parts.username and not parts.password
    except ValueError:
        same, parts = False, urlsplit("")
    if not same:
        raise HttpElsewhere(url=shown(current), target=parts.hostname or "nowhere", place=place.id)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, ""))


def shown(url: str) -> str:
    """A URL for errors and logs: without query, which may carry personal values."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme, 0)
