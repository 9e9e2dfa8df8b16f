"""The example of CONTRIBUTING as a newcomer takes it: the page's contract lints, its sample goes the whole way, and what
`hub feed run` says of a delivery is never more than what became of it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from connectors.commands import contract as contract_commands
from exchange.commands import feed
from hub import log
from hub.settings import ROOT, Settings, settings
from warehouse import engine
from warehouse.commands import batch, quarantine

pytestmark = pytest.mark.stack

FEED = "audit_my_findings"
SAMPLE = ROOT / "docs" / "example" / "sample.csv"


@dataclass
class Newcomer:
    """A house of contracts to which somebody adds the example, and a folder that its agency drops files in."""

    contracts: Path
    drop: Path

    @property
    def path(self) -> Path:
        return self.contracts / "feeds" / "audit" / f"{FEED}.odcs.yaml"

    def mend(self, old: str, new: str) -> None:
        text = self.path.read_text(encoding="utf-8")
        assert old in text
        self.path.write_text(text.replace(old, new), encoding="utf-8")

    def says(self, app: Any, *words: str, code: int = 0) -> str:
        log.configure("warning")
        result = CliRunner().invoke(app, list(words))
        assert result.exit_code == code, (result.output, result.exception)
        return result.stdout

    def run(self, *words: str, code: int = 0) -> str:
        return self.says(feed.app, "run", FEED, *words, code=code)

    def asked(self, query: str) -> list[tuple[Any, ...]]:
        with engine.connection() as conn:
            return [tuple(row) for row in conn.execute(sa.text(query))]


def example() -> str:
    """The contract of the page."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return str(text)


@pytest.fixture
def newcomer(tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unique: str) -> Iterator[Newcomer]:
    contracts, drop = tmp_path / "contracts", tmp_path / "drop"
    shutil.copytree(ROOT / "contracts" / "codes", contracts / "codes")
    drop.mkdir()
    made = Newcomer(contracts, drop)
    made.path.parent.mkdir(parents=True)
    # A topic that no other test uses: the broker is shared.
    made.path.write_text(example().replace("hub.audit.my_finding.v1", f"hub.audit.my_{unique}.v1"), encoding="utf-8")
    (tmp_path / "places.toml").write_text(f'[places.county_audit_drop]\nroot = "{drop}"\n', encoding="utf-8")
    monkeypatch.setenv("HUB_CONTRACTS", str(contracts))
    monkeypatch.setenv("HUB_PLACES", str(tmp_path / "places.toml"))
    settings.cache_clear()
    yield made
    engine.dispose()


def test_the_page_and_the_file_to_copy_are_the_same() -> None:
    assert example() == (ROOT / "docs" / "example" / f"{FEED}.odcs.yaml").read_text(encoding="utf-8")


def test_the_example_lints_and_its_sample_goes_the_whole_way(newcomer: Newcomer) -> None:
    newcomer.says(contract_commands.app, "lint", str(newcomer.path))
    said = newcomer.run("--file", str(SAMPLE))
    found = newcomer.asked(
        f"select finding_no, amount_cny::text, found_on::text, progress_code from core.{FEED} order by 1"
    )
    assert found == [
        ("SJ-2025-001", "125000.00", "2025-11-03", "open"),
        ("SJ-2025-002", "12345000.00", "2025-11-07", "done"),
        ("SJ-2025-003", "8000.00", "2025-11-09", "mostly_done"),
    ]
    assert "unit_uscc_valid 1" in said and "3 events on their topic" in said
    assert "1 row(s) refused at the gate" in said and "含密级标识的行" in said
    assert "remedy" in said and "处理办法" in said
    (batch_id,) = newcomer.asked("select batch_id from hub.batch")
    assert f"hub quarantine list --batch {batch_id[0]}" in said


def test_the_same_bytes_again_say_so_and_name_what_judges_them_again(newcomer: Newcomer) -> None:
    done = json.loads(newcomer.run("--file", str(SAMPLE), "--json"))["batches"][0]
    again = newcomer.run("--file", str(SAMPLE))
    assert f"repeated: this delivery is batch {done['batch_id']} of 20" in again and "重复" in again
    assert "the contract has changed since" not in again
    newcomer.mend("implementation: {kind: uscc, level: division}", "implementation: {kind: length, min: 18, max: 18}")
    mended = newcomer.run("--file", str(SAMPLE))
    assert "the contract has changed since" in mended and "此后契约已修改" in mended
    command = f"hub quarantine replay {done['batch_id']} --all --operator NAME --reason TEXT"
    assert command in mended
    # What is named does it, word for word.
    newcomer.says(quarantine.app, *command.replace("NAME", "a.b").replace("TEXT", "mended").split()[2:])
    assert newcomer.asked(f"select count(*) from core.{FEED}") == [(4,)]
    now = newcomer.run("--file", str(SAMPLE))
    assert "replay" not in now and "rows are in quarantine" not in now, "nothing waits any more"
    assert "of the 1 rows that went into quarantine then none waits now" in now and "均已处理完毕" in now


