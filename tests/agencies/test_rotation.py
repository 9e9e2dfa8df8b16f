"""One key after the other: what a replaced one is still good for, two that ask at once, and whose last key ends."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hub import clock
from hub.errors import KeyUnusable
from hub.keys import PublicKey, generate
from hub.settings import Settings
from tests.agencies.test_agencies import BY, OFFICE, add
from warehouse import engine
from warehouse.agencies import keys, registry
from warehouse.agencies.errors import AgencyThere, KeyThere, KeyUnknown
from warehouse.tables import act

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
def _tables(tables: Settings) -> None:
    """Every test has a database."""


def key_of(name: str = "county_audit", pair: PublicKey | None = None, **more: object) -> str:
    with engine.transaction() as conn:
        return keys.add(conn, name, (pair or generate().public).pem.encode(), **more, **BY)  # type: ignore[arg-type]


def until(kid: str) -> datetime | None:
    with engine.connection() as conn:
        found = keys.lookup(conn, kid)
    assert found is not None
    return found.valid_until


def test_the_replaced_key_is_good_beside_the_new_one_for_as_long_as_was_said() -> None:
    add()
    old = key_of(valid_from=NOW - DAY)
    new = key_of(valid_from=NOW + DAY, replaces=old, overlap=2 * HOUR)
    assert (until(old), until(new)) == (NOW + DAY + 2 * HOUR, None)
    with engine.connection() as conn:
        noted = conn.scalar(sa.select(act.c.facts).order_by(act.c.act_no.desc()).limit(1))
    assert noted == {"kid": new, "replaces": old, "overlap_hours": 2}


def test_a_key_that_ends_before_is_not_made_to_last_longer() -> None:
    add()
    old = key_of(valid_from=NOW - 9 * DAY, valid_until=NOW + HOUR)
    key_of(valid_from=NOW + DAY, replaces=old, overlap=DAY)
    assert until(old) == NOW + HOUR
    with clock.at(NOW - 5 * DAY):
        ended = key_of(valid_from=NOW - 9 * DAY, valid_until=NOW - DAY)
    key_of(replaces=ended, overlap=DAY)
    assert until(ended) == NOW - DAY, "a key that has ended does not come back"


def test_nothing_is_noted_of_a_key_that_replaces_none() -> None:
    add()
    add("city_audit")
    theirs = key_of("city_audit")
    new = generate().public
    for replaces in (theirs, new.kid):
        with pytest.raises(KeyUnknown):
            key_of(pair=new, replaces=replaces)
    with engine.connection() as conn:
        assert keys.lookup(conn, new.kid) is None
    assert until(theirs) is None


def test_a_key_that_has_ended_already_is_not_added() -> None:
    add()
    with pytest.raises(KeyUnusable):
        key_of(valid_until=NOW - HOUR)


def at_once(ask: Callable[[int], object]) -> list[object]:
    def told(number: int) -> object:
        try:
            return ask(number)
        except (AgencyThere, KeyThere) as error:
            return type(error)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(told, range(2)))


def test_of_two_that_add_one_thing_at_once_the_later_is_told_so() -> None:
    pair = generate().public
    assert set(at_once(lambda _: add())) == {OFFICE, AgencyThere}
    assert set(at_once(lambda _: key_of(pair=pair))) == {pair.kid, KeyThere}


def test_whose_last_key_ends() -> None:
    for name in ("county_audit", "city_audit", "town_audit"):
        add(name)
    key_of(valid_until=NOW + 5 * DAY)
    lasting = key_of(valid_until=NOW + 90 * DAY)
    key_of("city_audit")

    def ending() -> list[tuple[str, datetime]]:
        with engine.connection() as conn:
            return keys.ending(conn, NOW + 30 * DAY)

    assert ending() == [], "one ends, and another lasts; one never ends; one agency has none at all"
    with engine.transaction() as conn:
        keys.revoke(conn, lasting, **BY)
    assert ending() == [("county_audit", NOW + 5 * DAY)]
    with engine.transaction() as conn:
        registry.set_state(conn, "county_audit", "suspended", **BY)
    assert ending() == []
