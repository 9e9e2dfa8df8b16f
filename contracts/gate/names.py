"""Names that come with a delivery and are not its rows: of the file, the sheet, the columns, and what an error quotes.

Nobody asks for numbers there, so every detector of the contract searches them whatever fields its rule names, and a
citizen number is looked for in any case: a file that came without its header row gives its first record as headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from contracts.checks.headers import HeaderMap
from contracts.gate.finding import masked, spans
from contracts.gate.marks import Marks
from contracts.gate.registry import KINDS, NAME_RULE
from contracts.header_form import header_form
from contracts.model import GateRule
from hub.errors import HubException
from hub.ids import RuleId
from hub.said import Said

WITHHELD = "(withheld)"
"""Stands for a name or a fact that may not be told at all."""

_REFUSING = frozenset({"refuse_row", "refuse_delivery"})  # a name stands on the delivery: refusing it refuses that
_ALWAYS = GateRule(NAME_RULE, "personal_data", "mask", (), {"detect": ["citizen_number"]})
_PARTS = re.compile(r"[,;:'\"\u201c\u201d\u2018\u2019\u3001\uff0c\uff1b\uff1a]\s*")

_Error = TypeVar("_Error", bound=HubException)


class Names:
    """What a contract's gate says of names. `marks` are those of its secrecy rules."""

    def __init__(self, rules: Iterable[GateRule], marks: Mapping[RuleId, Marks], headers: HeaderMap) -> None:
        self._marks = marks
        self._headers = headers
        searching = [*(rule for rule in rules if rule.kind == "personal_data"), _ALWAYS]
        self._personal = [(rule, tuple(KINDS["personal_data"].arg(rule.args, "detect"))) for rule in searching]

    def refuses(self, name: str) -> RuleId | None:
        """The rule for which a delivery of that name, or with a sheet of that name, is refused."""
        marked = self._marked(name)
        if marked is not None:
            return marked
        return next(
            (rule.id for rule, detect in self._personal if rule.action in _REFUSING and spans(name, detect)), None
        )

    def refuses_header(self, header: str) -> RuleId | None:
        """The rule for which a delivery with that column is refused; what the contract itself names is no find."""
        marked = self._marked(header)
        if marked is not None:
            return marked
        if self._headers.field_of(header) is not None or self._headers.ignored(header):
            return None
        form = header_form(header)
        for rule, detect in self._personal:
            spared = form in {header_form(name) for name in rule.args.get("except", ())}
            if not spared and spans(header, detect):
                return rule.id
        return None

    def shown(self, name: str) -> tuple[str, GateRule | None]:
        """The name as it may be stored, and the rule that changed it."""
        by: GateRule | None = None
        for rule, detect in self._personal:
            found = spans(name, detect)
            if found:
                name = WITHHELD if rule.action == "drop_field" else masked(name, found)
                by = by or rule
        return name, by

    def facts(self, value: Any) -> Any:
        """A fact, or facts within lists and mappings, as they may be told: without marks, numbers masked."""
        if isinstance(value, Said):
            return Said(self.facts(str(value)), self.facts(value.zh))
        if isinstance(value, str):
            text = str(value)
            return WITHHELD if any(self._marked(part) for part in (text, *_PARTS.split(text))) else self.shown(text)[0]
        if isinstance(value, Mapping):
            return {self.facts(key): self.facts(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return type(value)(self.facts(item) for item in value)
        return value

    def told(self, error: _Error) -> _Error:
        """The error with facts that may be told; itself where that changes nothing."""
        facts = self.facts(error.facts)
        return error if facts == error.facts else type(error)(**facts)

    def _marked(self, name: str) -> RuleId | None:
        return next((rule for rule, marks in self._marks.items() if marks.on_name(name)), None)
