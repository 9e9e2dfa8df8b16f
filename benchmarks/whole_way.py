"""The whole way of one big file, first byte read to last event committed on Kafka, against the plain stack in the same run.

    python benchmarks/whole_way.py [--rows 1000000] [--plain-rows N] [--json] [--producer confluent|kafka-python]

Prints rows per second of each step and of the whole, CPU seconds of every process, the limit (rows ÷ (CPU seconds ÷ cores)), the
memory of loader and relay together, the same for the plain stack (benchmarks/plain_stack.py), and the ratio. Events are counted
afterwards by an independent read_committed consumer. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import sqlalchemy as sa  # noqa: E402
from confluent_kafka import Consumer, TopicPartition  # noqa: E402

from benchmarks.meter import Peak, cpu_seconds, family  # noqa: E402
from demo.generate import payments  # noqa: E402
from hub.settings import load_settings  # noqa: E402
from hub.stack import down, status, up  # noqa: E402

FEED, SOURCE = payments.FEED, "payments_csv"
TOPIC = "hub.finance.payment.v1"
PARTS = {"postgres", "kafka", "warehouse", "relay"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--plain-rows", type=int, default=None, help="default: a tenth of --rows, at least 20,000")
    parser.add_argument("--producer", choices=("confluent", "kafka-python"), default="confluent")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    parser.add_argument("--keep", action="store_true", help="leave the run directory for a look")
    return parser.parse_args()


class Run:
    """One benchmark run in a run directory of its own."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.var = Path(tempfile.mkdtemp(prefix="hub-bench-"))
        self.drop = self.var / "drop"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
        self.env |= {"HUB_VAR": str(self.var), "HUB_LOG_LEVEL": "warning", "HUB_PRODUCER": options.producer}
        self.env["HUB_PLACES"] = str(self.var / "places.toml")

    def say(self, text: str = "") -> None:
        if not self.options.json:
            print(text, flush=True)

    def prepare(self, parts: set[str] = PARTS) -> None:
        os.environ["HUB_PRODUCER"] = self.options.producer
        self.drop.mkdir(exist_ok=True)
        (self.var / "places.toml").write_text(f'[places.finance_bureau_drop]\nroot = "{self.drop}"\n')
        (self.var / "places.toml").chmod(0o600)
        up(self.var, parts, owner=os.getpid())
        self.settings = load_settings(var=self.var)
        self.engine = sa.create_engine(self.settings.url())

    def file(self, rows: int, seed: int) -> Path:
        path = self.drop / f"payments-{seed}.csv"
        begun = time.perf_counter()
        payments.write_csv(path, rows, seed)
        self.say(
            f"file      {rows:>12,} rows, {path.stat().st_size / 2**20:,.0f} MiB, made in {time.perf_counter() - begun:.0f} s"
        )
        return path

    def pids(self) -> dict[str, int]:
        parts = status(self.var).parts
        return {name: pid for name in ("postgres", "kafka", "relay") if name in parts and (pid := parts[name].pid)}

    def hub(self, small: Path, path: Path) -> dict[str, Any]:
        """One file through the hub; figures of the loader, of each process and of the events."""
        loader = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hub_loader", FEED, SOURCE, str(small), str(path)],
            cwd=ROOT, env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert loader.stdin and loader.stdout
        assert loader.stdout.readline().strip() == "ready"
        watched = {**self.pids(), "loader": loader.pid}
        before = {name: cpu_seconds(pid) for name, pid in watched.items()}
        peak = Peak({name: watched[name] for name in ("loader", "relay")})
        loader.stdin.write("go\n")
        loader.stdin.flush()
        answer = loader.stdout.readline()
        # The loader's own seconds are read before it ends; the relay goes on.
        used = {"loader": cpu_seconds(loader.pid) - before["loader"]} if family(loader.pid) else {}
        if not answer:
            raise SystemExit(f"the loader ended with {loader.wait()}; its log is above")
        figures: dict[str, Any] = json.loads(answer)
        loader.stdin.close()
        figures["published"] = self.published(figures["batch"])
        figures["rss_mib"] = round(peak.stop())
        figures["rss_each"] = {name: round(mib) for name, mib in peak.each.items()}
        for name, pid in self.pids().items():
            used[name] = cpu_seconds(pid) - before[name]
        loader.wait()
        figures["cpu"] = {name: round(seconds, 2) for name, seconds in used.items()}
        figures["total"] = figures["published"] - figures["begun"]
        return figures

    def published(self, batch: str) -> float:
        """When the relay's commit of the batch's last entry was noted, as seconds since the epoch."""
        query = sa.text(
            "select count(*) filter (where published_at is null), extract(epoch from max(published_at)), count(*) from hub.outbox where batch_id = :b"
        )
        end = time.monotonic() + 1800
        while time.monotonic() < end:
            with self.engine.connect() as conn:
                waiting, last, entries = conn.execute(query, {"b": batch}).one()
            if entries and not waiting:
                return float(last)
            time.sleep(0.02)
        raise SystemExit("the relay did not publish the batch in 30 minutes; see logs/relay.log in the run directory")

    def count_events(self, topic: str) -> tuple[int, int]:
        """(events, distinct ids) on the topic, by a read_committed consumer that knows nothing of the hub."""
        now = self.settings
        password = now.kafka_password.get_secret_value() if now.kafka_password else ""
        consumer = Consumer({
            "bootstrap.servers": now.kafka_bootstrap, "group.id": "bench", "isolation.level": "read_committed",
            "security.protocol": now.kafka_security_protocol, "sasl.mechanism": now.kafka_sasl_mechanism,
            "sasl.username": now.kafka_username, "sasl.password": password, "enable.auto.commit": False,
        })  # fmt: skip
        partitions = [
            TopicPartition(topic, number, 0) for number in consumer.list_topics(topic).topics[topic].partitions
        ]
        ends = {one.partition: consumer.get_watermark_offsets(one)[1] for one in partitions}
        consumer.assign([one for one in partitions if ends[one.partition]])
        seen: set[bytes] = set()
        events, idle = 0, 0
        while idle < 20:
            messages = consumer.consume(10_000, 0.1)
            idle = 0 if messages else idle + 1
            for message in messages:
                if message.error():
                    raise SystemExit(str(message.error()))
                events += 1
                seen.add(dict(message.headers())["ce_id"])
        consumer.close()
        return events, len(seen)

    def plain(self, path: Path) -> dict[str, Any]:
        """The same kind of file through the plain stack; CPU of its parts too."""
        from kafka import KafkaAdminClient
        from kafka.admin import NewTopic

        now = self.settings
        admin = KafkaAdminClient(
            bootstrap_servers=now.kafka_bootstrap, security_protocol=now.kafka_security_protocol,
            sasl_mechanism=now.kafka_sasl_mechanism, sasl_plain_username=now.kafka_username,
            sasl_plain_password=now.kafka_password.get_secret_value() if now.kafka_password else None,
        )  # fmt: skip
        admin.create_topics([NewTopic("bench.plain", 6, 1)])
        admin.close()
        watched = {name: pid for name, pid in self.pids().items() if name != "relay"}
        before = {name: cpu_seconds(pid) for name, pid in watched.items()}
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.plain_stack", FEED, str(path), "gb18030", "bench.plain"],
            cwd=ROOT, env=self.env, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        figures["cpu"] = {"plain": figures["cpu_seconds"]} | {
            name: round(cpu_seconds(pid) - before[name], 2) for name, pid in watched.items()
        }
        return figures

    def close(self) -> None:
        down(self.var)
        if self.options.keep:
            self.say(f"left for a look: {self.var}")
        else:
            shutil.rmtree(self.var, ignore_errors=True)


