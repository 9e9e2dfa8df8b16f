"""From a sample to a contract on disk that was tried: the sample went through its own gate and checks."""

from __future__ import annotations

import re
import secrets
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from connectors.registry import open_file, option_problems
from connectors.sample.reading import Asked, Sample, read_sample
from contracts import codes, reader
from contracts.checks.checker import Checker
from contracts.checks.duplicates import CONFLICT, DuplicateFinder
from contracts.gate.inspect import Gate
from contracts.lint.names import MAX_NAME, SNAKE
from contracts.model import SUFFIX, FeedContract, SourceSpec
from contracts.sample.errors import FeedNameTaken, FeedNameWrong
from contracts.sample.guess import Guessed, guess
from contracts.sample.writing import Identity, SourceFacts, document
from hub import clock
from hub.said import Said
from hub.settings import settings


@dataclass(slots=True)
class Tried:
    """What became of the sample's rows under the new contract."""

    rows: int = 0
    good: int = 0
    refused: int = 0  # by the gate
    masked: int = 0  # values
    broken: Counter[str] = field(default_factory=Counter)  # rule -> rows; warnings too


@dataclass(frozen=True, slots=True)
class Made:
    """A contract that was written."""

    path: Path
    contract: FeedContract
    sample: Sample
    guessed: Guessed
    tried: Tried


def make(file: Path, own: Identity, *, place: str | None, asked: Asked) -> Made:
    """Writes the contract of a new feed from a sample, after trying it.

    Raises FeedNameWrong, FeedNameTaken, SampleUnreadable, SampleUnusable, and ContractInvalid where what was guessed
    does not pass the lint: nothing is written then.
    """
    root = settings().contracts
    path = _place(root, own)
    sample = read_sample(file, asked)
    guessed = guess(sample.table, root)
    source = _source(sample, own, place, file.suffix.lower())
    text = document(guessed, source, own, sample.sha256)
    with tempfile.TemporaryDirectory(prefix="hub-new-") as folder:
        draft = Path(folder, own.domain, path.name)
        draft.parent.mkdir()
        draft.write_text(text, encoding="utf-8")
        contract = reader.read(draft, root=root, extra_checks=[_options])
    tried = _try(contract, file)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as out:
        out.write(text)
    return Made(path, replace(contract, path=path.relative_to(root).as_posix()), sample, guessed, tried)


def _place(root: Path, own: Identity) -> Path:
    def wrong(reason: Said) -> FeedNameWrong:
        return FeedNameWrong(feed=own.feed[:80], domain=own.domain[:80], reason=reason)

    if not SNAKE.fullmatch(own.domain):
        raise wrong(Said("the domain is one word in lower case, such as audit", "领域须为一个小写单词，如 audit"))
    if not SNAKE.fullmatch(own.feed) or len(own.feed) > MAX_NAME:
        raise wrong(Said("it is no snake_case of at most 60 characters", "须为不超过 60 字符的小写下划线命名"))
    if not own.feed.startswith(f"{own.domain}_"):
        raise wrong(Said(f"it does not begin with {own.domain}_", f"须以 {own.domain}_ 开头"))
    if not re.fullmatch(r"[a-z][a-z0-9_]*", own.owner):
        raise wrong(
            Said(
                "the owner is an agency's id in snake_case, or `public`", "owner 须为小写下划线的机构标识，或 `public`"
            )
        )
    for path in root.glob(f"feeds/*/{own.feed}{SUFFIX}"):
        raise FeedNameTaken(feed=own.feed, path=path.relative_to(root).as_posix())
    return root / "feeds" / own.domain / f"{own.feed}{SUFFIX}"


def _source(sample: Sample, own: Identity, place: str | None, ending: str) -> SourceFacts:
    """Where the feed will come from: a drop folder, or an API."""
    options: dict[str, Any] = dict(sample.options)
    notes = list(sample.notes)
    if sample.connector == "file_drop":
        options = {"glob": f"{own.feed}/*{ending}", **options}
        where = place or f"{own.owner}_drop"
        notes.append(f"files are looked for under the place {where}; list it in the file that HUB_PLACES names")
    else:
        where = place or f"{own.owner}_api"
        notes.append(f"the API is the place {where}; list it with its base_url in the file that HUB_PLACES names")
    return SourceFacts(sample.connector, where, f"{own.owner}_{sample.form}", sample.form, options, tuple(notes))


def _options(source: SourceSpec) -> Sequence[str]:
    return option_problems(source.connector, source.options)


def _try(contract: FeedContract, file: Path) -> Tried:
    """The sample through the connector, the gate and the checks of the contract, as a run will do it."""
    (source,) = contract.sources
    gate = Gate(contract, source, level=settings().level, hmac_key=secrets.token_bytes(32))
    checker = Checker(contract, source, codes=codes.load, references=None, today=clock.today())
    finder, rows = DuplicateFinder(), {}
    tried = Tried()
    delivery = open_file(contract, source, file, settings().page_rows)
    try:
        for page in delivery.pages():
            gated = gate.inspect(page)
            if gated.delivery_refused is not None:
                tried.broken[gated.delivery_refused.rule] += 1
                continue
            checked = checker.check(gated.page)
            tried.rows += page.rows_in
            tried.good += checked.good.num_rows
            tried.refused += len(gated.refusals)
            tried.masked += len(gated.maskings)
            tried.broken.update({str(rule): count for rule, count in checked.metrics.broken.items()})
            keys, hashes = (checked.good.column(name).combine_chunks() for name in ("_key", "_hash"))
            rows[checked.ordinal] = keys, hashes
            finder.feed(checked.ordinal, keys)
    finally:
        delivery.close()
    found = finder.finish(rows.__getitem__)
    if found.conflicting_rows:
        tried.broken[CONFLICT] += found.conflicting_rows
        tried.good -= found.conflicting_rows
    return tried
