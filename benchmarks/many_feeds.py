"""Many small feeds, each with a delivery a minute, taken by the worker: how late they are on their topics, minute by minute.

The feeds are copies of the widest contract of the repository with `hub.latency: frequent`, a topic and a folder of their own.
Half a minute before they are due a file of new records lies in each folder. A part of `benchmarks/scale.py`.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.meter import Peak, cpu_seconds
from contracts import catalogue
from demo.generate import payments
from hub.settings import ROOT, load_settings, settings
from hub.stack import down, status, up

Say = Callable[[str], None]

SETTLED = """
select count(*) filter (where o.published_at is not null)
from hub.batch b join hub.outbox o using (batch_id) where b.delivery like :name
"""
ARRIVED = """
select b.delivery, extract(epoch from b.loaded_at) as loaded, extract(epoch from max(o.published_at)) as published,
       b.rows_in, coalesce(sum(o.records), 0) as events, count(*) filter (where o.published_at is null) as waiting
from hub.batch b left join hub.outbox o using (batch_id) where b.kind = 'pull' group by b.batch_id
"""


class ManyFeeds:
    """One run in a run directory of its own."""

    def __init__(self, feeds: int, rows: int, minutes: int, processes: int, say: Say, *, with_airflow: bool) -> None:
        self.feeds, self.rows, self.minutes, self.say = feeds, rows, minutes, say
        self.with_airflow = with_airflow
        self.var = Path(tempfile.mkdtemp(prefix="hub-feeds-"))
        os.environ |= {
            "HUB_VAR": str(self.var / "var"), "HUB_PLACES": str(self.var / "places.toml"),
            "HUB_CONTRACTS": str(self.var / "contracts"), "HUB_LOG_LEVEL": "warning",
            "HUB_WORKER_PROCESSES": str(processes),
        }  # fmt: skip
        settings.cache_clear()

    def names(self) -> list[str]:
        return [f"c{number:04d}" for number in range(self.feeds)]

    def contracts(self) -> None:
        """The folder of contracts, read once so that the catalogue has its cache, as on a hub that runs."""
        found = list((ROOT / "contracts" / "feeds").glob(f"*/{payments.FEED}.odcs.yaml"))
        text = found[0].read_text(encoding="utf-8")
        domain = found[0].parent.name
        folder = self.var / "contracts" / "feeds" / domain
        folder.mkdir(parents=True)
        shutil.copytree(ROOT / "contracts" / "codes", self.var / "contracts" / "codes")
        topic = next(line for line in text.splitlines() if "hub.topic," in line).split("value: ")[1].rstrip("}")
        mark = "customProperties:\n"
        for name in self.names():
            made = text.replace(payments.FEED, f"{domain}_{name}").replace(topic, topic.replace(".v1", f".{name}.v1"))
            made = made.replace(mark, f"{mark}- {{property: hub.latency, value: frequent}}\n", 1)
            made = made.replace("hub.partitions, value: 6", "hub.partitions, value: 1")
            made = made.replace('glob: "*', f'glob: "{name}/*').replace(
                'schedule: "30 6 * * *"', 'schedule: "* * * * *"'
            )
            (folder / f"{domain}_{name}.odcs.yaml").write_text(made, encoding="utf-8")
            (self.var / "drop" / name).mkdir(parents=True)
        (self.var / "places.toml").write_text(f'[places.finance_bureau_drop]\nroot = "{self.var / "drop"}"\n')
        (self.var / "places.toml").chmod(0o600)
        read = catalogue.load()
        if read.broken or len(read.feeds) != self.feeds:
            raise SystemExit(f"{len(read.broken)} contracts are broken: {[str(one.error) for one in read.broken[:1]]}")

    def files(self) -> None:
        """All files of all minutes, beside the folders."""
        for minute in range(self.minutes + 1):
            (self.var / "staged" / str(minute)).mkdir(parents=True)
            for number, name in enumerate(self.names()):
                seed = minute * self.feeds + number + 1
                payments.write_csv(self.var / "staged" / str(minute) / f"{name}.csv", self.rows, seed)

    def drop(self, minute: int) -> None:
        for name in self.names():
            staged = self.var / "staged" / str(minute) / f"{name}.csv"
            staged.rename(self.var / "drop" / name / f"m{minute:03d}.csv")

    def run(self) -> dict[str, Any]:
        """Everything; figures by minute."""
        try:
            begun = time.perf_counter()
            self.contracts()
            self.files()
            self.say(f"feeds     {self.feeds:,} contracts and their files, made in {time.perf_counter() - begun:.0f} s")
            parts = {"postgres", "kafka", "warehouse", "relay", "worker"}
            up(self.var / "var", None if self.with_airflow else parts, owner=os.getpid(), timeout=900)
            if self.with_airflow:
                self.switch_on()
            self.engine = sa.create_engine(load_settings(var=self.var / "var").url())
            begun = time.perf_counter()
            self.drop(0)
            self.settle(0)
            self.say(
                f"first     tables, topics and a first batch of each in {time.perf_counter() - begun:.0f} s (not measured)"
            )
            return self.measured()
        finally:
            down(self.var / "var")
            shutil.rmtree(self.var, ignore_errors=True)

    def switch_on(self) -> None:
        """Lets every feed's DAG run, as a person does on its page."""
        from dags.client import AirflowClient
        from dags.names import dag_id_of

        with AirflowClient.of_stack(self.var / "var") as airflow:
            wanted = [dag_id_of(feed) for feed in catalogue.load().feeds]
            airflow.await_dags(wanted, 600)
            for dag in wanted:
                airflow.pause(dag, paused=False)

    def settle(self, minute: int) -> None:
        """Until the minute's batches are all on their topics."""
        end = time.monotonic() + 900
        while time.monotonic() < end:
            with self.engine.connect() as conn:
                if conn.scalar(sa.text(SETTLED), {"name": f"%/m{minute:03d}.csv"}) >= self.feeds:
                    return
            time.sleep(0.5)
        raise SystemExit("not all feeds were published in 15 minutes; see logs/worker.log in the run directory")

    def measured(self) -> dict[str, Any]:
        pids = {name: part.pid for name, part in status(self.var / "var").parts.items() if part.pid}
        dues: dict[int, float] = {}
        first = (time.time() // 60 + 1) * 60 + 30
        before: dict[str, float] = {}
        peak = None
        for minute in range(1, self.minutes + 1):
            at = first + (minute - 1) * 60
            time.sleep(max(0.0, at - time.time()))
            if not before:
                before = {name: cpu_seconds(pid) for name, pid in pids.items()}
                peak = Peak({"worker": pids["worker"], "relay": pids["relay"]}, every=2.0)
            self.drop(minute)
            dues[minute] = at + 30
        time.sleep(max(0.0, first + self.minutes * 60 - time.time()))
        used = {name: round(cpu_seconds(pid) - before[name], 1) for name, pid in pids.items()}
        memory = round(peak.stop()) if peak else 0
        self.settle(self.minutes)
        with self.engine.connect() as conn:
            rows = conn.execute(sa.text(ARRIVED)).all()
        by_minute: dict[int, list[tuple[float, float]]] = {minute: [] for minute in dues}
        events = 0
        for row in rows:
            minute = int(row.delivery.rsplit("/m", 1)[-1].removesuffix(".csv"))
            if minute in dues:
                by_minute[minute].append((float(row.loaded) - dues[minute], float(row.published) - dues[minute]))
                events += int(row.events)
        table = [self.line(minute, dues[minute], found) for minute, found in by_minute.items()]
        for line in table:
            self.say(
                f"minute    {line['minute']:>3} due {line['due']}: {line['batches']} batches; on their topics after "
                f"{line['median_s']:.1f} s (median), {line['last_s']:.1f} s (last); loaded {line['last_loaded_s']:.1f} s (last)"
            )
        disk = {
            name: round(_kib(self.var / "var" / name) / max(1, len(rows)), 1)
            for name in ("store", "data_docs", "postgres", "kafka")
        }
        self.say("disk      a batch " + "  ".join(f"{name} {kib} KiB" for name, kib in disk.items()))
        lasts = [line["last_s"] for line in table]
        third = max(1, len(lasts) // 3)
        early, late = statistics.mean(lasts[:third]), statistics.mean(lasts[-third:])
        seconds = sum(used.values())
        self.say("cpu       " + "  ".join(f"{name} {value:.0f} s" for name, value in used.items()))
        share = seconds / (self.minutes * 60 * (os.cpu_count() or 1))
        self.say(
            f"cpu       {seconds:.0f} s of {self.minutes * 60 * (os.cpu_count() or 1)} s ({share:.0%}); memory of worker and relay {memory:,} MiB"
        )
        self.say(f"lag       of the last feed: {early:.1f} s in the first third, {late:.1f} s in the last third")
        return {
            "feeds": self.feeds, "rows": self.rows, "minutes": self.minutes, "batches": sum(line["batches"] for line in table),
            "expected": self.feeds * self.minutes, "events": events, "last_s": lasts,
            "median_s": [line["median_s"] for line in table], "lag_first_third_s": round(early, 1),
            "lag_last_third_s": round(late, 1), "cpu_seconds": used, "cpu_share": round(share, 3), "rss_mib": memory,
            "kib_a_batch": disk, "airflow": self.with_airflow, "load_average": os.getloadavg(),
        }  # fmt: skip

    def line(self, minute: int, due: float, found: list[tuple[float, float]]) -> dict[str, Any]:
        return {
            "minute": minute,
            "due": f"{datetime.fromtimestamp(due, UTC):%H:%M:%S}",
            "batches": len(found),
            "median_s": round(statistics.median(published for _, published in found), 2),
            "last_s": round(max(published for _, published in found), 2),
            "last_loaded_s": round(max(loaded for loaded, _ in found), 2),
        }


def _kib(folder: Path) -> float:
    """What a folder's files take."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1024