def main() -> None:
    options = arguments()
    run = Run(options)
    try:
        run.prepare()
        hub = run.hub(run.file(1_000, seed=999), run.file(options.rows, seed=1))
        events, distinct = run.count_events(TOPIC)
        with run.engine.connect() as conn:
            expected = conn.scalar(sa.text("select sum(records) from hub.outbox"))
        whole = hub["rows"] / hub["total"]
        cores = os.cpu_count() or 1
        limit = hub["rows"] / (sum(hub["cpu"].values()) / cores)
        run.say(
            f"events    {events:>12,} read back, {distinct:,} distinct ids, {expected:,} committed; loaded {hub['loaded']:,}, quarantined {hub['quarantined']:,}, refused {hub['refused']:,}, unchanged {hub['unchanged']:,}"
        )
        for step, seconds in hub["seconds"].items():
            run.say(f"step      {step:<12} {seconds:8.2f} s {hub['rows'] / max(seconds, 1e-9):>12,.0f} rows/s")
        run.say(f"committed {hub['committed'] - hub['begun']:>12.2f} s (loader done)")
        run.say(f"whole     {hub['total']:>12.2f} s {whole:>12,.0f} rows/s  ({hub['state']})")
        run.say("cpu       " + "  ".join(f"{name} {seconds:.1f} s" for name, seconds in hub["cpu"].items()))
        run.say(f"limit     {limit:>12,.0f} rows/s on {cores} cores; reached {100 * whole / limit:.0f} %")
        each = ", ".join(f"{name} {mib:,}" for name, mib in hub["rss_each"].items())
        run.say(f"memory    {hub['rss_mib']:>12,} MiB of loader and relay together (proportional; greatest of {each})")
        plain = run.plain(run.file(options.plain_rows or max(20_000, options.rows // 10), seed=2))
        for step, seconds in plain["seconds"].items():
            run.say(f"plain     {step:<12} {seconds:8.2f} s {plain['rows'] / max(seconds, 1e-9):>12,.0f} rows/s")
        run.say(
            f"plain     whole {plain['total']:.1f} s for {plain['rows']:,} rows, {plain['rows_per_second']:,.0f} rows/s, {plain['rss_mib']:,} MiB"
        )
        run.say("plain cpu " + "  ".join(f"{name} {seconds:.1f} s" for name, seconds in plain["cpu"].items()))
        run.say(f"ratio     {whole / plain['rows_per_second']:.1f} times the plain stack")
        wrong = not events == distinct == expected
        print(json.dumps({
            "rows": hub["rows"], "ratio": round(whole / plain["rows_per_second"], 2), "rows_per_second": round(whole),
            "plain_rows_per_second": round(plain["rows_per_second"]), "limit_rows_per_second": round(limit),
            "rss_mib": hub["rss_mib"], "cpu_seconds": hub["cpu"], "seconds": hub["seconds"], "events": events,
            "reconciled": not wrong,
        }))  # fmt: skip
        if wrong:
            raise SystemExit("the events on the topic do not reconcile with what the loader says")
    finally:
        run.close()


if __name__ == "__main__":
    main()
