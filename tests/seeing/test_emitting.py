"""Telling is bounded, never fails and never waits, whatever the observer does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time

import pytest

from hub import emitting, log, telemetry
from hub.emitting import Emitter, Switch
from hub.errors import SettingInvalid
from hub.settings import ROOT, load_settings
from tests.seeing.receiver import hanging


class Keeps:
    def __init__(self) -> None:
        self.items: list[int] = []
        self.go = threading.Event()
        self.go.set()

    def take(self, item: int) -> None:
        self.go.wait()
        if item < 0:
            raise ValueError("secret text")
        self.items.append(item)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


def test_items_come_in_order_and_an_error_stops_none(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("warning")
    keeps = Keeps()
    emitter = Emitter("one", lambda: keeps)
    for item in (1, -1, 2, 3):
        emitter.put(item)
    assert emitter.flush(time.monotonic() + 5)
    assert keeps.items == [1, 2, 3]
    said = capsys.readouterr().err
    assert "ValueError" in said and "secret text" not in said


def test_a_stuck_observer_costs_a_bounded_queue_and_no_time() -> None:
    keeps = Keeps()
    keeps.go.clear()
    emitter = Emitter("stuck", lambda: keeps, room=100)
    started = time.monotonic()
    for item in range(50_000):
        emitter.put(item)
    assert time.monotonic() - started < 2
    assert emitter.dropped >= 50_000 - 101
    started = time.monotonic()
    assert not emitting.flush(0.2)
    assert time.monotonic() - started < 1
    keeps.go.set()


def test_other_settings_make_another_emitter_and_end_the_one_before() -> None:
    made: list[Keeps] = []

    def make() -> Keeps:
        made.append(Keeps())
        return made[-1]

    switch: Switch[int] = Switch("switch")
    assert switch.at(None, make) is None
    first = switch.at("a", make)
    assert first is not None and switch.at("a", make) is first
    first.put(1)
    second = switch.at("b", make)
    assert second is not None and second is not first
    second.put(2)
    assert switch.at(None, make) is None
    until = time.monotonic() + 5
    while not (len(made) == 2 and all(hasattr(one, "closed") for one in made)) and time.monotonic() < until:
        time.sleep(0.01)
    assert sorted(one.items for one in made) == [[1], [2]] and all(hasattr(one, "closed") for one in made)


def test_a_handler_that_can_not_be_made_is_tried_again() -> None:
    keeps, tries = Keeps(), []

    def make() -> Keeps:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not yet")
        return keeps

    emitter = Emitter("late", make)
    emitter.put(1)
    emitter.put(2)
    assert emitter.flush(time.monotonic() + 5)
    assert keeps.items == [2]


def test_a_forked_child_tells_by_a_thread_of_its_own() -> None:
    keeps = Keeps()
    emitter = Emitter("parent", lambda: keeps)
    emitter.put(1)
    assert emitter.flush(time.monotonic() + 5)
    child = os.fork()
    if child == 0:
        emitter.put(2)
        os._exit(0 if emitter.flush(time.monotonic() + 5) and 2 in keeps.items else 1)
    assert os.waitpid(child, 0)[1] == 0
    emitter.put(3)
    assert emitter.flush(time.monotonic() + 5)
    assert keeps.items == [1, 3]


def test_nothing_is_imported_and_no_thread_runs_when_nobody_listens() -> None:
    code = (
        "import sys, threading\n"
        "from hub import lineage, telemetry\n"
        "telemetry.figure('hub.rows', 1, feed='a', outcome='in'); lineage.tell({})\n"
        "import warehouse.seen, exchange.relay.seen\n"
        "assert not telemetry.active() and not lineage.active()\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry', 'hub.otlp'))], 'imported'\n"
        "assert threading.active_count() == 1\n"
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "HUB_"))}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True, timeout=60)


@pytest.mark.parametrize("name", ["HUB_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "HUB_LINEAGE_URL"])
def test_a_process_ends_although_its_observer_hangs(name: str) -> None:
    code = (
        "import atexit, time\n"
        "atexit.register(lambda: print('end took', time.monotonic() - ended))\n"
        "from hub import lineage, log, telemetry\n"
        "log.configure('error')\n"
        "for number in range(20_000):\n"
        "    telemetry.figure('hub.rows', 1, feed='a', outcome='in'); lineage.tell({'a': number})\n"
        "assert telemetry.active() or lineage.active()\n"
        "ended = time.monotonic()\n"
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "HUB_"))}
    with hanging() as url:
        command = [sys.executable, "-c", code]
        ran = subprocess.run(
            command, cwd=ROOT, env={**env, name: url}, check=True, timeout=60, capture_output=True, text=True
        )
    seconds = float(ran.stdout.removeprefix("end took"))
    # It waits, and not for ever; how much of the grace is left when the end begins depends on the machine.
    assert 0.1 < seconds < emitting.GRACE_SECONDS + 1.5
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("otlp_endpoint", "collector:4318"),
        ("otlp_endpoint", "http://user:word@collector"),
        ("lineage_url", "/var/events.jsonl"),
        ("lineage_url", "file://events.jsonl"),
        ("lineage_url", "https://user:word@marquez/api/v1/lineage"),
    ],
)
def test_an_address_that_can_not_be_meant_is_refused(name: str, value: str) -> None:
    with pytest.raises(SettingInvalid) as refused:
        load_settings(**{name: value})
    assert "word" not in str(refused.value)


def test_the_page_lists_every_metric_as_it_is_told() -> None:
    text = (ROOT / "docs" / "seeing.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(hub\.[a-z._]+)` \| (\w+) \| (\S+) \| ([a-z, ]+) \| (.+) \|$", text, re.MULTILINE)
    listed = {name: (kind, unit, tuple(labels.split(", ")), means) for name, kind, unit, labels, means in rows}
    assert listed == {name: (one.kind, one.unit, one.labels, one.means) for name, one in telemetry.METRICS.items()}


def test_labels_that_are_not_listed_never_leave_and_long_ones_are_cut() -> None:
    given = {"feed": "f" * 1000, "delivery": "张三.csv", "payee": "P", "loaded": 7}
    assert telemetry.told(given) == {"feed": "f" * telemetry.TOLD_LENGTH, "loaded": 7}