def test_what_waits_in_a_replay_is_told_with_the_delivery(newcomer: Newcomer) -> None:
    first = json.loads(newcomer.run("--file", str(SAMPLE), "--json"))["batches"][0]["batch_id"]
    newcomer.says(quarantine.app, "replay", first, "--all", "--operator", "a.b", "--reason", "once more")
    ((child,),) = newcomer.asked("select batch_id from hub.batch where kind = 'replay'")
    said = newcomer.run("--file", str(SAMPLE))
    assert "1 of its rows wait in quarantine now" in said and f"hub quarantine replay {child} --all" in said


def test_a_file_given_by_hand_while_the_feed_is_paused_says_that_it_is(newcomer: Newcomer) -> None:
    newcomer.says(feed.app, "pause", FEED, "--operator", "Op One", "--reason", "the source is being repaired")
    said = newcomer.run("--file", str(SAMPLE))
    assert f"{FEED} is paused by Op One: the source is being repaired" in said and "手工给出的文件仍予接收" in said
    assert json.loads(newcomer.run("--file", str(SAMPLE), "--json"))["paused"]["operator"] == "Op One"


def test_an_empty_pull_says_nothing_new(newcomer: Newcomer) -> None:
    said = newcomer.run()
    assert said.startswith("nothing new") and "没有新数据" in said
    assert json.loads(newcomer.run("--json"))["batches"] == []


def test_a_batch_without_a_loaded_row_is_no_success(newcomer: Newcomer, tmp_path: Path) -> None:
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    file = tmp_path / "bad.csv"
    file.write_bytes(lines[0] + lines[4])
    said = newcomer.run("--file", str(file), code=1)
    assert "NO ROW WAS LOADED: of 1 rows 1 are in quarantine" in said and "没有任何行入库" in said
    assert "next 下一步: hub quarantine list --batch " in said
    assert "NO ROW WAS LOADED" in newcomer.run("--file", str(file), code=1), "a file given again is told again"
    file.write_bytes(lines[0])
    newcomer.mend("min: 1}", "min: 0}")
    assert "the delivery holds no row" in newcomer.run("--file", str(file))


def test_a_held_batch_names_the_two_decisions(newcomer: Newcomer) -> None:
    newcomer.mend("    severity: error\n    implementation: {kind: row_count, min: 1}", "    severity: error\n"
                  "    implementation: {kind: row_count, min: 100}\n"
                  "    customProperties: [{property: hub.holds_batch, value: true}]")  # fmt: skip
    said = newcomer.run("--file", str(SAMPLE), code=1)
    ((batch_id,),) = newcomer.asked("select batch_id from hub.batch")
    assert "held: nothing of it is loaded" in said and "batch_not_empty" in said
    (chinese,) = [text for text in said.splitlines() if "在具名人员决定之前不入库" in text]
    assert "实际 5，应 ≥ 100" in chinese and "due" not in chinese
    for verb in ("release", "reject"):
        assert f"hub batch {verb} {batch_id} --operator NAME --reason TEXT" in said
    newcomer.says(batch.app, "release", batch_id, "--operator", "a.b", "--reason", "few")
    assert "repeated" in newcomer.run("--file", str(SAMPLE))


def test_what_the_gate_refuses_and_what_cannot_be_read_end_with_1_and_both_remedies(
    newcomer: Newcomer, tmp_path: Path
) -> None:
    newcomer.mend("kind: secrecy, action: refuse_row", "kind: secrecy, action: refuse_delivery")
    said = newcomer.run("--file", str(SAMPLE), code=1)
    assert "refused as a whole at the gate" in said and "整份交付被闸口拒收" in said
    assert "secrecy_mark: A row with a secrecy mark is refused" in said and "含密级标识的行" in said
    assert "the sender takes out" in said and "删去不得报送的内容" in said
    wrong = tmp_path / "wrong.csv"
    wrong.write_bytes(b"\xff\xfe" * 4_000)
    unread = newcomer.run("--file", str(wrong), code=1)
    assert re.search(r"not taken: HUB-SRC-\d{3} ", unread) and "处理办法" in unread and "remedy" in unread
