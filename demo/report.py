"""The facts of a run as report.json, and where to look next; `demo.summary` shows them on the screen."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hub.settings import ROOT, settings
from hub.stack import StackState
from hub.stack.layout import Layout, write_private

if TYPE_CHECKING:
    from demo.facts import Facts, Result

SAMPLES = 3


def write(facts: Facts) -> Path:
    """Writes the facts of a run, mode 0600: quarantined rows stand in it. Returns where."""
    request, result, path = facts.request, facts.result, facts.folder.report
    assert result is not None, "a report comes after a run"
    document = {
        "rows": request.rows,
        "seed": request.seed,
        "feeds": [line.as_dict() for line in result.lines],
        "not_run": [asdict(one) for one in result.not_run],
        "topics": [
            {"topic": one.topic, "events": one.events, "doubled": one.doubled} for one in result.readings.values()
        ],
        "claims": [{"claim": claim.text, "holds": claim.holds, "found": claim.found} for claim in result.claims],
        "sample_events": samples(result),
        "quarantined_examples": [
            {"feed": row.feed, "batch": row.batch_id, "row": row.row, "unit": row.unit, "rules": words}
            for row, words in result.examples
        ],
        "repaired": _repaired(result),
        "where": dict([*facts.where, *facts.files]),
        "seconds": facts.seconds,
    }
    write_private(path, json.dumps(document, ensure_ascii=False, indent=1, default=str) + "\n")
    return path


def samples(result: Result) -> list[dict[str, Any]]:
    """Events as the subscriber saw them: the first of some topics, those with content before references."""
    firsts = [one.first for one in result.readings.values() if one.first is not None]
    firsts.sort(key=lambda event: len(json.dumps(event["data"], default=str)), reverse=True)
    kinds = sorted(firsts, key=lambda event: "payment" not in event["topic"])
    return kinds[:SAMPLES]


def where(var: Path, stack: StackState | None, key: str | None) -> list[tuple[str, str]]:
    """Where to look next, in a run that is kept. Passwords are named by their files, never shown. `key`: of a record to trace."""
    layout = Layout.of(var)
    hub = short(ROOT / ".venv" / "bin" / "hub")
    places: list[tuple[str, str]] = []
    if stack is not None and "airflow" in stack.ports:
        passwords = layout.secrets / "airflow-passwords.json"
        places.append(
            ("Airflow", f"http://127.0.0.1:{stack.ports['airflow']}  user admin, password in {short(passwords)}")
        )
    return [
        *places,
        ("one record 一条记录", f"{hub} trace {shlex.quote(key or 'KEY')}"),
        ("quarantine 隔离区", f"{hub} quarantine list"),
        ("topics 主题", f"{hub} topic list"),
        ("relay 转发", f"{hub} relay status"),
    ]


def files(var: Path) -> list[tuple[str, str]]:
    """What can be looked at also when everything is stopped."""
    docs = settings().data_docs_dir / "index.html"
    return [
        *([("Data Docs 质量报告", short(docs))] if docs.is_file() else []),
        ("report 全部数字", short(var / "demo" / "report.json")),
    ]


def _repaired(result: Result) -> dict[str, Any] | None:
    one = result.repaired
    if one is None:
        return None
    return {
        "feed": one.feed, "batch": one.batch, "row": one.row, "key": one.key, "field": one.field, "before": one.before,
        "after": one.after, "replay_batch": one.replayed_as, "loaded": one.loaded,
    }  # fmt: skip


def short(path: Path) -> str:
    """A path as it is typed from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
