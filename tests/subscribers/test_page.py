"""docs/subscribe.md, followed word for word: its programs and commands are taken from the page and run as they stand.

A granted user on the real broker, feeds that load meanwhile, programs that are killed and started again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import load_one
from exchange.brokers import access
from exchange.brokers.cluster import Cluster
from exchange.subscribers.lag import GroupLag, lags
from hub.ids import FeedId
from hub.settings import ROOT, Settings, settings
from hub.stack import jars
from tests.subscribers import contract_file
from tests.subscribers.conftest import Office
from warehouse import engine
from warehouse.way import run_feed

PAGES = [ROOT / "docs" / "subscribe.md", ROOT / "docs" / "subscribe.zh-CN.md"]
BLOCK = re.compile(r"^```(\w*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
READERS = ("read_kafka_python.py", "read_confluent.py")


def blocks(page: Path) -> dict[str, str]:
    """The page's code blocks by file name."""
    found = {name: text for _, name, text in BLOCK.findall(page.read_text(encoding="utf-8"))}
    assert "" not in found, "a code block has no name: nothing would run it"
    return found


@dataclass
class Desk(Office):
    """An operator, and a subscriber's folder with the page's programs."""

    folder: Path = field(default_factory=Path)
    environment: dict[str, str] = field(default_factory=dict)

    def lines(self, *lines: str) -> None:
        """A delivery, loaded and sent."""
        self.deliveries += 1
        path = self.folder.parent / f"d{self.deliveries}.csv"
        path.write_text("\n".join([contract_file.HEADER, *lines, ""]), encoding="utf-8")
        (outcome,) = run_feed(self.contract, file=path)
        assert (outcome.state, outcome.quarantined) == ("loaded", 0), outcome
        self.relay()

    def run(self, name: str, **more: str) -> str:
        """One of the page's commands or programs, to its end."""
        done = subprocess.run(self._command(name), cwd=self.folder, env=self.environment | more, capture_output=True,
                              text=True, timeout=180, check=False)  # fmt: skip
        assert done.returncode == 0, done.stderr[-2_000:]
        return done.stdout

    @contextmanager
    def running(self, name: str, store: str) -> Iterator[subprocess.Popen[str]]:
        """One of the page's programs, running; told to end at the end of the block."""
        environment = self.environment | {"STORE": store}
        with (self.folder / f"{name}.err").open("a") as errors:
            process = subprocess.Popen(self._command(name), cwd=self.folder, env=environment, stderr=errors, text=True)
        try:
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                code = process.wait(60)
                assert code in (0, 143), (self.folder / f"{name}.err").read_text()[-2_000:]
        finally:
            process.kill()
            process.wait()

    def _command(self, name: str) -> list[str]:
        return [sys.executable, name] if name.endswith(".py") else ["bash", "-e", name]

    def rows(self, store: str, query: str) -> list[tuple[Any, ...]]:
        """What a subscriber's own database holds; empty before it has made its tables."""
        if not (self.folder / store).exists():
            return []
        with sqlite3.connect(self.folder / store, timeout=30) as conn:
            try:
                return conn.execute(query).fetchall()
            except sqlite3.OperationalError:
                return []

    def held(self, store: str) -> dict[str, tuple[int, Any]]:
        found = self.rows(store, "select key, revision, record from record")
        return {key: (revision, None if record is None else json.loads(record)) for key, revision, record in found}

    def truth(self) -> dict[str, tuple[int, Any]]:
        """The latest of each record, by an independent reader of the whole topic."""
        state: dict[str, tuple[int, Any]] = {}
        for event in self.read():
            if event["revision"] > state.get(event["key"], (0, None))[0]:
                state[event["key"]] = (event["revision"], event.get("record"))
        return state


def until(true: Callable[[], object], process: subprocess.Popen[str], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert process.poll() is None, "the program ended"
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.2)


