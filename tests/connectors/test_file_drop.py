"""The drop folder: which files are taken, when, in which order, and that nothing outside the root can be reached."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Window
from connectors.errors import (
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
from tests.connectors.dropped import CSV, names, put
from tests.connectors.making import contract, folder, opened, read


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
