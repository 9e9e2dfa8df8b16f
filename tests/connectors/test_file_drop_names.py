"""The drop folder: file names in other encodings, and such that a terminal would obey."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from connectors.base import Window
from connectors.errors import (
    FileEmpty,
)
from connectors.files.root import Root
from tests.connectors.dropped import names, put
from tests.connectors.making import Remembered, contract, folder, opened, read


def gbk(name: str) -> str:
    """A name as a sender on Windows in Chinese writes it, as Python lists it."""
    return os.fsdecode(name.encode("gb18030"))


@pytest.mark.parametrize("name", ["支付明细.csv", "乗用车.csv", "𠮷.csv"])  # the second has a backslash for a byte
def test_a_name_that_is_not_utf8_is_read_as_gb18030(tmp_path: Path, name: str) -> None:
    put(tmp_path / gbk("国库") / gbk(name))
    put(tmp_path / gbk("国库") / f"{gbk(name)}.manifest.json", json.dumps({"file": name, "rows": 1}).encode())
    spec = contract(options={"glob": f"国库/{name[0]}*.csv", "stable_seconds": 0})
    (delivery,) = opened(spec, folder(tmp_path)).deliveries(Window())
    rows, _, _ = read(delivery)
    assert [row["name"] for row in rows] == ["a"]
    assert delivery.name == f"国库/{name}"
    assert delivery.original is not None and delivery.original.is_file()
    assert json.loads(json.dumps(delivery.cursor_after)) == delivery.cursor_after
    assert json.dumps([delivery.name, delivery.facts, delivery.cursor_after], ensure_ascii=False).encode()
    again = Window(cursor=delivery.cursor_after, taken=Remembered({str(delivery.appearance)}))
    assert list(opened(spec, folder(tmp_path)).deliveries(again)) == []


def test_a_name_that_is_nothing_known_is_written_out(tmp_path: Path) -> None:
    put(tmp_path / os.fsdecode(b"\xff\xfe.csv"))
    assert names(tmp_path) == ["\\xff\\xfe.csv"]


def test_two_names_that_read_alike_stay_two(tmp_path: Path) -> None:
    put(tmp_path / gbk("支付.csv"))
    put(tmp_path / "支付.csv")
    assert sorted(names(tmp_path)) == ["\\xd6\\xa7\\xb8\\xb6.csv", "支付.csv"]


def test_an_error_names_a_file_whose_name_is_not_utf8(tmp_path: Path) -> None:
    put(tmp_path / gbk("支付.csv"), b"")
    (delivery,) = opened(contract(options={"glob": "*.csv", "stable_seconds": 0}), folder(tmp_path)).deliveries(
        Window()
    )
    with pytest.raises(FileEmpty) as caught:
        read(delivery)
    assert caught.value.sentence().encode() and "支付.csv" in caught.value.sentence()


def test_a_name_that_a_terminal_would_obey_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "\x1b]0;pwned\x07\x1b[31mred.csv").write_text("a,b\n1,2\n")
    (tmp_path / "汇总\u3000表.csv").write_text("a,b\n1,2\n")
    assert sorted(found.name for found in Root(folder(tmp_path), "file_drop").find("*.csv")) == [
        "\\x1b]0;pwned\\x07\\x1b[31mred.csv",
        "汇总\u3000表.csv",
    ]
