"""Many contracts on Airflow's pages: until its API lists them all, and what a person sees of them. A part of `benchmarks/scale.py`.

The page is looked at in Chromium over its DevTools protocol, where there is one: every row of the list is counted, page by
page, and one feed is looked for by its name.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import connect

from benchmarks.dag_factory import copies
from benchmarks.meter import cpu_seconds
from contracts import catalogue
from dags.names import dag_id_of
from hub.settings import settings
from hub.stack import down, status, up

Say = Callable[[str], None]
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ROWS = "[...new Set([...document.querySelectorAll('a[href*=\"/dags/\"]')].map(a => (a.getAttribute('href').match(/\\/dags\\/([^/?#]+)/) || [])[1]).filter(Boolean))]"


def measured(count: int, say: Say, shots: Path | None) -> dict[str, Any]:
    """Figures of a whole stack with that many contracts."""
    var = Path(tempfile.mkdtemp(prefix="hub-contracts-"))
    sought = dag_id_of(copies(var / "contracts", count))
    os.environ |= {"HUB_VAR": str(var / "var"), "HUB_CONTRACTS": str(var / "contracts"), "HUB_LOG_LEVEL": "warning"}
    settings.cache_clear()
    try:
        begun = time.monotonic()
        known = len(catalogue.load().feeds)
        say(f"contracts {known:,} read for the first time in {time.monotonic() - begun:.0f} s")
        begun = time.monotonic()
        parts = up(var / "var", {"postgres", "warehouse", *_airflow()}, owner=os.getpid(), timeout=900).parts
        ready = time.monotonic() - begun
        address = f"http://{parts['airflow-api'].address}"
        password = json.loads((var / "var" / "secrets" / "airflow-passwords.json").read_text())["admin"]
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as http:
            token = http.post("/auth/token", json={"username": "admin", "password": password}).json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            while (listed := _total(http)) < count:
                if time.monotonic() - begun > 1800:
                    raise SystemExit(f"Airflow lists {listed} of {count} DAGs after half an hour")
                time.sleep(0.5)
            all_listed = time.monotonic() - begun
            pages = [_timed(http, {"limit": 50, "offset": offset}) for offset in range(0, count, max(50, count // 10))]
            search = statistics.median(_timed(http, {"dag_id_pattern": sought, "limit": 50}) for _ in range(5))
        say(
            f"contracts {count:,} DAGs: stack ready after {ready:.0f} s, all listed by the API {all_listed - ready:.0f} s later"
        )
        say(
            f"contracts a page of 50 by the API in {statistics.median(pages):.2f} s (median), {max(pages):.2f} s (worst); search {search:.2f} s"
        )
        told = {
            "contracts": count, "stack_ready_s": round(ready, 1), "listed_after_s": round(all_listed - ready, 1),
            "api_page_s": round(statistics.median(pages), 3), "api_search_s": round(search, 3),
        }  # fmt: skip
        pid = status(var / "var").parts["airflow-dag-processor"].pid
        if pid:
            before, began = cpu_seconds(pid), time.monotonic()
            time.sleep(60)
            told["dag_processor_cpu_share"] = round((cpu_seconds(pid) - before) / (time.monotonic() - began), 3)
            say(f"contracts the DAG processor takes {told['dag_processor_cpu_share']:.0%} of a core to keep them read")
        program = next(filter(None, map(shutil.which, CHROMIUM)), None)
        if program is None:
            say("contracts no Chromium here: the page itself is not looked at")
        else:
            with _chromium(program, address, token) as page:
                told |= _seen(page, count, sought, shots)
            say(
                f"contracts the page shows {told['page_shows']:,} of {count:,} DAGs, a page of the list in {told['page_median_s']} s (median), the first in {told['page_first_s']} s"
            )
            say(f"contracts looked for by its name: {told['page_search_finds']} found in {told['page_search_s']} s")
        return told
    finally:
        down(var / "var")
        shutil.rmtree(var, ignore_errors=True)


def _airflow() -> list[str]:
    return ["airflow-db", "airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"]


def _total(http: httpx.Client) -> int:
    answer = http.get("/api/v2/dags", params={"limit": 1, "tags": "feed"})
    return int(answer.json()["total_entries"]) if answer.is_success else 0


def _timed(http: httpx.Client, params: dict[str, Any]) -> float:
    """Seconds of what the list page asks: DAGs with their newest runs."""
    begun = time.monotonic()
    http.get("/ui/dags", params={"dag_runs_limit": 14, **params}).raise_for_status()
    return time.monotonic() - begun


class Page:
    """A page in Chromium."""

    def __init__(self, wire: Any, address: str) -> None:
        self._wire, self._address, self._number = wire, address, 0

    def tell(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        self._wire.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._wire.recv(timeout=120))
            if answer.get("id") == self._number:
                return dict(answer.get("result", {}))

    def ask(self, script: str) -> Any:
        return self.tell("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def open(self, path: str, seen: Callable[[set[str]], bool]) -> tuple[set[str], float]:
        """Goes there; the DAGs that the list shows, and seconds until they do."""
        begun = time.monotonic()
        self.tell("Page.navigate", url=f"{self._address}{path}")
        while time.monotonic() - begun < 120:
            found = {name for name in self.ask(ROWS) or [] if name.startswith("feed_")}
            if seen(found):
                return found, time.monotonic() - begun
            time.sleep(0.1)
        raise SystemExit(f"the page {path} did not show what it should in 120 s; it shows {len(found)} DAGs")


@contextmanager
def _chromium(program: str, address: str, token: str) -> Iterator[Page]:
    home = Path(tempfile.mkdtemp(prefix="hub-chromium-"))
    command = [
        program, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={home}",
        "--lang=en", "--window-size=1400,1800", "about:blank",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        note = home / "DevToolsActivePort"
        end = time.monotonic() + 60
        while not (note.is_file() and len(note.read_text().splitlines()) > 1):
            if time.monotonic() > end:
                raise SystemExit("Chromium did not start in a minute")
            time.sleep(0.1)
        port = note.read_text().splitlines()[0]
        targets = httpx.get(f"http://127.0.0.1:{port}/json", trust_env=False).json()
        target = next(one for one in targets if one["type"] == "page")
        with connect(target["webSocketDebuggerUrl"], max_size=None) as wire:
            page = Page(wire, address)
            page.tell("Network.enable")
            page.tell("Network.setCookie", name="_token", value=token, url=address)
            yield page
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _seen(page: Page, count: int, sought: str, shots: Path | None) -> dict[str, Any]:
    """The list page as a person meets it: the first page, every further one, and one feed by its name."""
    everything, first = page.open("/dags?tags=feed&limit=50&offset=0", bool)
    _shot(page, shots, "list")
    times = [first]
    for number in range(1, -(-count // 50)):  # what the page calls `offset` is the number of a page
        more, seconds = page.open(f"/dags?tags=feed&limit=50&offset={number}", _others(everything))
        everything |= more
        times.append(seconds)
    _shot(page, shots, "last")
    found, search = page.open(f"/dags?name_pattern={sought.removeprefix('feed_')}", {sought}.__eq__)
    _shot(page, shots, "search")
    return {
        "page_first_s": round(first, 1), "page_median_s": round(statistics.median(times), 1),
        "page_shows": len(everything), "page_search_s": round(search, 1), "page_search_finds": len(found),
    }  # fmt: skip


def _others(known: set[str]) -> Callable[[set[str]], bool]:
    """Whether a list shows DAGs that are not known yet."""
    before = frozenset(known)
    return lambda found: bool(found - before)


def _shot(page: Page, folder: Path | None, name: str) -> None:
    if folder is not None:
        time.sleep(1)  # what is drawn after the list
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(base64.b64decode(page.tell("Page.captureScreenshot")["data"]))
