"""The door as a process: it ends cleanly, and a killed one loses nothing that it acknowledged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.errors import GatewayUnsafe
from gateway.serve import must_be_safe
from hub.errors import SettingMissing
from hub.settings import ROOT, Settings, load_settings
from tests.gateway import house
from tests.gateway.house import Office, numbered
from tests.warehouse.conftest import Hub
from warehouse import engine


def start(now: Settings) -> subprocess.Popen[bytes]:
    made = subprocess.Popen(
        [sys.executable, "-m", "hub", "gateway", "serve", "--json"], cwd=ROOT, stdout=subprocess.PIPE
    )
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if httpx.get(f"http://127.0.0.1:{now.gateway_port}/readyz", trust_env=False).status_code == 200:
                return made
        except httpx.HTTPError:
            time.sleep(0.1)
    made.kill()
    raise AssertionError("it is never ready")


@pytest.fixture
def now(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT)]))
    yield house.configured(monkeypatch, tmp_path)
    engine.dispose()


def test_it_ends_cleanly_and_comes_back_after_a_kill(now: Settings, tmp_path: Path) -> None:
    office: Office = house.join(f"http://127.0.0.1:{now.gateway_port}")
    first = start(now)
    told = office.deliver(numbered(3), "k").json()
    first.kill()
    first.wait()
    second = start(now)
    assert office.deliver(numbered(3), "k").json()["receipt"] == told["receipt"]
    second.send_signal(signal.SIGTERM)
    out, _ = second.communicate(timeout=30)
    assert second.returncode == 0 and b'"ended": true' in out
    assert Hub(tmp_path).value("select count(*) from hub.push") == 1


def test_it_does_not_speak_in_the_clear_to_others(now: Settings) -> None:
    must_be_safe(now)
    with pytest.raises(GatewayUnsafe):
        must_be_safe(load_settings(bind="0.0.0.0"))
    with pytest.raises(SettingMissing):
        must_be_safe(load_settings(bind="0.0.0.0", gateway_plain=True))
    must_be_safe(load_settings(bind="0.0.0.0", gateway_plain=True, gateway_url="https://hub.example"))
