"""The catalogue: all contracts from a cache that anyone may delete or damage, quickly, the broken ones beside the rest."""

import dataclasses
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import catalogue, reader
from contracts.errors import ContractInvalid, FeedUnknown
from contracts.packing import pack, unpack
from hub.settings import ROOT
from tests.contracts.sample import SAMPLE, changed, folder, write

OTHER = SAMPLE.replace("audit_samples", "audit_others").replace("hub.audit.sample.v2", "hub.audit.other.v2")
REFERRING = changed(
    "  - name: remark\n",
    "  - name: other_no\n    businessName: 其他编号\n    description: Another sample\n    logicalType: string\n"
    "    classification: internal\n    relationships:\n    - {to: audit_others.sample_no}\n  - name: remark\n",
)


@pytest.fixture
def house(tmp_path):
    return folder(tmp_path / "contracts", audit_samples=SAMPLE, audit_others=OTHER), tmp_path / "cache"


@pytest.fixture
def reads(monkeypatch):
    """The files that were read as YAML."""
    seen = []
    examine = reader.examine
    monkeypatch.setattr(reader, "examine", lambda path, **more: (seen.append(path.name), examine(path, **more))[1])
    return seen


def test_all_contracts_are_there_and_the_same_from_the_cache(house, reads):
    first = catalogue.load(*house)
    assert list(first.feeds) == ["audit_others", "audit_samples"]
    assert len(reads) == 2
    again = catalogue.load(*house)
    for feed in first.feeds:
        straight = reader.read(house[0] / first.feeds[feed].path, root=house[0])
        assert again.feeds[feed] == first.feeds[feed] == straight
    assert catalogue.load_one("audit_samples", *house) == again.feeds["audit_samples"]
    assert len(reads) == 4  # only the two straight ones above


def test_a_broken_contract_takes_no_other_down(house, reads):
    write(house[0], "audit_broken", "id: [")
    for _ in range(2):  # read, then from the cache
        found = catalogue.load(*house)
        assert list(found.feeds) == ["audit_others", "audit_samples"]
        (broken,) = found.broken
        assert (broken.id, broken.path) == ("audit_broken", "feeds/audit/audit_broken.odcs.yaml")
        assert broken.problems[0].code == "HUB-CON-112"
        assert broken.problems[0].sentence("zh")
        assert str(broken.error)
    assert len(reads) == 3
    with pytest.raises(ContractInvalid):
        found.get("audit_broken")
    with pytest.raises(ContractInvalid):
        catalogue.load_one("audit_broken", *house)
    assert found.get("audit_samples").id == "audit_samples"


def test_an_unknown_feed_is_said_so(house):
    for feed in ("audit_none", "../../etc/passwd", "audit_samples.odcs.yaml", ""):
        with pytest.raises(FeedUnknown):
            catalogue.load_one(feed, *house)
        with pytest.raises(FeedUnknown):
            catalogue.load(*house).get(feed)


def test_a_changed_file_is_read_again_and_only_that_one(house, reads):
    catalogue.load(*house)
    write(house[0], "audit_samples", SAMPLE.replace('version: "2.3.1"', 'version: "2.4.0"'))
    assert catalogue.load(*house).feeds["audit_samples"].version == "2.4.0"
    assert reads[2:] == ["audit_samples.odcs.yaml"]
    write(house[0], "audit_samples", SAMPLE.replace('version: "2.3.1"', 'version: "2.5.0"'))
    assert catalogue.load_one("audit_samples", *house).version == "2.5.0"
    assert catalogue.load(*house).feeds["audit_samples"].version == "2.5.0"
    assert len(reads) == 4  # what load_one read was taken over


def test_a_file_that_is_only_touched_is_not_read_again(house, reads):
    catalogue.load(*house)
    write(house[0], "audit_samples", SAMPLE)
    catalogue.load(*house)
    catalogue.load_one("audit_samples", *house)
    assert len(reads) == 2


def test_a_file_taken_away_is_gone(house):
    catalogue.load(*house)
    (house[0] / "feeds/audit/audit_others.odcs.yaml").unlink()
    assert list(catalogue.load(*house).feeds) == ["audit_samples"]
    with pytest.raises(FeedUnknown):
        catalogue.load_one("audit_others", *house)


def test_a_reference_breaks_and_heals_with_the_other_contract(house):
    write(house[0], "audit_samples", REFERRING)
    assert not catalogue.load(*house).broken
    write(house[0], "audit_others", OTHER.replace("sample_no", "item_no"))
    for _ in range(2):
        assert [entry.id for entry in catalogue.load(*house).broken] == ["audit_samples"]
    with pytest.raises(ContractInvalid):
        catalogue.load_one("audit_samples", *house)
    write(house[0], "audit_others", OTHER)
    assert catalogue.load_one("audit_samples", *house).id == "audit_samples"
    assert not catalogue.load(*house).broken
    (house[0] / "feeds/audit/audit_others.odcs.yaml").unlink()
    assert [entry.id for entry in catalogue.load(*house).broken] == ["audit_samples"]
    write(house[0], "audit_others", OTHER)
    assert not catalogue.load(*house).broken


