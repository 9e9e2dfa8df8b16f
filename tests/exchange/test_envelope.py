"""The envelope: what goes out comes back, and whatever else lies on a topic is refused with one error."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.desk.locate import partition_of
from exchange.envelope import ChangeSetEnvelopes, event_headers, parse, stored_headers, texts
from exchange.errors import EventMalformed
from warehouse.changeset import ChangeSetFacts

FACTS = ChangeSetFacts("some_feed", "1.2.0", "hub.some.thing.v1", "b-1", "0", "some.thing", "2026-03-01T08:00:00Z")
HEADERS = st.lists(st.tuples(st.text(max_size=12), st.one_of(st.none(), st.binary(max_size=20))), max_size=6)


def events(change: list[str]) -> pa.RecordBatch:
    count = len(change)
    return pa.record_batch(
        {
            "event_id": [f"some_feed:键{n}:{n + 1}" for n in range(count)],
            "record_key": [f"键{n}" for n in range(count)],
            "change": pa.array(change).dictionary_encode(),
        }
    )


def read(headers: list[tuple[str, bytes]], value: bytes | None = b"{}", key: bytes | None = b"k"):
    return parse(topic="t", partition=0, offset=7, timestamp_ms=1, key=key, value=value, headers=headers)


def test_headers_of_a_change_set_follow_the_binding() -> None:
    made = ChangeSetEnvelopes(FACTS).headers(events(["recorded", "withdrawn", "corrected"]))
    assert [dict(one)["ce_type"] for one in made] == [
        b"some.thing.recorded",
        b"some.thing.withdrawn",
        b"some.thing.corrected",
    ]
    first = dict(made[0])
    assert first["ce_specversion"] == b"1.0"
    assert first["ce_id"] == "some_feed:键0:1".encode()
    assert first["ce_subject"] == "键0".encode()
    assert first["ce_source"] == b"/feeds/some_feed"
    assert first["ce_dataschema"] == b"/contracts/some_feed/1.2.0"
    assert first["ce_time"] == b"2026-03-01T08:00:00Z"
    assert first["content-type"] == b"application/json"
    event = read(made[1], json.dumps({"a": "甲"}).encode())
    assert (event.type, event.subject, event.revision, event.data) == ("some.thing.withdrawn", "键1", 2, {"a": "甲"})


def test_a_sliced_batch_keeps_its_own_rows() -> None:
    batch = events(["recorded", "withdrawn", "corrected"]).slice(1, 1)
    (headers,) = ChangeSetEnvelopes(FACTS).headers(batch)
    assert dict(headers)["ce_type"] == b"some.thing.withdrawn"
    assert dict(headers)["ce_subject"] == "键1".encode()
    assert texts(batch.column("record_key")) == ["键1".encode()]


def test_a_single_event_comes_back_with_its_extensions() -> None:
    headers = event_headers(
        event_type="a.b.c", event_id="i", source="/s", time="2026-01-01T00:00:00Z", subject="s", level="3"
    )
    event = read(headers)
    assert (event.type, event.id, event.source, event.subject, event.extensions) == (
        "a.b.c",
        "i",
        "/s",
        "s",
        {"level": "3"},
    )
    assert event.revision is None
    assert dict(stored_headers({"ce_id": "x"}))["ce_specversion"] == b"1.0"


@pytest.mark.parametrize("missing", ["ce_specversion", "ce_type", "ce_id", "ce_source"])
def test_a_message_without_a_required_attribute_is_refused(missing: str) -> None:
    headers = event_headers(event_type="a.b.c", event_id="i", source="/s", time="t")
    with pytest.raises(EventMalformed) as caught:
        read([pair for pair in headers if pair[0] != missing])
    assert missing in caught.value.sentence()
    assert "t[0]@7" in caught.value.sentence()


def test_an_error_never_quotes_the_content() -> None:
    with pytest.raises(EventMalformed) as caught:
        read(event_headers(event_type="a", event_id="i", source="/s", time="t"), b"secret \xff")
    assert "secret" not in caught.value.sentence()


@given(HEADERS, st.one_of(st.none(), st.binary(max_size=40)), st.one_of(st.none(), st.binary(max_size=10)))
def test_any_message_is_an_event_or_malformed(
    headers: list[tuple[str, bytes]], value: bytes | None, key: bytes | None
) -> None:
    try:
        event = read(headers, value, key)
    except EventMalformed:
        return
    assert event.type
    assert event.as_dict()["specversion"] == "1.0"


def test_keys_go_where_java_puts_them() -> None:
    # Reference values of org.apache.kafka.common.utils.Utils.murmur2 (kafka's own UtilsTest).
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
    for key, hashed in known.items():
        assert partition_of(key, 97) == (hashed & 0x7FFFFFFF) % 97
