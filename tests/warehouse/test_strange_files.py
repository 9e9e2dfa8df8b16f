"""Files as senders really drop them: names in another encoding, a stray file among the messages."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from connectors.errors import FileOutsideRoot
from connectors.files.delivery import FileDelivery
from connectors.files.root import Root
from connectors.places import Place
from hub.ids import PlaceId
from tests.warehouse.conftest import Hub
from tests.warehouse.feeds import contract, drop, rows
from warehouse import way

pytestmark = pytest.mark.stack


def gbk(name: str) -> str:
    """A name as Windows in Chinese writes it, as Python lists it."""
    return os.fsdecode(name.encode("gb18030"))


def test_a_file_named_in_gbk_goes_the_whole_way(hub: Hub) -> None:
    drop(hub.drop, gbk("支付明细.csv"), rows(20))
    drop(hub.drop, os.fsdecode(b"\xff\xfe.csv"), rows(20, first=100))
    done = way.run_feed(contract())
    assert sorted((outcome.state, outcome.loaded) for outcome in done) == [("loaded", 20), ("loaded", 20)]
    named = hub.all("select delivery from hub.batch")
    assert sorted(row[0] for row in named) == ["\\xff\\xfe.csv", "支付明细.csv"]
    assert way.run_feed(contract()) == []


def test_an_unreadable_file_named_in_gbk_is_refused_by_name_and_hides_no_other(hub: Hub) -> None:
    drop(hub.drop, gbk("支付一.csv"), rows(5))
    (hub.drop / gbk("支付二.csv")).write_bytes(b"")
    drop(hub.drop, gbk("支付三.csv"), rows(5, first=100))
    done = way.run_feed(contract())
    assert sorted(outcome.state for outcome in done) == ["loaded", "loaded", "refused"]
    assert "支付二.csv" in hub.value("select state_reason from hub.batch where state = 'refused'")


def test_a_link_swapped_in_tells_nothing_of_what_it_leads_to(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of a file that can't be read and the taking of its hash."""
    outside = tmp_path / "outside"
    outside.write_bytes(b"another agency's")
    path = drop(hub.drop, "a.csv", rows(1), headers=("no", "such", "columns", "here", "x", "y", "z"))
    asked = FileDelivery.identity

    def swapped(delivery: FileDelivery) -> tuple[str | None, str | None]:
        path.unlink()
        path.symlink_to(outside)
        return asked(delivery)

    own = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(FileDelivery, "identity", swapped)
    (done,) = way.run_feed(contract())
    assert done.state == "refused"
    assert hub.value("select delivery_sha256 from hub.batch") == own, "of what was read"
    # Nor does one that was never read: its identity is asked for by its name.
    path.unlink()
    drop(hub.drop, "a.csv", rows(1))
    told: list[object] = []

    def never_read(delivery: FileDelivery) -> tuple[str | None, str | None]:
        told.append(swapped(delivery))
        return None, None

    monkeypatch.setattr(FileDelivery, "identity", never_read)
    with pytest.raises(FileOutsideRoot):
        way.run_feed(contract(), file=path)
    assert told == [(None, None)]
    with pytest.raises(FileOutsideRoot):
        Root(Place(id=PlaceId("drop"), root=hub.drop), "file_drop").open("a.csv")