@pytest.fixture
def desk(tables: Settings, tmp_path: Path, unique: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    places = tmp_path / "places.toml"
    places.write_text(f'[places.drop]\nroot = "{tmp_path}"\n')
    monkeypatch.setenv("HUB_PLACES", str(places))
    monkeypatch.setenv("HUB_CONTRACTS", str(contract_file.folder(tmp_path / "contracts", unique)))
    settings.cache_clear()
    contract = load_one(FeedId(contract_file.FEED))
    folder = tmp_path / "subscriber"
    folder.mkdir()
    for name, text in blocks(PAGES[0]).items():
        (folder / name).write_text(text, encoding="utf-8")
    now = settings()
    user = f"office-{unique}"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TOPIC": contract.topic.name, "FEED": contract.id, "OPERATOR": "demo-operator", "REASON": "agreed",
        "KAFKA_BOOTSTRAP": str(now.kafka_bootstrap), "KAFKA_PROTOCOL": now.kafka_security_protocol, "KAFKA_USER": user,
    }  # fmt: skip
    yield Desk(now, tmp_path, contract, folder=folder, environment=environment)
    engine.dispose()


def granted(desk: Desk) -> None:
    """The operator's commands; the subscriber knows what they wrote, and nothing of the hub's own settings."""
    desk.run("operator.sh")
    assert (desk.folder / "grant.json").stat().st_mode & 0o077 == 0, "a password, and others may read it"
    password = json.loads((desk.folder / "grant.json").read_text())["password"]
    desk.environment["KAFKA_PASSWORD"] = password
    assert (desk.folder / "events.yaml").stat().st_size > 1_000


def as_subscriber(desk: Desk) -> None:
    """From here on nothing of the hub's own stands in the environment."""
    desk.environment = {name: value for name, value in desk.environment.items() if not name.startswith("HUB_")}


def test_both_pages_have_the_same_programs_and_each_is_run() -> None:
    english, chinese = map(blocks, PAGES)
    assert english == chinese
    assert set(english) == {
        "operator.sh", "install.sh", "read_kafka_python.py", "read_confluent.py", "Subscriber.java", "java.sh",
        "start_from_snapshot.py", "read_again.py", "help.sh",
    }  # fmt: skip


