"""The drop folder: which files are taken, when, in which order, and that nothing outside the root can be reached."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Window
from connectors.errors import (
    FileEmpty,
    FileOutsideRoot,
    FileReplaced,
    FileTooLarge,
    ManifestInvalid,
    ManifestMismatch,
    OptionsInvalid,
)
from connectors.files.root import Found, Root
from connectors.registry import open_file, option_problems
from hub.settings import settings
from tests.connectors.making import Remembered, contract, folder, opened, read

CSV = b"id,name,amount\n1,a,2\n"


def names(root: Path, window: Window | None = None, **options: Any) -> list[str]:
    spec = contract(options={"glob": "*.csv", "stable_seconds": 0, **options})
    return [delivery.name for delivery in opened(spec, folder(root)).deliveries(window or Window())]


def put(path: Path, data: bytes = CSV, mtime: float | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if mtime is not None:
        os.utime(path, (mtime, mtime))
    return path


def test_files_are_taken_oldest_first_without_temporary_ones(tmp_path: Path) -> None:
    put(tmp_path / "b.csv", mtime=200)
    put(tmp_path / "a.csv", mtime=200)
    put(tmp_path / "z.csv", mtime=100)
    for name in ("c.csv.part", "d.tmp", "~$e.csv", ".f.csv", "g.csv~", "h.txt"):
        put(tmp_path / name)
    assert names(tmp_path) == ["z.csv", "a.csv", "b.csv"]


def test_a_folder_that_fills_while_it_is_read_loses_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is no snapshot: of two files that come meanwhile the later may be seen and the earlier not."""
    for number in range(1, 5):
        put(tmp_path / f"{number}.csv", mtime=1_000_000.0 + number)
    whole, looks = Root.find, list[int]()

    def partly(self: Root, pattern: str) -> list[Found]:
        looks.append(1)
        there = whole(self, pattern)
        return [there[0], there[2]] if len(looks) == 1 else there

    monkeypatch.setattr(Root, "find", partly)
    assert names(tmp_path) == ["1.csv", "2.csv", "3.csv"], "4 may have followed others that were not seen"
    assert names(tmp_path) == ["1.csv", "2.csv", "3.csv", "4.csv"]


def test_globs_go_into_folders_only_when_they_say_so(tmp_path: Path) -> None:
    for name in ("a.csv", "in/b.csv", "in/deep/c.csv", "out/d.csv"):
        put(tmp_path / name, mtime=1)
    assert names(tmp_path) == ["a.csv"]
    assert names(tmp_path, glob="in/*.csv") == ["in/b.csv"]
    assert names(tmp_path, glob="**/*.csv") == ["a.csv", "in/b.csv", "in/deep/c.csv", "out/d.csv"]
    assert names(tmp_path, glob="in/**/*.csv") == ["in/b.csv", "in/deep/c.csv"]
    assert names(tmp_path, glob="[io]*/[b-d].csv") == ["in/b.csv", "out/d.csv"]


@pytest.mark.parametrize("glob", ["../*.csv", "/etc/*", "a/../../x.csv", "..", "", "a\\b.csv"])
def test_a_contract_cannot_name_a_path_outside(tmp_path: Path, glob: str) -> None:
    assert option_problems("file_drop", {"glob": glob})
    with pytest.raises(OptionsInvalid):
        names(tmp_path, glob=glob)


