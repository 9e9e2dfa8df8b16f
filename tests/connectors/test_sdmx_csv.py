"""SDMX-CSV: both versions, labels, actions, and every way in which a message can miss its structure."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Window
from connectors.errors import HeaderUnusable, OptionsInvalid
from connectors.registry import open_file
from connectors.sdmx.errors import ActionsConflict, MergePartial, SdmxInvalid, StructureMismatch, StructureUnreadable
from connectors.sdmx.structure import read_structure
from hub.settings import load_settings, settings
from tests.connectors.making import contract, folder, opened, read
from tests.connectors.structures import structure

STRUCTURE = structure(
    {"FREQ": ["A", "M"], "AREA": ["CN", "DE"]},
    attributes={"STATUS": ["A", "E"], "NOTE": None, "FLAGS": ["x", "y"]},
    time="TIME_PERIOD",
    flow="DF",
)
HEAD = "STRUCTURE,STRUCTURE_ID,ACTION,FREQ,AREA,TIME_PERIOD,OBS_VALUE,STATUS,NOTE\n"
KEY = ("FREQ", "AREA", "TIME_PERIOD")


def message(
    tmp_path: Path, text: str | bytes, *, xml: bytes | None = STRUCTURE, page_rows: int = 1000, **more: Any
) -> Any:
    (tmp_path / "m.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    if xml is not None:
        (tmp_path / "s.xml").write_bytes(xml)
    options = {"glob": "*.csv", "stable_seconds": 0, **more.pop("options", {})}
    spec = contract(
        ("FREQ", "AREA", "TIME_PERIOD", "OBS_VALUE", "STATUS", "NOTE"),
        connector="sdmx_csv",
        options=options,
        structure="s.xml" if xml is not None else None,
        **more,
    )
    (delivery,) = opened(spec, folder(tmp_path), page_rows).deliveries(Window())
    return delivery, read(delivery)[0]


def problems(tmp_path: Path, *rows: str) -> list[str | None]:
    lines = [f"dataflow,AG:DF(1.0),{row}" for row in rows]
    return [row["_problems"] for row in message(tmp_path, HEAD + "\n".join(lines) + "\n")[1]]


def test_version_1(tmp_path: Path) -> None:
    delivery, rows = message(
        tmp_path,
        "DATAFLOW,FREQ,AREA,TIME_PERIOD,OBS_VALUE,STATUS\nAG:DF(1.0),A,CN,2024,1.50,A\nAG:DF(9.0),A,CN,2023,,\n",
    )
    assert rows[0] == {
        "_row": 1, "_line": 2, "_unit": "m.csv", "FREQ": "A", "AREA": "CN", "TIME_PERIOD": "2024",
        "OBS_VALUE": "1.50", "STATUS": "A", "_problems": None,
    }  # fmt: skip
    assert rows[1]["_problems"] == "DATAFLOW"
    assert delivery.facts["sdmx"]["version"] == "1.0"
    assert delivery.facts["sdmx"]["structures"] == ["AG:DF(1.0)", "AG:DF(9.0)"]


def test_version_2_and_its_actions(tmp_path: Path) -> None:
    rows = [f"dataflow,AG:DF(1.0),{action},A,CN,{2000 + index},{values}" for index, (action, values) in enumerate(
        [("I", "1,,"), ("A", "2,A,#N/A"), ("M", "3,A,text"), ("R", "4,,"), ("D", ",,")]
    )]  # fmt: skip
    delivery, found = message(tmp_path, HEAD + "\n".join(rows) + "\n")
    assert [row["_action"] for row in found] == [None, "M", "M", "R", "D"]
    assert [row["_problems"] for row in found] == [None] * 5
    assert "ACTION" not in found[0] and "STRUCTURE" not in found[0]
    assert delivery.facts["sdmx"]["structure"] == "AG:DSD(1.0)"


@pytest.mark.parametrize("action", ["A", "M"])
@pytest.mark.parametrize("page_rows", [1, 1000])
def test_a_merge_that_leaves_something_as_it_was_is_refused(tmp_path: Path, action: str, page_rows: int) -> None:
    rows = ["R,A,CN,2024,1,,", f"{action},A,CN,2023,1,A,x", f"{action},A,CN,2022,,A,", f"{action},A,CN,2021,1,,x"]
    text = HEAD + "".join(f"dataflow,AG:DF(1.0),{row}\n" for row in rows)
    with pytest.raises(MergePartial) as caught:
        message(tmp_path, text, page_rows=page_rows)
    told = caught.value
    assert told.code == "HUB-SRC-084" and "3" in told.sentence() and "OBS_VALUE" in told.sentence()
    assert "#N/A" in told.remedy() and "#N/A" in told.remedy("zh")
    with pytest.raises(MergePartial):  # without a structure too: what is no key may be left as it was
        message(tmp_path, text, xml=None, page_rows=page_rows, key=KEY)


def test_a_merge_without_a_column_that_the_contract_takes_is_refused(tmp_path: Path) -> None:
    text = "STRUCTURE,STRUCTURE_ID,ACTION,FREQ,AREA,TIME_PERIOD,OBS_VALUE,STATUS\n"
    with pytest.raises(MergePartial, match="NOTE"):
        message(tmp_path, f"{text}dataflow,AG:DF(1.0),M,A,CN,2024,1,A\n")
    assert len(message(tmp_path, f"{text}dataflow,AG:DF(1.0),R,A,CN,2024,1,A\n")[1]) == 1


def test_a_message_without_actions_has_no_action_column(tmp_path: Path) -> None:
    _, (row,) = message(tmp_path, HEAD.replace("ACTION,", "") + "dataflow,AG:DF(1.0),A,CN,2024,1,,\n")
    assert "_action" not in row


def test_what_breaks_the_structure_is_named_by_column(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        "I,A,CN,2024,1,A,free: text",
        "I,Q,CN,2024,1,A,",
        "I,A,XX,2024,1,Z,",
        "I,,CN,2024,1,A,",
        "I,A,~,2024,1,A,",
        "E,A,CN,2024,1,A,",
        "I,A,CN,,1,,",
    ) == [None, "FREQ", "AREA,STATUS", "FREQ", "AREA", "ACTION", "TIME_PERIOD"]


def test_a_delete_takes_one_whole_record(tmp_path: Path) -> None:
    assert problems(tmp_path, "D,A,CN,2024,,,", "D,A,,2024,,,", "D,A,CN,2023,-,,", "D,A,CN,2022,,-,-") == [
        None, "AREA", "OBS_VALUE", "STATUS,NOTE",
    ]  # fmt: skip


def test_missing_on_purpose_is_null(tmp_path: Path) -> None:
    _, rows = message(tmp_path, HEAD + "dataflow,AG:DF(1.0),I,A,CN,2024,NaN,#N/A,NaN\n")
    assert (rows[0]["OBS_VALUE"], rows[0]["STATUS"], rows[0]["NOTE"], rows[0]["_problems"]) == (None, None, None, None)


@pytest.mark.parametrize("page_rows", [1, 1000])
def test_different_actions_on_one_key_are_refused(tmp_path: Path, page_rows: int) -> None:
    rows = ["I,A,CN,2024,1,,", "I,A,DE,2024,1,,", "D,A,CN,2024,,,"]
    with pytest.raises(ActionsConflict, match="rows 1, 3"):
        message(tmp_path, HEAD + "".join(f"dataflow,AG:DF(1.0),{row}\n" for row in rows), page_rows=page_rows)
    # The same action twice is for the duplicate rules.
    rows[2] = "I,A,CN,2024,2,,"
    assert len(message(tmp_path, HEAD + "".join(f"dataflow,AG:DF(1.0),{row}\n" for row in rows))[1]) == 3


def test_labels_both(tmp_path: Path) -> None:
    text = (
        "STRUCTURE[|];STRUCTURE_ID;ACTION;SERIES_KEY;FREQ: Frequency;AREA: Area;TIME_PERIOD: Time;OBS_VALUE: Value;STATUS: Status;NOTE: Note\n"
        "dataflow;AG:DF(1.0): A flow: with colon;I;A.CN;A: Annual;CN: China: mainland;2024-01: 2024-01;12,4;A: Normal;see: there\n"
        "dataflow;AG:DF(1.0): A flow;I;A.CN;A: Annual;QQ: Nowhere;2024-02: 2024-02;12,5: 12,5;;x: x\n"
    )
    _, rows = message(tmp_path, text)
    assert {name: rows[0][name] for name in (*KEY, "OBS_VALUE", "STATUS", "NOTE", "_problems")} == {
        "FREQ": "A", "AREA": "CN", "TIME_PERIOD": "2024-01", "OBS_VALUE": "12,4", "STATUS": "A", "NOTE": "see: there", "_problems": None,
    }  # fmt: skip
    assert (rows[1]["OBS_VALUE"], rows[1]["NOTE"], rows[1]["_problems"]) == ("12,5", "x", "AREA")
    with pytest.raises(SdmxInvalid, match=r"hub\.structure"):
        message(tmp_path, text, xml=None)


def test_labels_name(tmp_path: Path) -> None:
    text = (
        "STRUCTURE,STRUCTURE_ID,STRUCTURE_NAME,ACTION,FREQ,Frequency,AREA,Area,TIME_PERIOD,Time,OBS_VALUE,Value\n"
        "dataflow,AG:DF(1.0),A flow,I,A,Annual,CN,China,2024,,1,\n"
    )
    _, (row,) = message(tmp_path, text)
    assert {name for name in row if not name.startswith("_")} == {*KEY, "OBS_VALUE"}
    assert row["_problems"] is None


def test_several_values_in_one_cell(tmp_path: Path) -> None:
    text = (
        "STRUCTURE[;],STRUCTURE_ID,FREQ,AREA,TIME_PERIOD,OBS_VALUE,FLAGS[]\n"
        "dataflow,AG:DF(1.0),A,CN,2024,1,x;y\n"
        "dataflow,AG:DF(1.0),A,CN,2023,1,x;z\n"
        "dataflow,AG:DF(1.0),A,CN,2022,1,\n"
    )
    _, rows = message(tmp_path, text)
    assert [(row["FLAGS"], row["_problems"]) for row in rows] == [("x;y", None), ("x;z", "FLAGS"), (None, None)]


def test_columns_must_be_those_of_the_structure(tmp_path: Path) -> None:
    with pytest.raises(StructureMismatch, match="unknown columns EXTRA; missing dimensions AREA"):
        message(tmp_path, "DATAFLOW,FREQ,TIME_PERIOD,OBS_VALUE,EXTRA\nAG:DF(1.0),A,2024,1,x\n")
    # A custom column that the contract knows is allowed by the field guide.
    _, (row,) = message(
        tmp_path, "DATAFLOW,FREQ,AREA,TIME_PERIOD,OBS_VALUE,EXTRA\nAG:DF(1.0),A,CN,2024,1,x\n", ignored=("EXTRA",)
    )
    assert row["EXTRA"] == "x"


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "STRUCTURE\n", "DATAFLOWS,A\n", "STRUCTURE,FREQ\nx,A\n", "", "\n\n"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SdmxInvalid):
        message(tmp_path, text, xml=None)


def test_doubled_components_are_refused(tmp_path: Path) -> None:
    with pytest.raises(HeaderUnusable, match="doubled"):
        message(tmp_path, "DATAFLOW,FREQ: a,FREQ: b,AREA,TIME_PERIOD,OBS_VALUE\nAG:DF(1.0),A,A,CN,2024,1\n")


@pytest.mark.parametrize(
    ("xml", "word"),
    [
        (b"", "no XML"),
        (b"<x/>", "no SDMX-ML"),
        (b"<!DOCTYPE s [<!ENTITY a 'b'>]><Structure>&a;</Structure>", "document type"),
        (b"<!DOCTYPE s SYSTEM 'http://127.0.0.1:1/x'><Structure/>", "document type"),
        (b"<Structure/>", "0 data structures"),
        (structure({"A": ["x"]}).replace(b's:Codelist id="CL_A"', b's:Codelist id="CL_B"'), "CL_A"),
        (structure({"A": None}) + b"x", "no XML"),
        (structure({"A": None}).replace(b"</s:DataStructures>", b"") , "no XML"),
    ],
)  # fmt: skip
def test_structures_that_cannot_be_used(xml: bytes, word: str) -> None:
    with pytest.raises(StructureUnreadable, match=word):
        read_structure("s.xml", xml)


def test_an_entity_bomb_does_not_explode() -> None:
    bomb = b"<!DOCTYPE s [" + b"<!ENTITY a0 'xxxxxxxxxx'>"
    for level in range(1, 12):
        bomb += f"<!ENTITY a{level} '{f'&a{level - 1};' * 10}'>".encode()
    with pytest.raises(StructureUnreadable):
        read_structure("s.xml", bomb + b"]><Structure>&a11;</Structure>")


def test_one_of_several_structures_is_picked_by_name() -> None:
    one, two = structure({"A": None}), structure({"B": None}, name="OTHER")
    start, end = two.index(b"<s:DataStructure "), two.index(b"</s:DataStructures>")
    both = one.replace(b"</s:DataStructures>", two[start:end] + b"</s:DataStructures>")
    assert read_structure("s.xml", both, "AG:OTHER(1.0)").dimensions == ("B",)
    with pytest.raises(StructureUnreadable, match="2 data structures"):
        read_structure("s.xml", both)
    with pytest.raises(StructureUnreadable, match="does not define"):
        read_structure("s.xml", both, "AG:THIRD(1.0)")


def test_the_structure_lies_under_the_root(tmp_path: Path) -> None:
    with pytest.raises(StructureUnreadable, match="not under the root"):
        message(tmp_path, "DATAFLOW,FREQ\nx,A\n", options={"structure": "absent.xml"})
    with pytest.raises(OptionsInvalid):
        message(tmp_path, "DATAFLOW,FREQ\nx,A\n", options={"structure": "../s.xml"})


def test_a_message_given_by_hand_is_held_against_the_source_s_own_structure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "s.xml").write_bytes(STRUCTURE)
    (tmp_path / "hand.csv").write_text("DATAFLOW,FREQ,AREA,TIME_PERIOD,OBS_VALUE\nAG:DF(1.0),Q,CN,2024,1\n")
    spec = contract(KEY, connector="sdmx_csv", options={"glob": "*.csv"}, structure="s.xml")
    with pytest.raises(StructureUnreadable):
        read(open_file(spec, spec.sources[0], tmp_path / "hand.csv", 1000))
    (tmp_path / "places.toml").write_text('[places.somewhere]\nroot = "home"\n')
    monkeypatch.setattr(settings(), "places", tmp_path / "places.toml")
    (row,), _, _ = read(open_file(spec, spec.sources[0], tmp_path / "hand.csv", 1000))
    assert row["_problems"] == "FREQ"


def published(*parts: str) -> Path:
    path = load_settings().shared_data.joinpath(*parts)
    if not path.is_dir():
        pytest.skip(f"the published records are not at {path}: set HUB_SHARED_DATA")
    return path


def test_the_published_observations_fit_their_structure() -> None:
    root = published("real", "statistics", "oecd-gov-spending-by-function")
    spec = contract(KEY, connector="sdmx_csv", options={"glob": "data.csv"}, structure="structure.xml")
    (delivery,) = opened(spec, folder(root), 5_000).deliveries(Window())
    rows, malformed, _ = read(delivery)
    with (root / "data.csv").open(encoding="utf-8", newline="") as file:
        due = list(csv.DictReader(file))
    assert len(rows) == len(due) == 24_267
    assert malformed == []
    assert all(row["_problems"] is None for row in rows)
    for row, own in zip(rows, due, strict=True):
        assert {name: row[name] or "" for name in own if name != "DATAFLOW"} == {
            name: value for name, value in own.items() if name != "DATAFLOW"
        }
    # The same observations against a list that lacks a country: exactly its rows are named.
    content = (root / "structure.xml").read_bytes()
    found = read_structure("structure.xml", content)
    assert found.id == "OECD.SDD.NAD:DSD_NASEC10(1.1)"
    assert len(found.dimensions) == 14
    assert found.measures == ("OBS_VALUE",) and all(found.components)


def test_samples_of_another_library() -> None:
    root = published("sdmx", "pysdmx")

    def found(name: str, xml: str | None = None) -> Any:
        spec = contract(("Id_1", "Id_2"), connector="sdmx_csv", options={"glob": name}, structure=xml)
        (delivery,) = opened(spec, folder(root)).deliveries(Window())
        return read(delivery)

    assert len(found("data_v2.csv")[0]) == 20
    assert found("data_v2_merge_action.csv")[0][0]["_action"] == "M"
    assert found("data_v2_invalid_action.csv")[0][0]["_problems"] == "ACTION"
    (row,), _, _ = found("csv_labels_both.csv", "datastructure.xml")
    assert (row["DIM1"], row["ATT2"], row["OBS_VALUE"], row["_problems"]) == ("A", "D", "1", None)
    # Its rows have one value fewer than its header: each is kept and named.
    rows, malformed, _ = found("data_v2_action_col.csv")
    assert (len(rows), len(malformed)) == (0, 20)


def test_a_structure_without_versions_has_those_of_the_standard() -> None:
    """SDMX-ML 2.1: a version that is left out is 1.0, in a definition as in a reference."""
    text = STRUCTURE.replace(b' version="1.0"', b"")
    assert read_structure("s.xml", text) == read_structure("s.xml", STRUCTURE)
    assert read_structure("s.xml", text, "AG:DSD(1.0)").codes.keys() == {"FREQ", "AREA", "STATUS", "FLAGS"}


def test_a_provision_agreement_stands_for_its_dataflow(tmp_path: Path) -> None:
    def agreement(name: str, flow: str) -> bytes:
        usage = f'<s:StructureUsage><Ref id="{flow}" agencyID="AG" version="1.0"/></s:StructureUsage>'
        return f'<s:ProvisionAgreement id="{name}" agencyID="AG" version="2.0">{usage}</s:ProvisionAgreement>'.encode()

    made = b"<s:ProvisionAgreements>" + agreement("PA", "DF") + agreement("OTHER", "DX") + b"</s:ProvisionAgreements>"
    xml = STRUCTURE.replace(b"</m:Structures>", made + b"</m:Structures>")
    assert read_structure("s.xml", xml).ids == {"AG:DSD(1.0)", "AG:DF(1.0)", "AG:PA(2.0)"}
    rows = "dataprovision,AG:PA(2.0),I,A,CN,2024,1,,\ndataprovision,AG:OTHER(2.0),I,A,CN,2023,1,,\n"
    _, found = message(tmp_path, HEAD + rows, xml=xml)
    assert [row["_problems"] for row in found] == [None, "STRUCTURE_ID"]


def test_a_relationship_to_the_measure_is_no_measure() -> None:
    link = (
        b'<s:AttributeRelationship><s:PrimaryMeasure><Ref id="OBS_VALUE"/></s:PrimaryMeasure></s:AttributeRelationship>'
    )
    xml = STRUCTURE.replace(b'<s:Attribute id="NOTE" position="0">', b'<s:Attribute id="NOTE" position="0">' + link)
    assert xml != STRUCTURE
    assert read_structure("s.xml", xml) == read_structure("s.xml", STRUCTURE)
