"""What runs tells every later command where it answers; and where nothing runs, the remedy is to start it."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from exchange.brokers import kafka_settings
from exchange.errors import BrokerUnreachable
from hub.errors import SettingMissing
from hub.settings import load_settings
from hub.stack import publish
from hub.stack.environment import published
from hub.stack.layout import Layout
from warehouse.errors import DatabaseUnavailable


def test_what_is_published_is_read_as_a_setting_and_adds_to_what_was(tmp_path: Path) -> None:
    Layout.of(tmp_path).make()
    publish(tmp_path, {})
    assert not (tmp_path / "hub.env").exists()
    publish(tmp_path, {"HUB_KAFKA_BOOTSTRAP": "127.0.0.1:1", "HUB_LEVEL": "2"})
    publish(tmp_path, {"HUB_PLACES": str(tmp_path / "places.toml"), "HUB_LEVEL": "4"})
    now = load_settings(var=tmp_path)
    assert (now.kafka_bootstrap, now.places, now.level) == ("127.0.0.1:1", tmp_path / "places.toml", 4)
    assert stat.S_IMODE((tmp_path / "hub.env").stat().st_mode) == 0o600


def test_parts_that_come_up_side_by_side_lose_nothing_of_each_other(tmp_path: Path) -> None:
    Layout.of(tmp_path).make()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: publish(tmp_path, {f"HUB_X{n}": str(n)}), range(40)))
    assert published(Layout.of(tmp_path)) == {f"HUB_X{n}": str(n) for n in range(40)}


def test_with_no_stack_up_the_remedy_is_to_start_it(tmp_path: Path) -> None:
    now = load_settings(var=tmp_path)
    with pytest.raises(SettingMissing) as database:
        now.url()
    with pytest.raises(SettingMissing) as broker:
        kafka_settings.bootstrap(now)
    for error in (database.value, broker.value):
        assert error.remedy().startswith("`hub stack up`") and "`hub stack up`" in error.remedy("zh")
    for late in (DatabaseUnavailable(reason="x"), BrokerUnreachable(bootstrap="h:1", reason="x")):
        assert "`hub stack up`" in late.remedy() and "`hub stack up`" in late.remedy("zh")
