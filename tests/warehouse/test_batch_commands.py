"""The commands on batches and the quarantine as a person types them: beginnings of ids, --last, names that nothing has."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from contracts.model import RowRule
from hub.errors import HubException, NameUnknown
from hub.ids import BatchId, RuleId
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import HELD, contract, drop, row
from warehouse import way
from warehouse.batch_choice import chosen
from warehouse.commands import batch as batch_command
from warehouse.commands import quarantine as quarantine_command
from warehouse.engine import transaction
from warehouse.errors import BatchAmbiguous, BatchUnknown, BatchUnnamed, SheetUnwritable
from warehouse.tables import batch as batch_table

pytestmark = pytest.mark.stack

APPS = {"batch": batch_command.app, "quarantine": quarantine_command.app}


def typed(command: str) -> Any:
    """What a command printed, JSON read."""
    words = shlex.split(command.removeprefix("hub "))
    result = CliRunner().invoke(APPS[words[0]], words[1:])
    if isinstance(result.exception, HubException):
        raise result.exception
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout) if "--json" in words else result.stdout


def bad(hub: Hub, name: str = "a.csv", first: int = 1) -> BatchId:
    """A batch with one good row and one in quarantine."""
    drop(hub.drop, name, [row(first), row(first + 1, amount="-1")])
    return way.run_feed(contract())[0].batch_id


def test_a_batch_is_named_by_its_beginning(hub: Hub) -> None:
    one, two = bad(hub), bad(hub, "b.csv", 5)
    assert chosen(one, last=False) == one
    unlike = next(at for at in range(len(one)) if one[at] != two[at]) + 1
    assert chosen(one[:unlike], last=False) == one and chosen(two[:unlike].upper(), last=False) == two
    with pytest.raises(BatchAmbiguous) as caught:
        chosen(one[: unlike - 1], last=False)
    assert one in caught.value.sentence() and two in caught.value.sentence() and caught.value.exit_code == 2
    for wrong in ("", "%", "_" * 36, one + "0", "\0"):
        with pytest.raises(BatchUnknown):
            chosen(wrong, last=False)
    with pytest.raises(BatchUnnamed):
        chosen(None, last=False)
    with pytest.raises(BatchUnnamed):
        chosen(one, last=True)


def test_many_candidates_are_counted_and_not_all_listed(hub: Hub) -> None:
    with transaction() as conn:
        for number in range(12):
            conn.execute(
                batch_table.insert().values(
                    batch_id=f"same-{number:02}", feed="f", contract_version="1", contract_sha256="0", kind="pull",
                    source="s", delivery="d", state="opened",
                )
            )  # fmt: skip
    with pytest.raises(BatchAmbiguous, match="12 batches begin with same") as caught:
        chosen("same", last=False)
    assert "same-11" in str(caught.value) and "same-01" not in str(caught.value) and "…" in str(caught.value)


def test_the_last_batch_is_the_newest_with_which_it_can_be_done(hub: Hub) -> None:
    for kind in ("any", "held", "waiting", "corrected"):
        with pytest.raises(BatchUnnamed):
            chosen(None, last=True, kind=kind)  # type: ignore[arg-type]
    waiting = bad(hub)
    drop(hub.drop, "b.csv", [row(9)])
    held = way.run_feed(contract(batch_rules=(HELD,)))[0].batch_id
    drop(hub.drop, "c.csv", [row(8)])
    newest = way.run_feed(contract())[0].batch_id
    assert [chosen(None, True, kind) for kind in ("any", "held", "waiting")] == [newest, held, waiting]
    assert typed("hub batch show --last --json")["batch_id"] == newest
    assert typed("hub quarantine show --last 2 --json")["row"] == 2
    assert typed(f"hub quarantine show {waiting} 2 --json")["batch_id"] == waiting
    assert [one["row"] for one in typed("hub quarantine list --last --json")] == [2]
    with pytest.raises(BatchUnnamed, match="row's number"):
        typed("hub quarantine show --last")


def test_the_next_line_is_right_word_for_word(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine_command.catalogue, "load_one", lambda _: contract())
    batch = bad(hub)
    sheet = tmp_path / "a sheet.csv"
    exported = typed(f"hub quarantine export --last --to {shlex.quote(str(sheet))}")
    sheet.write_text(sheet.read_text(encoding="utf-8-sig").replace("'-1", "7"), encoding="utf-8")
    following = next_line(exported).replace("NAME", "'Li Ming'").replace("WHY", '"typist\'s slip"')
    assert batch in following
    fixed = typed(following)
    assert "1 values in 1 rows" in fixed
    assert next_line(fixed) == f"hub quarantine replay {batch} --operator 'Li Ming' --reason 'typist'\"'\"'s slip'"
    assert "loaded" in typed(next_line(fixed))
    assert hub.value("select state from hub.quarantine") == "replayed"


def next_line(printed: str) -> str:
    (line,) = [line for line in printed.splitlines() if line.startswith("next 下一步: ")]
    return line.removeprefix("next 下一步: ")


@pytest.mark.parametrize(
    "command",
    ["batch list --feed {}", "quarantine list --feed {}", "batch list --state {}", "quarantine list --rule {}"],
)
def test_a_name_that_nothing_has_is_an_error_and_no_empty_table(hub: Hub, command: str) -> None:
    bad(hub)
    with pytest.raises(NameUnknown) as caught:
        typed(command.format("no_such_thing"))
    assert caught.value.exit_code == 2
    near = {"--feed": "sample_voucher", "--state": "hold", "--rule": "amount.rnge"}[command.split()[2]]
    meant = {"--feed": "sample_vouchers", "--state": "held", "--rule": "amount.range"}[command.split()[2]]
    with pytest.raises(NameUnknown, match=f"did you mean [^?]*{meant}"):
        typed(command.format(near))
    typed(command.format(meant))


def test_an_export_that_can_not_be_written_says_where_and_what_ends_well(hub: Hub, tmp_path: Path) -> None:
    batch = bad(hub)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "a_file").write_text("x")
    for place, why in (
        (tmp_path / "x.txt", ".csv or .xlsx"),
        (tmp_path / "x", ".csv or .xlsx"),
        (tmp_path / "nowhere" / "x.csv", "no folder"),
        (tmp_path / "folder.csv", "folder"),
        (tmp_path / "a_file" / "x.xlsx", "no folder"),
        (Path("/proc/x.csv"), "/proc/x.csv"),
    ):
        with pytest.raises(SheetUnwritable, match=why) as caught:
            typed(f"hub quarantine export {batch} --to {place}")
        assert str(place) in caught.value.sentence() and ".csv or .xlsx" in caught.value.remedy()
    assert not (tmp_path / "x.txt").exists()


def test_rows_that_are_only_warned_of_are_counted_apart(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = RowRule(RuleId("note.required"), "required", ("note",), severity="warning")
    strict = contract()
    mixed = contract(row_rules=(*strict.row_rules, warning))
    monkeypatch.setattr(batch_command.catalogue, "load_one", lambda _: mixed)
    drop(hub.drop, "a.csv", [row(1), row(2, amount="-1", note=""), row(3, amount="-1"), row(4, note="")])
    batch = way.run_feed(mixed)[0].batch_id
    counts = {one["rule"]: one for one in typed("hub quarantine list --json")}
    assert (counts["amount.range"]["refused_rows"], counts["amount.range"]["warned_rows"]) == (2, None)
    assert (counts["note.required"]["refused_rows"], counts["note.required"]["warned_rows"]) == (None, 1)
    first, second = typed(f"hub quarantine list --batch {batch} --json")
    assert (first["rules"], first["warnings"]) == (["amount.range"], ["note.required"])
    assert (second["rules"], second["warnings"]) == (["amount.range"], [])
    (line,) = [line for line in typed(f"hub batch show {batch}").splitlines() if line.startswith("note.required")]
    assert line.split() == ["note.required", "-", "1"]


def test_a_batch_shows_what_the_gate_refused_without_a_value(hub: Hub) -> None:
    drop(hub.drop, "a.csv", [row(1), row(2, note="机密")])
    batch = way.run_feed(contract())[0].batch_id
    shown = typed(f"hub batch show {batch}")
    assert "refused at the gate" in shown and f"hub trace --batch {batch} --row 2" in shown and "机密" not in shown
    (refused,) = typed(f"hub batch show {batch} --json")["refusals"]
    assert (refused["row"], refused["source_row"], refused["rule"]) == (2, 3, "mark")