def test_two_files_of_one_name_are_met_loudly(house):
    path = house[0] / "feeds" / "finance" / "audit_samples.odcs.yaml"
    path.parent.mkdir()
    path.write_text(SAMPLE, encoding="utf-8")
    found = catalogue.load(*house)
    assert found.feeds["audit_samples"].path.startswith("feeds/audit/")
    assert [(entry.id, entry.problems[0].code) for entry in found.broken] == [("audit_samples", "HUB-CON-144")]
    assert found.get("audit_samples").path.startswith("feeds/audit/")  # the sound one runs on


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"null", b"[]", b'{"fingerprint": 1}', b"\x00" * 100, b"{}"],
    ids=["empty", "cut", "null", "list", "other", "zeros", "bare"],
)
def test_a_damaged_cache_is_rebuilt(house, damage):
    whole = catalogue.load(*house).feeds["audit_samples"]
    for path in house[1].rglob("*.json"):
        path.write_bytes(damage)
    assert catalogue.load(*house).feeds["audit_samples"] == whole
    for path in house[1].rglob("*.json"):
        path.write_bytes(damage)
    assert catalogue.load_one("audit_samples", *house) == whole


def test_a_damaged_contract_in_a_sound_cache_is_rebuilt(house):
    whole = catalogue.load(*house).feeds["audit_samples"]
    (path,) = house[1].rglob("audit_samples.json")
    document = json.loads(path.read_text())
    document["entry"][5] = document["entry"][5][:-3]
    path.write_text(json.dumps(document))
    assert catalogue.load(*house).feeds["audit_samples"] == whole
    path.unlink()
    assert catalogue.load(*house).feeds["audit_samples"] == whole


def test_another_version_of_the_code_reads_anew(house, reads, monkeypatch):
    catalogue.load(*house)
    monkeypatch.setattr(catalogue, "_fingerprint", lambda root: "another")
    catalogue.load(*house)
    assert len(reads) == 4


def test_a_new_code_list_is_noticed(house):
    write(house[0], "audit_samples", SAMPLE.replace("value: divisions", "value: places"))
    assert catalogue.load(*house).broken
    (house[0] / "codes" / "places.csv").write_bytes((house[0] / "codes" / "divisions.csv").read_bytes())
    assert not catalogue.load(*house).broken


def test_a_cache_that_cannot_be_written_only_costs_time(house):
    (house[1]).write_text("a file where the folder should be")
    assert len(catalogue.load(*house).feeds) == 2
    assert catalogue.load_one("audit_samples", *house).id == "audit_samples"


def test_no_contracts_at_all(tmp_path):
    assert len(catalogue.load(tmp_path / "nothing", tmp_path / "cache").feeds) == 0


def test_many_readers_and_a_writer_at_once(house):
    catalogue.load(*house)
    stop = threading.Event()

    def disturb():
        number = 0
        while not stop.is_set():
            number += 1
            write(house[0], "audit_others", OTHER.replace('"2.3.1"', f'"2.3.{number}"'))
            for path in house[1].rglob("*.json"):
                path.unlink(missing_ok=True)

    def look(_):
        found = catalogue.load(*house)
        # While the file is being written it may be found half; the other one never suffers.
        return found.feeds["audit_samples"].version, len(found.feeds) + len(found.broken)

    writer = threading.Thread(target=disturb)
    writer.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(look, range(24))) == {("2.3.1", 2)}
    finally:
        stop.set()
        writer.join()
    assert not list(house[1].rglob("*.tmp"))


def test_a_thousand_contracts_are_listed_from_the_index_and_read_one_by_one_when_asked_for(tmp_path):
    """What makes them quick (`benchmarks/dag_factory.py` has the times): which files are opened."""
    root = folder(tmp_path / "contracts")
    contract = reader.read(write(root, "audit_samples", SAMPLE), root=root)
    store = catalogue._Store(root, tmp_path / "cache")
    rows = []
    for number in range(1_000):
        feed = f"audit_x{number:04d}"
        path = write(root, feed, SAMPLE.replace("audit_samples", feed))
        file = f"feeds/audit/{path.name}"
        packed = pack(dataclasses.replace(contract, id=feed, path=file))
        entry = catalogue._Entry(file, catalogue._signature(path), store.sha256(file), {}, None, packed)
        store.write(feed, {"entry": [*catalogue._row(entry), packed]})
        rows.append(catalogue._row(entry))
    time.sleep(2.1)  # files as old as the index are looked at again
    store.write("index", {"files": rows})
    catalogue.load(root, tmp_path / "cache")  # reads the one contract that the index lacks
    code = (
        "import sys\nfrom pathlib import Path\nfrom contracts import catalogue\nroot, cache = map(Path, sys.argv[1:])\n"
        "opened = []\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).startswith(str(root.parent)): opened.append(str(args[0]))\n"
        "sys.addaudithook(hook)\n"
        "found = catalogue.load(root, cache); listed = len(opened)\n"
        "opened.clear(); catalogue.load_one('audit_x0500', root, cache); single = len(opened)\n"
        "opened.clear(); fields = sum(len(found.feeds[feed].fields) for feed in found.feeds)\n"
        "print(len(found.feeds), listed, single, len(opened), sum(name.endswith('.yaml') for name in opened), fields)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code, str(root), str(tmp_path / "cache")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    count, listed, single, decoded, parsed, fields = (int(part) for part in out.stdout.split())
    assert (count, fields) == (1_001, 1_001 * 8)
    assert listed <= 3, "the index, not a file each"
    assert single <= 3, "one contract, not all"
    assert decoded <= 2 * 1_001 and not parsed, "each from the cache, none from its YAML"


def test_importing_it_loads_nothing_heavy():
    code = (
        "import sys\nfrom contracts import catalogue\n"
        "print(sorted(set(sys.modules) & {'yaml', 'jsonschema', 're2', 'pyarrow', 'pydantic', 'great_expectations', 'polars', 'numpy'}))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_packing_refuses_what_it_did_not_make(data):
    junk = data.draw(
        st.recursive(
            st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=5), max_leaves=12
        )
    )
    try:
        unpack(junk if isinstance(junk, list) else [junk])
    except (TypeError, ValueError, KeyError, AttributeError, IndexError):
        return
    raise AssertionError("junk became a contract")