def test_links_lead_nowhere(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    put(outside / "secret.csv")
    root.mkdir()
    (root / "link.csv").symlink_to(outside / "secret.csv")
    (root / "folder").symlink_to(outside)
    (root / "inside").mkdir()
    os.mkfifo(root / "pipe.csv")
    assert names(root, glob="**/*.csv") == []
    assert names(root, glob="folder/*.csv") == []
    place = Root(folder(root), "file_drop")
    for name in ("link.csv", "folder/secret.csv", "../outside/secret.csv", "pipe.csv", "inside", str(outside)):
        with pytest.raises(FileOutsideRoot):
            place.open(name)


def test_a_link_swapped_in_after_the_listing_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    put(root / "a.csv")
    secret = put(tmp_path / "secret.csv", b"id,name,amount\n1,secret,2\n")
    (delivery,) = opened(contract(options={"glob": "*.csv", "stable_seconds": 0}), folder(root)).deliveries(Window())
    (root / "a.csv").unlink()
    (root / "a.csv").symlink_to(secret)
    with pytest.raises(FileOutsideRoot):
        read(delivery)


def test_a_file_is_taken_once_it_rests(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv")
    assert names(tmp_path, stable_seconds=60) == []
    # An old mtime alone does not make it rest: copies keep the original's time while they are written.
    os.utime(path, (1, 1))
    assert names(tmp_path, stable_seconds=60) == []
    time.sleep(0.15)
    assert names(tmp_path, stable_seconds=0.1) == ["a.csv"]


def test_a_marker_says_that_a_file_is_complete(tmp_path: Path) -> None:
    put(tmp_path / "a.csv")
    assert names(tmp_path, marker=".done", stable_seconds=60) == []
    put(tmp_path / "a.csv.done", b"")
    assert names(tmp_path, marker=".done", stable_seconds=60, glob="*") == ["a.csv"]


def test_the_marker_of_an_earlier_file_says_nothing_of_the_one_being_written(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", mtime=100)
    put(tmp_path / "a.csv.done", b"", mtime=100)
    assert names(tmp_path, marker=".done") == ["a.csv"], "a clock of whole seconds gives both one time"
    put(tmp_path / "a.csv", CSV[:-3])
    assert names(tmp_path, marker=".done") == [], "half of the next file under the marker of the one before"
    put(tmp_path / "a.csv.done", b"", mtime=time.time() + 1)
    assert names(tmp_path, marker=".done", stable_seconds=60) == ["a.csv"]


def test_the_manifest_of_an_earlier_file_says_nothing_of_the_one_being_written(tmp_path: Path) -> None:
    put(tmp_path / "a.csv.manifest.json", b"{}", mtime=100)
    put(tmp_path / "a.csv", mtime=101)
    assert names(tmp_path, manifest="required") == []
    put(tmp_path / "a.csv.manifest.json", b"{}", mtime=102)
    assert names(tmp_path, manifest="required") == ["a.csv"]


def test_what_is_known_is_not_given_again(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", mtime=1)
    spec = contract(options={"glob": "*.csv", "stable_seconds": 0})
    (first,) = opened(spec, folder(tmp_path)).deliveries(Window())
    rows, _, _ = read(first)
    assert rows == [{"_row": 1, "_line": 2, "_unit": "a.csv", "id": "1", "name": "a", "amount": "2"}]
    assert first.sha256 == hashlib.sha256(CSV).hexdigest()
    assert first.size == len(CSV)
    before = Remembered()
    before.take(first)
    taken = Window(taken=before, cursor=first.cursor_after)
    assert names(tmp_path, taken) == []
    assert names(tmp_path, replace(taken, cursor=None)) == [], "the cursor saves work, it decides nothing"
    put(tmp_path / "a.csv", mtime=5)
    assert names(tmp_path, taken) == [], "touched"
    (tmp_path / "a.csv").rename(tmp_path / "b.csv")
    put(tmp_path / "b.csv", mtime=1)
    assert names(tmp_path, taken) == [], "moved"
    put(tmp_path / "copy.csv", mtime=3)
    assert names(tmp_path, taken) == [], "a copy that says what the latest delivery said"
    assert names(tmp_path, replace(taken, taken=replace(before, last="0@0"))) == ["copy.csv"], (
        "the same bytes after something else came"
    )
    put(tmp_path / "b.csv", CSV + b"2,b,3\n", mtime=2)
    assert names(tmp_path, taken) == ["b.csv"]


def test_a_feed_that_goes_back_to_what_it_said_gives_a_delivery_each_time(tmp_path: Path) -> None:
    a, b = CSV, CSV + b"2,b,3\n"
    given = visits(tmp_path)
    for at, content in enumerate((a, b, a, a, b), start=1):  # under new names
        put(tmp_path / f"{at}.csv", content, mtime=at)
    assert given() == ["1.csv", "2.csv", "3.csv", "5.csv"], "the fourth says what the third said"
    assert given() == []
    for at, content in enumerate((a, b, a), start=10):  # under one name
        put(tmp_path / "5.csv", content, mtime=at)
        assert given() == ["5.csv"]
        assert given() == []
    put(tmp_path / "5.csv", b, mtime=11)
    assert given() == ["5.csv"], "also when the file is put back with its old time"


def visits(root: Path) -> Callable[[], list[str]]:
    """Takes what waits, and remembers it as the hub would."""
    connector = opened(contract(options={"glob": "*.csv", "stable_seconds": 0}), folder(root))
    before, cursor = Remembered(), None

    def given() -> list[str]:
        nonlocal cursor
        found = []
        for delivery in connector.deliveries(Window(taken=before, cursor=cursor)):
            read(delivery)
            found.append(delivery.name)
            before.take(delivery)
            cursor = delivery.cursor_after
        return found

    return given


def test_other_content_of_the_same_size_and_time_is_a_new_delivery(tmp_path: Path) -> None:
    given = visits(tmp_path)
    put(tmp_path / "a.csv", mtime=1)
    assert given() == ["a.csv"]
    put(tmp_path / "a.csv", CSV.replace(b"2", b"3"), mtime=1)
    assert given() == ["a.csv"]
    put(tmp_path / "new", CSV.replace(b"2", b"4"), mtime=1).replace(tmp_path / "a.csv")
    assert given() == ["a.csv"], "also one that was written elsewhere and moved over it"
    assert given() == []


def test_a_copy_beside_its_original_says_it_anew_a_moved_file_does_not(tmp_path: Path) -> None:
    given = visits(tmp_path)
    put(tmp_path / "a.csv", mtime=1)
    assert given() == ["a.csv"]
    put(tmp_path / "b.csv", CSV + b"2,b,3\n", mtime=2)
    assert given() == ["b.csv"]
    (tmp_path / "a.csv").rename(tmp_path / "moved.csv")
    assert given() == []
    (tmp_path / "moved.csv").rename(tmp_path / "a.csv")
    time.sleep(0.02)  # file systems tell times in steps of the kernel's clock
    put(tmp_path / "c.csv", mtime=1)
    assert given() == ["c.csv"]
    assert given() == []


def test_a_copy_that_lay_there_all_the_time_says_nothing_anew(tmp_path: Path) -> None:
    given = visits(tmp_path)
    put(tmp_path / "a.csv", mtime=2)
    put(tmp_path / "copy.csv", mtime=2)
    assert given() == ["a.csv"]
    time.sleep(0.02)
    put(tmp_path / "b.csv", CSV + b"2,b,3\n", mtime=1)
    assert given() == ["b.csv"]
    assert given() == []


def test_the_cursor_saves_hashing_and_never_hides_a_file_that_was_not_taken(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", mtime=1)
    put(tmp_path / "b.csv", CSV + b"9,z,9\n", mtime=2)
    connector = opened(contract(options={"glob": "*.csv", "stable_seconds": 0}), folder(tmp_path))
    a, b = connector.deliveries(Window())
    read(a)
    read(b)
    assert b.cursor_after is not None and set(b.cursor_after["files"]) == {"a.csv", "b.csv"}
    assert json.loads(json.dumps(b.cursor_after)) == b.cursor_after
    # b was read but never loaded: its hash is not among the known ones.
    assert names(tmp_path, Window(taken=Remembered({str(a.appearance)}), cursor=b.cursor_after)) == ["b.csv"]


def test_a_backfill_takes_an_interval_again_and_moves_no_cursor(tmp_path: Path) -> None:
    put(tmp_path / "a.csv", mtime=datetime(2024, 3, 1, 12, tzinfo=UTC).timestamp())
    put(tmp_path / "b.csv", mtime=datetime(2024, 3, 2, 12, tzinfo=UTC).timestamp())
    window = Window(
        interval_start=datetime(2024, 3, 1, tzinfo=UTC),
        interval_end=datetime(2024, 3, 2, tzinfo=UTC),
        taken=Remembered({f"{hashlib.sha256(CSV).hexdigest()}@{(tmp_path / 'a.csv').stat().st_mtime_ns}"}),
    )
    spec = contract(options={"glob": "*.csv", "stable_seconds": 0})
    (delivery,) = opened(spec, folder(tmp_path)).deliveries(window)
    read(delivery)
    assert (delivery.name, delivery.cursor_after) == ("a.csv", None)


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    line = b"1,a,2\n"
    path = put(tmp_path / "a.csv", b"id,name,amount\n" + line * 2_000_000)
    spec = contract(options={"glob": "*.csv", "stable_seconds": 0})
    for change in (
        lambda: path.open("ab").write(line),
        lambda: put(tmp_path / "new.tmp", path.read_bytes()).replace(path),
        path.unlink,
    ):
        (delivery,) = opened(spec, folder(tmp_path), 65_536).deliveries(Window())
        pages = delivery.pages()
        next(pages)
        change()
        with pytest.raises(FileReplaced):
            list(pages)
        delivery.close()
        assert delivery.sha256 is None


def test_a_manifest_is_held_against_its_file(tmp_path: Path) -> None:
    put(tmp_path / "a.csv")
    spec = contract(options={"glob": "*.csv", "stable_seconds": 0, "manifest": "required"})
    connector = opened(spec, folder(tmp_path))
    assert list(connector.deliveries(Window())) == []
    good = {"file": "a.csv", "sha256": hashlib.sha256(CSV).hexdigest(), "rows": 1, "sender": "someone"}
    put(tmp_path / "a.csv.manifest.json", json.dumps(good).encode())
    (delivery,) = connector.deliveries(Window())
    read(delivery)
    assert delivery.facts["manifest"] == good
    for wrong in ({"rows": 2}, {"sha256": "0" * 64}, {"file": "b.csv"}):
        put(tmp_path / "a.csv.manifest.json", json.dumps(good | wrong).encode())
        (delivery,) = connector.deliveries(Window())
        with pytest.raises(ManifestMismatch, match=r"a\.csv has .* a\.csv\.manifest\.json says"):
            read(delivery)
    for text in (b"{", b"[1]", b'{"rows": true}', b'{"evil": 1}', b"[" * 100_000, b"\xff", b"x" * 300_000):
        put(tmp_path / "a.csv.manifest.json", text)
        (delivery,) = connector.deliveries(Window())
        with pytest.raises(ManifestInvalid):
            read(delivery)


def test_a_file_above_the_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.csv", CSV * 100)
    monkeypatch.setattr(settings(), "max_file_bytes", 1024)
    (delivery,) = opened(contract(options={"glob": "*.csv", "stable_seconds": 0}), folder(tmp_path)).deliveries(
        Window()
    )
    with pytest.raises(FileTooLarge, match="bound is 1024"):
        read(delivery)


def test_a_file_given_by_hand_needs_no_glob_and_no_rest(tmp_path: Path) -> None:
    path = put(tmp_path / "anything.txt")
    spec = contract(options={"glob": "never/*.xlsx"})
    delivery = open_file(spec, spec.sources[0], path, 1000)
    rows, _, _ = read(delivery)
    assert [row["name"] for row in rows] == ["a"]
    assert delivery.cursor_after is None
    assert delivery.original == path


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "glob"),
        ({"glob": "*", "encoding": "gbk"}, "gb18030"),
        ({"glob": "*", "encoding": "latin-9"}, "one of"),
        ({"glob": "*", "delimiter": "||"}, "delimiter"),
        ({"glob": "*", "host": "evil.example"}, "host"),
        ({"glob": "*", "password": "x"}, "password"),
        ({"glob": "*", "marker": "../x"}, "dot"),
        ({"glob": "*", "header_row": 0}, "header_row"),
    ],
)
def test_options_that_a_contract_may_not_say(options: dict[str, Any], word: str) -> None:
    assert any(word in problem for problem in option_problems("file_drop", options))


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