def test_the_page_names_the_versions_that_the_tests_run_with() -> None:
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements" / "hub.txt").read_text(), re.MULTILINE))
    text = blocks(PAGES[0])["install.sh"]
    named = re.findall(r"([\w-]+)==(\S+)", text)
    assert {name for name, _ in named} == {"kafka-python", "confluent-kafka", "pyarrow", "lz4", "crc32c"}
    assert all(pins[name] == version for name, version in named), "the page's versions are not those of requirements"
    # Each program by itself: what it imports is on the line that names it.
    wheels = {"kafka": "kafka-python", "confluent_kafka": "confluent-kafka", "pyarrow": "pyarrow"}
    for name, program in blocks(PAGES[0]).items():
        for module in re.findall(r"^(?:from|import) (\w+)", program, re.MULTILINE) if name.endswith(".py") else ():
            if module in wheels:
                assert any(name in line and f"{wheels[module]}==" in line for line in text.splitlines()), (name, module)
    jars_lock = (ROOT / "docker" / "kafka.lock.toml").read_text()
    clients = re.search(r'artifactId = "kafka-clients"\nversion = "([\d.]+)"', jars_lock)
    assert clients is not None
    assert all(f"`kafka-clients` {clients[1]}" in page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.stack
def test_the_python_readers_follow_the_page(desk: Desk) -> None:
    first, second = READERS
    line = contract_file.line
    desk.lines(*(line(at) for at in range(600)))
    granted(desk)
    operator = dict(desk.environment)
    as_subscriber(desk)
    # Without a snapshot: killed in the middle of its work; the other one goes on, in the same group, with the same store.
    with desk.running(first, "a.db") as process:
        until(lambda: desk.rows("a.db", "select 1 from event limit 1"), process)
        process.kill()
        process.wait()
    changed = [line(at, 2, payee="别的单位") for at in range(0, 600, 7)]
    desk.lines(*changed, *(line(at, 2, void="true") for at in range(1, 600, 9) if at % 7))
    events, truth = {event["id"] for event in desk.read()}, desk.truth()
    with desk.running(second, "a.db") as process:
        until(lambda: len(desk.rows("a.db", "select id from event")) == len(events), process)
    assert desk.held("a.db") == truth
    assert {found for (found,) in desk.rows("a.db", "select id from event")} == events
    assert desk.rows("a.db", "select * from gap") == []
    assert "remark" not in truth["V00002"][1]
    # Back to an instant: all comes again, and is known.
    desk.run("read_again.py", SINCE=datetime.now(UTC).replace(year=2020).isoformat())
    group = desk.environment["KAFKA_USER"] + ".ledger"
    (mine,) = lags_of(desk, group)
    assert (mine.behind >= len(events), mine.state, mine.lost) == (True, "Empty", 0)
    desk.lines(line(700))
    with desk.running(first, "a.db") as process:
        until(lambda: "V00700" in desk.held("a.db") and not lags_of(desk, group)[0].behind, process)
    truth = desk.truth()
    assert desk.held("a.db") == truth
    assert len(desk.rows("a.db", "select id from event")) == len(events) + 1
    # A newcomer with another store starts from the snapshot that the operator took long ago.
    desk.run("start_from_snapshot.py", STORE="b.db")
    assert len(desk.held("b.db")) == 600
    with desk.running(second, "b.db") as process:
        until(lambda: desk.held("b.db") == truth, process)
    taken = json.loads((desk.folder / "snapshot" / "snapshot.json").read_text())["positions"]["offsets"]
    after = desk.read({int(number): offset for number, offset in taken.items()})
    assert len(desk.rows("b.db", "select id from event")) == len(after) < len(events)
    for reader in READERS:
        # In a group that is not named after its user the same program reads nothing.
        text = (desk.folder / reader).read_text(encoding="utf-8")
        (desk.folder / "other.py").write_text(text.replace('+ ".ledger"', '+ "x"'), encoding="utf-8")
        done = subprocess.run([sys.executable, "other.py"], cwd=desk.folder, env=desk.environment | {"STORE": "x.db"},
                              capture_output=True, text=True, timeout=90, check=False)  # fmt: skip
        assert done.returncode != 0
        assert re.search(r"GroupAuthorizationFailed|GROUP_AUTHORIZATION_FAILED", done.stderr)
        assert desk.rows("x.db", "select * from event") == []
    # What the operator sees when something is wrong.
    desk.environment = operator
    assert group in desk.run("help.sh", COLUMNS="200")


def lags_of(desk: Desk, group: str) -> list[GroupLag]:
    with Cluster(desk.now) as cluster:
        return lags(cluster, [desk.topic], group)


def compiler() -> str | None:
    return shutil.which("javac")


@pytest.mark.stack
@pytest.mark.skipif(
    compiler() is None, reason="no JDK here: there is no javac, and the JRE of the wheel has no compiler"
)
def test_the_java_reader_follows_the_page(desk: Desk, stack: Any) -> None:
    line = contract_file.line
    desk.lines(*(line(at) for at in range(300)))
    user = desk.environment["KAFKA_USER"]
    with Cluster(desk.now) as cluster:
        access.grant_reader(cluster, user, "pass-word", [desk.topic], f"{user}.")
    desk.environment["KAFKA_PASSWORD"] = "pass-word"
    as_subscriber(desk)
    # Plain kafka-clients: of the broker's jars only what the page names.
    plain = desk.folder / "jars"
    plain.mkdir()
    for jar in jars.classpath(desk.now.kafka_home, jars.cache_folder(desk.now.cache, stack.var)):
        if re.match(r"(kafka-clients|lz4-java|slf4j-api)-\d", jar.name):
            (plain / jar.name).symlink_to(jar)
    assert len(list(plain.iterdir())) == 3
    desk.environment |= {
        "KAFKA_JARS": str(plain),
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx128m",
    }
    store = desk.folder / "java.log"

    def kept() -> list[str]:
        return store.read_text(encoding="utf-8").splitlines() if store.exists() else []

    with desk.running("java.sh", "java.log") as process:
        until(kept, process)
        process.kill()
        process.wait()
    with store.open("ab") as file:
        file.write(b"a line that a crash c")
    desk.lines(*(line(at, 2) for at in range(0, 300, 3)))
    with desk.running("java.sh", "java.log") as process:
        events = {event["id"]: event for event in desk.read()}
        until(lambda: len(kept()) >= len(events), process)
    lines = [text.split("\t") for text in kept()]
    assert sorted(found for found, _ in lines) == sorted(events)
    for found, value in lines:
        assert json.loads(value)["record"] == events[found]["record"]
    assert "gap" not in (desk.folder / "java.sh.err").read_text()
