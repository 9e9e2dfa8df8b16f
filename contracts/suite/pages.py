"""Data Docs that need no outside address: Great Expectations' own pages, cleaned, with a style sheet of our own.

Most batches break nothing, and of those a list says so: a page each, which says it at length, would be 13 GB a day where 200
batches come in a minute. The lists are bounded, and so are the pages, since one that no list names goes.

Its pages load scripts, styles, fonts and images from eight outside hosts and write values into HTML unescaped. Here
every page goes through an allow-list of tags and attributes; what it can't vouch for is dropped.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from lxml import html as lxml_html

from contracts.suite.summary import word
from hub import clock

STYLE = Path(__file__).with_name("docs.css")
INDEX_ROWS = 1_000
"""Batches with a page that a feed's list names; the page of an older one goes."""
CLEAN_ROWS = 100
"""Batches without one; they crowd out none that has."""
LATEST = "latest.json"
"""What the index says of a feed; beside its pages, so that the index of many feeds reads few bytes of each."""

_DROPPED = {
    "script",
    "link",
    "meta",
    "iframe",
    "object",
    "embed",
    "form",
    "img",
    "svg",
    "style",
    "noscript",
    "base",
    "nav",
    "footer",
    "button",
    "input",
    "title",
    "canvas",
    "video",
    "audio",
    "template",
}
_KEPT_ATTRIBUTES = {"id", "class", "colspan", "rowspan", "title"}
_INSTANT = re.compile(r"\d{4}-?\d\d-?\d\dT\d\d:?\d\d:?\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_ZONE = " ".join(clock.ZONE)


def page_of(docs_dir: Path, feed: str, batch_id: str) -> Path:
    """Where the page of a batch stands."""
    return docs_dir / feed / f"{batch_id}.html"


def write_pages(
    docs_dir: Path, feed: Mapping[str, str], batch: Mapping[str, str], told: str | None, rendered: str | None
) -> None:
    """Writes a batch's page and the indexes.

    `feed` has id, zh, en; `batch` has id, at (RFC 3339) and verdict (passed, failed, held); `told` is the page's own part
    (`contracts.suite.summary`), None for a batch that needs no page; `rendered` a page as Great Expectations rendered it, shown
    folded below. Written whole and then renamed, so that a reader never sees half a page.
    """
    folder = docs_dir / feed["id"]
    folder.mkdir(parents=True, exist_ok=True)
    _write(docs_dir / "docs.css", STYLE.read_text(encoding="utf-8"))
    title = f"{feed['zh']} · {feed['en']}"
    target = page_of(docs_dir, feed["id"], batch["id"])
    if told is None:
        target.unlink(missing_ok=True)  # it broke something when it was judged before
    else:
        _write(target, _page(title, batch, told, rendered))
    entries = _note(folder, {"batch": batch["id"], "at": batch["at"], "verdict": batch["verdict"]})
    _write(folder / "index.html", _whole(title, _batches(folder, entries), up="../"))
    latest = max(entries, key=lambda one: one["at"])
    _write(folder / LATEST, json.dumps({**latest, "zh": feed["zh"], "en": feed["en"]}, ensure_ascii=False))
    _write(docs_dir / "index.html", _whole("批次检查 · Batch checks", _feeds(docs_dir), up=""))


def _page(title: str, batch: Mapping[str, str], told: str, rendered: str | None) -> str:
    back = '<p><a href="index.html">← 全部批次 all batches</a></p>'
    verdict = html.escape(batch["verdict"])
    name = f'<span class="key">{html.escape(batch["id"])}</span>'
    facts = (
        f'<p>{name} · {_time(batch["at"])} {_ZONE} · <b class="{verdict}">{html.escape(word(batch["verdict"]))}</b></p>'
    )
    below = (
        "<details><summary>批次规则在 Great Expectations 中的结果 the batch rules' result in Great Expectations</summary>"
        f'<section class="wide">{cleaned(rendered)}</section></details>'
        if rendered
        else ""
    )
    return _whole(title, f"{back}{facts}{told}{below}", up="../")


def _controls(body: lxml_html.HtmlElement) -> Iterator[lxml_html.HtmlElement]:
    """What is of no use without the scripts: filters, the list of contents, links that unfold; and heads without words."""
    for element in body.iter():
        if isinstance(element.tag, str):
            unfolds = "collapse" in (element.get("data-toggle"), element.get("data-bs-toggle"))
            empty = element.tag == "thead" and not element.text_content().strip()
            if unfolds or empty or "sticky" in (element.get("class") or "").split():
                yield element


def cleaned(page: str) -> str:
    """The body of a page with nothing in it that runs, loads or leads outside."""
    body = lxml_html.document_fromstring(page).find("body")
    if body is None:
        return ""
    for element in list(_controls(body)):
        element.drop_tree()
    for element in list(body.iter()):
        if not isinstance(element.tag, str):
            element.drop_tree()  # comments and processing instructions
        elif element.tag in _DROPPED:
            element.drop_tree()
        elif element.tag == "a":
            element.drop_tag()  # its text stays; all of its targets are outside or need scripts
    for element in body.iter():
        for name in list(element.attrib):
            if name not in _KEPT_ATTRIBUTES:
                del element.attrib[name]
        # Its times are UTC; the page around it shows Beijing's.
        element.text, element.tail = _in_zone(element.text), _in_zone(element.tail)
    inner = html.escape(body.text or "")
    return inner + "".join(lxml_html.tostring(child, encoding="unicode") for child in body)


def _in_zone(text: str | None) -> str | None:
    return text and _INSTANT.sub(lambda found: f"{_shown(found[0])} {_ZONE}", text)


def _shown(at: str) -> str:
    """An instant (RFC 3339) as all pages show it; what is none, as it stands."""
    try:
        return clock.shown(datetime.fromisoformat(at))
    except ValueError:
        return at


def _time(at: str) -> str:
    return f'<span class="name">{html.escape(_shown(at))}</span>'


def _note(folder: Path, entry: Mapping[str, str]) -> list[Mapping[str, str]]:
    """Adds a batch to the list of the newest ones, and gives it; pages of those that leave it go.

    The list is written whole and then renamed.
    """
    before = [one for one in _noted(folder / "batches.jsonl") if one["batch"] != entry["batch"]]
    shown = _with_page(folder)
    room = {True: INDEX_ROWS, False: CLEAN_ROWS}
    entries: list[Mapping[str, str]] = []
    for one in reversed([*before, entry]):
        has_page = one["batch"] in shown
        if room[has_page]:
            room[has_page] -= 1
            entries.append(one)
        elif has_page:
            (folder / f"{one['batch']}.html").unlink(missing_ok=True)
    entries.reverse()
    _write(folder / "batches.jsonl", "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in entries))
    return entries


def _with_page(folder: Path) -> set[str]:
    """Batches that have a page."""
    return {path.stem for path in folder.glob("*.html")}


def _noted(path: Path) -> Iterator[Mapping[str, str]]:
    """The entries of a list; what can't be read in it, such as a line torn by a crash, is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        with suppress(ValueError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("batch", "at", "verdict")):
                yield entry


def _feeds(docs_dir: Path) -> str:
    """Each feed with its titles and its latest batch. A feed whose note can't be read is named all the same."""
    rows = []
    for name in sorted(path.name for path in docs_dir.iterdir() if (path / "index.html").is_file()):
        found = next(_noted(docs_dir / name / LATEST), {})
        title = " · ".join(html.escape(str(found[lang])) for lang in ("zh", "en") if found.get(lang))
        feed = html.escape(name)
        cells = f'<td class="name"><a href="{feed}/index.html">{feed}</a></td><td>{title}</td>'
        if found:
            batch, at = html.escape(found["batch"]), _time(found["at"])
            verdict, told = html.escape(found["verdict"]), html.escape(word(found["verdict"]))
            link = (
                f'<a href="{feed}/{batch}.html">{batch}</a>'
                if page_of(docs_dir, name, found["batch"]).is_file()
                else batch
            )
            cells += f'<td class="name">{link}</td><td>{at}</td><td class="{verdict}">{told}</td>'
        else:
            cells += '<td colspan="3"></td>'
        rows.append(f"<tr>{cells}</tr>")
    words = ("数据源 feed", "名称 title", "最近批次 latest batch", f"时间 at ({_ZONE})", "结论 verdict")
    head = "".join(f"<th>{text}</th>" for text in words)
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _batches(folder: Path, entries: Sequence[Mapping[str, str]]) -> str:
    rows, shown = [], _with_page(folder)
    for entry in reversed(entries):
        name, verdict = html.escape(entry["batch"]), html.escape(entry["verdict"])
        at, told = _time(entry["at"]), html.escape(word(entry["verdict"]))
        link = f'<a href="{name}.html">{name}</a>' if entry["batch"] in shown else name
        rows.append(f'<tr><td class="name">{link}</td><td>{at}</td><td class="{verdict}">{told}</td></tr>')
    head = f"<tr><th>批次 batch</th><th>时间 at ({_ZONE})</th><th>结论 verdict</th></tr>"
    note = (
        "<p>有行或批次违反规则的批次另有页面；其余批次全部通过，数字见 <code>hub batch show 批次</code>。<br>"
        '<span lang="en">A batch in which something broke a rule has a page of its own. In the others all was kept; '
        "<code>hub batch show BATCH</code> has their figures.</span></p>"
    )
    back = '<p><a href="../index.html">← 全部数据源 all feeds</a></p>'
    return f'{back}{note}<div class="wide"><table>{head}{"".join(rows)}</table></div>'


def _whole(title: str, body: str, *, up: str) -> str:
    policy = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html><html lang="zh"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<title>{html.escape(title)}</title><link rel="stylesheet" href="{up}docs.css"></head>'
        f"<body><h1>{html.escape(title)}</h1>{body}</body></html>"
    )


def _write(target: Path, text: str) -> None:
    if target.suffix == ".css" and target.is_file() and target.read_text(encoding="utf-8") == text:
        return
    part = target.with_name(f".{target.name}.{os.getpid()}")
    part.write_text(text, encoding="utf-8")
    part.replace(target)
