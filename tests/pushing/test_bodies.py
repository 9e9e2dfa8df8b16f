"""Bodies as they are pushed: the spool keeps them and their secret, forms and packings give the rows that were sent."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import registry
from connectors.base import Window
from connectors.errors import HeaderUnusable
from connectors.pushed.body import BytesBody, opened
from connectors.pushed.delivery import MEDIA_TYPES, Sent, delivery
from connectors.pushed.errors import BodyTooLarge, PackedDamaged, PackedTooTightly, PackingNotTaken
from hub.errors import AgencyError, HubException
from tests.pushing.made import ndjson, pushed, send
from tests.warehouse import feeds
from tests.warehouse.conftest import Hub
from warehouse.pushing import spool as spooling
from warehouse.pushing.spool import ByteSpool

NDJSON = "application/x-ndjson"


def read(
    data: bytes, media_type: str = NDJSON, encoding: str | None = None, page_rows: int = 1_000
) -> list[dict[str, str]]:
    contract = pushed()
    came = delivery(
        contract, contract.sources[0], BytesBody(data), Sent(media_type, "f", encoding), page_rows=page_rows
    )
    found = []
    for page in came.pages():
        assert all(field.type == pa.string() for field in page.table.schema)
        for row, number in zip(page.table.to_pylist(), page.rows.to_pylist(), strict=True):
            found.append({"_row": number, **{name: value for name, value in row.items() if value is not None}})
        found += [{"_row": bad.row, "bad": bad.reason} for bad in page.malformed]
    return sorted(found, key=lambda row: row["_row"])


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (
            '{"a": 1.10, "b": 1e400, "c": -0, "d": 12345678901234567890123}',
            {"a": "1.10", "b": "1e400", "c": "-0", "d": "12345678901234567890123"},
        ),
        ('{"a": true, "b": false, "c": null, "d": ""}', {"a": "true", "b": "false"}),
        ('{"a": {"x": 1.10, "y": [1,  2]}, "b": []}', {"a": '{"x": 1.10, "y": [1,  2]}', "b": "[]"}),
        ('{"名称": "某单位 \\u4e00", "=a": "=1+1"}', {"名称": "某单位 一", "=a": "=1+1"}),
    ],
)
def test_values_are_as_they_were_written(line: str, values: dict[str, str]) -> None:
    (row,) = read(line.encode())
    assert {name: value for name, value in row.items() if name != "_row"} == values


def test_lines_that_are_no_records_are_rows_all_the_same() -> None:
    lines = [
        b'{"a": 1}',
        b"",
        b"[1]",
        b'{"a": 1, "a": 2}',
        b'{"a": ',
        b'\xff{"a": 1}',
        b'{"a": ' + b"[" * 99 + b"]" * 99 + b"}",
    ]
    found = read(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    assert [row["_row"] for row in found] == [1, 2, 3, 4, 5, 6] and ["bad" in row for row in found] == [False] + [
        True
    ] * 5
    assert all(getattr(row["bad"], "zh", "") for row in found[1:])


@pytest.mark.parametrize("name", ["_action", "_row", "", "x" * 600, "a\x00b"])
def test_a_sender_does_not_set_what_is_the_hub_s(name: str) -> None:
    with pytest.raises(HeaderUnusable):
        read(json.dumps({"number": "1", name: "D"}).encode())


@given(
    st.lists(
        st.dictionaries(st.text("abcé一 ", min_size=1).map(lambda name: "n" + name), st.text(), max_size=4),
        min_size=1,
        max_size=12,
    ),
    st.integers(1, 5),
)
def test_what_is_written_as_json_is_read(records: list[dict[str, str]], page_rows: int) -> None:
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        return
    found = read(text.encode(), page_rows=page_rows)
    for row, record in zip(found, records, strict=True):
        if any("\x00" in value for value in record.values()):
            assert "bad" in row
        else:
            assert {name: value for name, value in row.items() if name != "_row"} == {
                key: text for key, text in record.items() if text
            }


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=2_000), st.sampled_from(sorted(MEDIA_TYPES)), st.sampled_from([None, "gzip", "zstd"]))
def test_no_bytes_do_more_than_be_refused(data: bytes, media_type: str, encoding: str | None) -> None:
    try:
        read(data, media_type, encoding)
    except HubException as error:
        assert isinstance(error, AgencyError) and error.sentence("zh")


@pytest.mark.parametrize("cut", [0, 1, 5, 9, 17, 60])
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_packed_bodies_that_were_cut_are_told(cut: int, encoding: str) -> None:
    plain = ndjson(feeds.rows(40))
    packed = gzip.compress(plain) if encoding == "gzip" else pa.Codec("zstd").compress(plain, asbytes=True)
    assert len(read(packed, encoding=encoding)) == 40
    with pytest.raises(PackedDamaged):
        read(packed[:cut], encoding=encoding)
    with pytest.raises(PackedDamaged):
        read(packed + b"more", encoding=encoding)


def test_bombs_and_strange_packings_are_refused() -> None:
    with pytest.raises(PackedTooTightly):
        read(gzip.compress(b"\n" * (100 << 20)), encoding="gzip")
    with pytest.raises(PackedDamaged):  # a frame that wants a window of 128 MiB
        read(b"\x28\xb5\x2f\xfd\x00\x88" + b"\x01\x00\x00", encoding="zstd")
    with pytest.raises(PackedDamaged):  # a frame to be skipped: text that nobody looks at
        read(b"\x50\x2a\x4d\x18\x04\x00\x00\x00text" + pa.Codec("zstd").compress(b"{}", asbytes=True), encoding="zstd")
    for name in ("br", "gzip, gzip", "x" * 500):
        with pytest.raises(PackingNotTaken):
            read(b"{}", encoding=name)


def test_text_beside_the_content_keeps_the_body_from_being_kept(hub: Hub) -> None:
    plain = ndjson(feeds.rows(2))
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    raw = compressor.compress(plain) + compressor.flush()
    tail = zlib.crc32(plain).to_bytes(4, "little") + len(plain).to_bytes(4, "little")
    packed = b"\x1f\x8b\x08\x10" + b"\x00" * 6 + "秘密".encode() + b"\x00" + raw + tail
    landed = send(pushed(), packed, encoding="gzip")
    assert landed.batch.rows_in == 2
    assert hub.all("select 1 from hub.landed_object where kind = 'original'") == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(max_size=60), max_size=12),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 90)), max_size=8),
)
def test_a_spool_is_a_file(tmp_path: Path, parts: list[bytes], looks: list[tuple[int, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spooling, "PIECE", 32)
        patch.setattr(spooling, "_SEALED", 48)
        with ByteSpool(tmp_path) as spool:
            for part in parts:
                spool.write(part)
            whole = b"".join(parts)
            body = spool.body()
            assert (body.size, body.sha256) == (len(whole), BytesBody(whole).sha256)
            mirror = io.BytesIO(whole)
            for at, size in looks:
                body.seek(at)
                mirror.seek(at)
                assert body.read(size) == mirror.read(size)
            assert opened(body).read() == whole


def test_a_spool_is_bounded_and_its_file_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooling, "PIECE", 64)
    monkeypatch.setattr(spooling, "_SEALED", 80)
    with ByteSpool(tmp_path, bound=1_000) as spool:
        spool.write(b"plain words " * 40)
        assert spool._file is not None
        spool._file.seek(0)
        assert b"plain" not in spool._file.read()
        with pytest.raises(BodyTooLarge):
            spool.write(b"x" * 600)
        assert spool.size == 480
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_fetched_of_a_source_that_is_pushed() -> None:
    contract = pushed()
    connector = registry.open_connector(contract, contract.sources[0], {}, 100)
    assert list(connector.deliveries(Window())) == [] and "pushed" in connector.check()
