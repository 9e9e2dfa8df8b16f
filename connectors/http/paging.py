"""How an API gives its records page by page, as a contract says it, and the guard against pages that never end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from connectors.errors import PagingLoop, ResponseInvalid
from connectors.http.address import followed, shown
from connectors.http.client import Answer
from connectors.options import Options
from connectors.places import Place
from hub.said import Said

Param = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\s&=#?]+$")]
Size = Annotated[int, Field(ge=1, le=100_000)]
_LINK = re.compile(r'<([^<>]*)>((?:\s*;\s*[\w!#$&+\-.^`|~*]+\s*=?\s*(?:"[^"]*"|[^",;\s]*))*)')
_REL = re.compile(r';\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]+))', re.IGNORECASE)


class Paging(Options):
    """Styles: none, page (number), offset, cursor (token in the body), next_url (link in the body), link (RFC 8288)."""

    style: Literal["none", "page", "offset", "cursor", "next_url", "link"] = "none"
    param: Param | None = Field(None, description="Query parameter; default: page, offset, cursor by style.")
    start: int | None = Field(
        None, ge=0, description="First page number (default 1), or number of the first record by offset (default 0)."
    )
    size_param: Param | None = Field(None, description="Query parameter of the page's size.")
    size: Size | None = Field(None, description="Records of a page.")
    next: str = Field("next", min_length=1, max_length=200, description="Dotted path of the next token or link.")
    max_pages: int = Field(100_000, ge=1, le=10_000_000, description="Pages after which something is wrong.")


@dataclass(frozen=True, slots=True)
class Step:
    """One page to ask for."""

    url: str
    params: Mapping[str, str]


class Walk:
    """The pages of one pull, in order."""

    def __init__(self, place: Place, paging: Paging, first: Step) -> None:
        self._place, self._paging, self._first = place, paging, first
        self._pages = self._records = 0
        self._start = paging.start if paging.start is not None else int(paging.style == "page")
        self._seen: set[str] = set()
        self._bodies: set[bytes] = set()

    def first(self) -> Step:
        """The first page, with the style's parameters."""
        said = self._paging
        params = dict(self._first.params)
        if said.size is not None and (said.size_param or said.style == "offset"):
            params[said.size_param or "limit"] = str(said.size)
        if said.style == "page":
            params[said.param or "page"] = str(self._start)
        elif said.style == "offset":
            params[said.param or "offset"] = str(self._start)
        return Step(self._first.url, params)

    def following(self, step: Step, answer: Answer, document: Any, count: int) -> Step | None:
        """The page after this one, or None at the end. Raises PagingLoop, HttpElsewhere, ResponseInvalid."""
        said = self._paging
        self._pages += 1
        self._records += count
        self._refuse_repetition(answer, count)
        # A server may give fewer records than asked for on any page: only an empty page ends pages and offsets.
        if said.style == "page" and count:
            return Step(step.url, {**step.params, said.param or "page": str(self._start + self._pages)})
        if said.style == "offset" and count:
            return Step(step.url, {**step.params, said.param or "offset": str(self._start + self._records)})
        if said.style == "cursor":
            token = self._token(answer, document)
            return Step(step.url, {**step.params, said.param or "cursor": token}) if token is not None else None
        if said.style in ("next_url", "link"):
            link = self._token(answer, document) if said.style == "next_url" else _next_link(answer)
            return Step(followed(self._place, answer.url, self._new(answer, link)), {}) if link is not None else None
        return None

    def _token(self, answer: Answer, document: Any) -> str | None:
        found = at_path(document, self._paging.next)
        if found is None or found is False or found == "":
            return None
        if not isinstance(found, str):
            raise ResponseInvalid(
                url=shown(answer.url),
                reason=Said(f"`{self._paging.next}` is neither text nor null", f"`{self._paging.next}` 既非文本也非空"),
            )
        return self._new(answer, found) if self._paging.style == "cursor" else found

    def _new(self, answer: Answer, token: str) -> str:
        if token in self._seen or len(token) > 8_000:
            raise PagingLoop(
                url=shown(answer.url),
                reason=Said("its next page is one that was already read, or endless", "下一页已读过，或没有尽头"),
            )
        self._seen.add(token)
        return token

    def _refuse_repetition(self, answer: Answer, count: int) -> None:
        if self._pages > self._paging.max_pages:
            raise PagingLoop(
                url=shown(answer.url),
                reason=Said(
                    f"more than {self._paging.max_pages} pages (`max_pages`)",
                    f"超过 {self._paging.max_pages} 页（`max_pages`）",
                ),
            )
        digest = hashlib.sha256(answer.body).digest()
        if count and digest in self._bodies:
            raise PagingLoop(
                url=shown(answer.url),
                reason=Said(f"page {self._pages} repeats an earlier one", f"第 {self._pages} 页与之前的页重复"),
            )
        self._bodies.add(digest)


def at_path(document: Any, path: str) -> Any:
    """The value under a dotted path of object members; None where a step is missing. "" is the document."""
    for part in path.split(".") if path else ():
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _next_link(answer: Answer) -> str | None:
    """The target of rel=next in the Link header (RFC 8288)."""
    for target, params in _LINK.findall(answer.headers.get("link", "")[:64_000]):
        rel = _REL.search(params)
        if rel and "next" in (rel[1] or rel[2] or "").lower().split():
            return str(target)
    return None
