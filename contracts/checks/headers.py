"""Which delivered column is which field: case, spaces, width and byte order marks don't matter, ambiguity does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from contracts.checks.errors import AmbiguousColumns, HeaderClaimedTwice, MissingColumns, UnexpectedColumns
from contracts.header_form import header_form
from contracts.model import FeedContract, SourceSpec

RESERVED = frozenset({"_action", "_problems"})  # columns that connectors add: what is done to a record, what is odd


class HeaderMap:
    """The headers that a contract and one of its sources know."""

    def __init__(self, contract: FeedContract, source: SourceSpec) -> None:
        self.feed = contract.id
        self._fields: dict[str, str] = {}
        self._must = {spec.name: spec for spec in contract.fields if spec.required}
        for name in (*contract.key, contract.subject):
            self._must[name] = contract.field(name)
        for name in source.constants:
            self._must.pop(name, None)
        own: dict[str, str] = {}
        for spec in contract.fields:
            self._claim(own, spec.name, [spec.source_name or spec.name, *spec.aliases])
        here: dict[str, str] = {}
        for name, headers in source.aliases.items():
            self._claim(here, name, headers)
        # A field's own name is understood too, unless it is another field's header.
        names = {header_form(spec.name): spec.name for spec in contract.fields}
        self._fields = names | own | here
        self._ignored = {header_form(header) for header in (*contract.ignored, *source.ignored)}

    def _claim(self, table: dict[str, str], field: str, headers: Iterable[str]) -> None:
        for header in headers:
            other = table.setdefault(header_form(header), field)
            if other != field:
                raise HeaderClaimedTwice(feed=self.feed, header=header, fields=f"{other}, {field}")

    def field_of(self, header: str) -> str | None:
        """The field that comes under a header, or None."""
        return self._fields.get(header_form(header))

    def ignored(self, header: str) -> bool:
        """Whether the contract or the source lists the header as known and not taken."""
        return header_form(header) in self._ignored

    def align(self, headers: Sequence[str], *, unit: str, empty: Iterable[int] = ()) -> dict[str, int]:
        """Field -> position of its column.

        `empty` are positions of columns without any value: one that has no header either is nothing and passed
        over. A connector's own columns (`RESERVED`) are left to the caller; any other underscore is a header like any.
        Raises UnexpectedColumns, MissingColumns, AmbiguousColumns.
        """
        found: dict[str, int] = {}
        strange: list[str] = []
        nothing = set(empty)
        for position, header in enumerate(headers):
            if header in RESERVED or (not header_form(header) and position in nothing):
                continue
            field = self.field_of(header)
            if field is not None and not self.ignored(header):
                if field in found:
                    both = f"{headers[found[field]]!r}, {header!r}"
                    raise AmbiguousColumns(feed=self.feed, unit=unit, field=field, columns=both)
                found[field] = position
            elif not self.ignored(header):
                strange.append(
                    repr(_short(header)) if header_form(header) else f"column {position + 1} without a header"
                )
        if strange:
            raise UnexpectedColumns(feed=self.feed, unit=unit, columns=", ".join(strange[:20]))
        missing = [f"{spec.source_name or name}" for name, spec in self._must.items() if name not in found]
        if missing:
            delivered = ", ".join(_short(header) for header in headers[:60])
            raise MissingColumns(feed=self.feed, unit=unit, columns=", ".join(missing), delivered=delivered)
        return found


def _short(header: str) -> str:
    return header if len(header) <= 60 else header[:57] + "..."
