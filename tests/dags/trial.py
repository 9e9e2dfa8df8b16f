"""A trial agency: an HTTP API on loopback, and contracts of feeds that come from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from hub.settings import ROOT
from tests.connectors.serving import Asked

TOKEN = "trial-token-that-no-log-may-show"
RECORDS = [
    {"recordNo": f"R-{number:04d}", "amount": f"{number}.50", "changedAt": f"2026-03-{number:02d}T08:00:00Z"}
    for number in range(1, 11)
]

_CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: {feed}
name: Trial records {feed}
version: "1.0.0"
status: active
domain: testing
tags: [trial]

description:
  purpose: For tests.
  usage: For tests.
  limitations: For tests.

customProperties:
- {{property: hub.name_zh, value: 试验记录}}
- {{property: hub.purpose_zh, value: 供测试使用}}
- {{property: hub.limitations_zh, value: 供测试使用}}
- {{property: hub.owner, value: trial_office}}
- {{property: hub.subject, value: record_no}}
- {{property: hub.topic, value: hub.testing.{topic}.v1}}
- {{property: hub.partitions, value: 1}}
- {{property: hub.publish, value: full}}
- {{property: hub.completeness, value: incremental}}
- {{property: hub.cumulative, value: false}}
- {{property: hub.cursor, value: changed_at}}
- {{property: hub.retries, value: 2}}
- {{property: hub.retry_delay_seconds, value: 1}}
- property: hub.gate
  value:
  - id: secrecy_mark
    kind: secrecy
    action: refuse_row
    zh: 含密级标识的行不予接收
    en: A row with a secrecy mark is refused

servers:
{servers}
schema:
- name: record
  businessName: 试验记录
  description: A record
  dataGranularityDescription: One row for each record.
  logicalType: object
  properties:
  - name: record_no
    physicalName: recordNo
    businessName: 编号
    description: Number of the record
    logicalType: string
    required: true
    primaryKey: true
    primaryKeyPosition: 1
    classification: internal
    customProperties:
    - {{property: hub.normalise, value: [trim]}}
  - name: amount_cny
    physicalName: amount
    businessName: 金额
    description: Amount in yuan
    logicalType: number
    physicalType: decimal(18,2)
    required: true
    classification: internal
    customProperties:
    - {{property: hub.unit, value: yuan}}
  - name: changed_at
    physicalName: changedAt
    businessName: 更新时间
    description: Time of the last change
    logicalType: timestamp
    required: true
    classification: internal
  quality:
  - id: enough
    name: 行数不超过一百万
    description: At most a million rows
    type: custom
    engine: great-expectations
    dimension: coverage
    severity: warning
    implementation:
      kind: row_count
      min: 0
      max: 1000000

slaProperties:
- property: frequency
  value: 1
  unit: d
  scheduler: cron
  schedule: "0 2 * * *"
- property: freshness
  value: 2
  unit: d
- property: latency
  value: 30
  unit: m
- property: retention
  value: 30
  unit: d
  element: landing
- property: retention
  value: 30
  unit: d
  element: core
- property: retention
  value: 30
  unit: d
  element: quarantine
- property: retention
  value: 30
  unit: d
  element: outbox
- property: retention
  value: 30
  unit: d
  element: receipts

roles:
- role: trial_office_sender
  access: push
  description: The trial office
- role: trial_reader
  access: read
  description: A reader

team:
  name: 试验办 / Trial office
  description: Answers for the records

support:
- channel: trial-office
  description: Duty desk
"""

_API = """\
- server: {name}
  type: custom
  description: The trial agency
  customProperties:
  - {{property: hub.connector, value: http_json}}
  - {{property: hub.place, value: trial_api}}
  - {{property: hub.options, value: {{path: /{path}, cursor_param: since, until_param: until, attempts: 1}}}}
"""
_DROP = """\
- server: {name}
  type: custom
  description: The trial agency's folder
  format: csv
  customProperties:
  - {{property: hub.connector, value: file_drop}}
  - {{property: hub.place, value: trial_drop}}
  - {{property: hub.options, value: {{glob: "*.csv", stable_seconds: 0}}}}
"""


def contracts(folder: Path, feeds: list[str]) -> Path:
    """A contracts folder with these feeds; returns it."""
    here = folder / "feeds" / "testing"
    here.mkdir(parents=True)
    shutil.copytree(ROOT / "contracts" / "codes", folder / "codes")
    for feed in feeds:
        (here / f"{feed}.odcs.yaml").write_text(contract(feed), encoding="utf-8")
    return folder


def contract(feed: str, *more: str) -> str:
    """The document of one whose API is at its own path; `more` adds a source: a further path of the API, or "drop"."""
    servers = [_API.format(name="trial_api", path=feed)]
    servers += [(_DROP if name == "drop" else _API).format(name=f"trial_{name}", path=name) for name in more]
    return _CONTRACT.format(feed=feed, topic=feed, servers="".join(servers))


def hasty(feed: str) -> str:
    """One whose runs have little more than a second, and wait long for their API."""
    patient = _once(contract(feed), "attempts: 1}", "attempts: 1, timeout_seconds: 200}")
    return _once(patient, "- property: latency\n  value: 30\n", "- property: latency\n  value: 0.02\n")


def strict(feed: str) -> str:
    """One whose batches are held: more rows are due than its API has."""
    holds = "max: 1000000\n    customProperties:\n    - {property: hub.holds_batch, value: true}\n"
    text = _once(_once(contract(feed), "severity: warning", "severity: error"), "max: 1000000\n", holds)
    return _once(text, "min: 0", f"min: {len(RECORDS) + 1}")


def _once(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def often(feed: str) -> str:
    """The document of one that the worker takes each minute."""
    document = contract(feed).replace('schedule: "0 2 * * *"', 'schedule: "* * * * *"')
    return document.replace("customProperties:\n", "customProperties:\n- {property: hub.latency, value: frequent}\n", 1)


def places(path: Path, url: str) -> Path:
    """The operator's list with the agency in it; the token lies in a file of its own."""
    secret = path.with_suffix(".token")
    secret.touch(mode=0o600)
    secret.write_text(TOKEN, encoding="utf-8")
    secret.chmod(0o600)
    drop = path.with_suffix(".drop")
    drop.mkdir()
    path.write_text(
        f'[places.trial_api]\nbase_url = "{url}"\ntoken_file = "{secret}"\n[places.trial_drop]\nroot = "{drop}"\n',
        encoding="utf-8",
    )
    return path


def answer(asked: Asked, failing: set[str], let_go: threading.Event | None = None) -> None:
    """The API: records by time; `failing` names paths that answer 503 once; /testing_gone is not there, /testing_hanging
    answers once it is let go."""
    if let_go is not None and asked.path == "/testing_hanging":
        let_go.wait(120)
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        asked.answer({"error": "who are you"}, 401)
    elif asked.path in failing:
        failing.discard(asked.path)
        asked.answer({"error": "later"}, 503)
    elif asked.path == "/testing_gone":
        asked.answer({"error": "gone"}, 404)
    else:
        since, until = (_instant(asked.query.get(name)) for name in ("since", "until"))
        asked.answer(
            [
                record
                for record in RECORDS
                if (since is None or _instant(record["changedAt"]) >= since)  # type: ignore[operator]
                and (until is None or _instant(record["changedAt"]) < until)  # type: ignore[operator]
            ]
        )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def hub(*words: str) -> str:
    """What the command line says, in a process of its own."""
    command = [sys.executable, "-m", "hub", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
