"""Agencies, their keys and rights: by the command line, on a real database."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from hub.cli import shell
from hub.errors import HubException, KeyUnusable, NameUnknown
from hub.keys import ALGORITHMS, generate, of_jwk, read_private, read_public
from hub.settings import Settings
from tests.pushing.made import pushed
from tests.warehouse import feeds
from warehouse import engine
from warehouse.agencies import keys, registry, rights
from warehouse.agencies.errors import AgencyThere, AgencyWrong, FeedNotPushed, KeyThere, KeyUnknown, SenderThere
from warehouse.agencies.registry import Agency, Contact

BY = {"operator": "Op One", "reason": "agreed with the office"}
OFFICE = Agency("county_audit", None, "县审计局", "County audit office", 4, "110101")


@pytest.fixture(autouse=True)
def _tables(tables: Settings) -> None:
    """Every test has a database."""


def add(name: str = "county_audit", **more: object) -> Agency:
    given = {field: getattr(OFFICE, field) for field in Agency.__dataclass_fields__}
    made = Agency(**{**given, "agency": name, **more})
    with engine.transaction() as conn:
        registry.add(conn, made, [Contact("technical", "IT office", "010-1", None)], **BY)
    return made


def hub(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(shell, list(words))
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_the_whole_life_of_an_agency_on_the_command_line(tmp_path: Path) -> None:
    pair = tmp_path / "office"
    made = json.loads(hub("agency", "keygen", str(pair), "--json"))
    assert (tmp_path / "office.pem").stat().st_mode & 0o777 == 0o600
    by = ["--operator", "Op One", "--reason", "agreed", "--json"]
    about = ["--name-zh", "县审计局", "--name-en", "County audit", "--level", "4", "--division", "110101"]
    hub("agency", "add", "county_audit", *about, "--contact", "security:Duty office:010-2:duty@audit.example", *by)
    found = json.loads(hub("agency", "key", "add", "county_audit", "--file", str(tmp_path / "office.pub.pem"), *by))
    assert found["kid"] == made["kid"]
    shown = json.loads(hub("agency", "show", "county_audit", "--json"))
    assert shown["contacts"][0]["name"] == "Duty office" and shown["keys"][0]["algorithm"] == "ed25519"
    assert json.loads(hub("agency", "list", "--json"))[0]["keys"] == 1
    hub("agency", "contact", "county_audit", "technical:IT office", *by)
    hub("agency", "suspend", "county_audit", *by)
    with engine.transaction() as conn:
        assert keys.lookup(conn, made["kid"]).active is False  # type: ignore[union-attr]
    hub("agency", "resume", "county_audit", *by)
    hub("agency", "key", "revoke", made["kid"], *by)
    with engine.transaction() as conn:
        assert keys.lookup(conn, made["kid"]).ended(datetime.now(UTC)) == "revoked"  # type: ignore[union-attr]
        acts = conn.exec_driver_sql("select action from hub.act where object = 'agency:county_audit' order by act_no")
        assert [row[0] for row in acts] == ["add", "key add", "contact", "suspended", "active", "key revoke"]


def test_a_private_key_is_refused_and_never_repeated(tmp_path: Path) -> None:
    add()
    secret = generate().pem()
    for pem in (secret, generate("hub-sm2-sm3").pem()):
        with engine.transaction() as conn, pytest.raises(KeyUnusable) as told:
            keys.add(conn, "county_audit", pem, **BY)
        lines = [line for line in pem.decode().splitlines() if not line.startswith("-")]
        assert not any(line in str(told.value.as_dict()) for line in lines)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_signs_and_is_found(algorithm: str) -> None:
    add()
    pair = generate(algorithm)  # type: ignore[arg-type]
    with engine.transaction() as conn:
        kid = keys.add(conn, "county_audit", pair.public.pem.encode(), **BY)
        found = keys.lookup(conn, kid)
        with pytest.raises(KeyThere):
            keys.add(conn, "county_audit", pair.public.pem.encode(), **BY)
    assert found is not None and found.key == pair.public and kid == pair.kid
    signature = pair.sign(b"what was said")
    assert found.key.verifies(signature, b"what was said")
    assert not found.key.verifies(signature, b"what was sad")
    for at in range(0, 64, 7):
        assert not found.key.verifies(
            signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :], b"what was said"
        )
    assert read_private(pair.pem()).sign(b"") and of_jwk(pair.public.jwk) == pair.public


def test_the_id_of_rfc_8037_s_key() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert of_jwk(jwk).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_keys_follow_each_other() -> None:
    add()
    first, second = generate(), generate()
    begins = datetime.now(UTC) + timedelta(days=1)
    with engine.transaction() as conn:
        old = keys.add(conn, "county_audit", first.public.pem.encode(), **BY)
        new = keys.add(conn, "county_audit", second.public.pem.encode(), valid_from=begins, replaces=old, **BY)
        former, later = keys.lookup(conn, old), keys.lookup(conn, new)
        with pytest.raises(KeyUnknown):
            keys.add(conn, "county_audit", generate().public.pem.encode(), replaces="x" * 43, **BY)
    assert former and later
    assert (former.ended(datetime.now(UTC)), later.ended(datetime.now(UTC))) == (None, "early")
    assert (former.ended(begins), later.ended(begins)) == ("expired", None)


def test_a_passphrase_protects_the_private_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "a long one")
    hub("agency", "keygen", str(tmp_path / "k"), "--passphrase-env", "WORD", "--json")
    pem = (tmp_path / "k.pem").read_bytes()
    assert b"ENCRYPTED" in pem and read_private(pem, b"a long one").public == read_public(
        (tmp_path / "k.pub.pem").read_bytes()
    )
    with pytest.raises(KeyUnusable):
        read_private(pem, b"another")
    assert CliRunner().invoke(shell, ["agency", "keygen", str(tmp_path / "k")]).exit_code != 0
    assert (tmp_path / "k.pem").read_bytes() == pem


def test_one_agency_at_a_time_pushes_a_feed() -> None:
    contract = pushed()
    names = ["county_audit", "city_audit"]
    for name in names:
        add(name)

    def ask(name: str) -> object:
        try:
            with engine.transaction() as conn:
                rights.allow(conn, name, push=[contract], **BY)
        except SenderThere as error:
            return error.facts["other"]
        return None

    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(ask, names))
    assert sorted(told, key=str) == sorted([None, names[told.index(None)]], key=str)
    with engine.transaction() as conn:
        first = rights.sender_of(conn, contract.id)
        assert first in names
        assert rights.rights_of(conn, str(first)) == {contract.id: {"push", "read"}}
        assert rights.deny(conn, str(first), push=[contract.id], **BY) == 1
        assert rights.sender_of(conn, contract.id) is None
        with pytest.raises(FeedNotPushed):
            rights.allow(conn, "city_audit", push=[feeds.contract()], **BY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"agency": "A"},
        {"agency": "x" * 64},
        {"uscc": "911100000000000001"},
        {"name_zh": " "},
        {"level": 6},
        {"division": "999999"},
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(AgencyWrong):
        add(**{"name": "county_audit", **{("name" if key == "agency" else key): value for key, value in wrong.items()}})  # type: ignore[arg-type]


def test_names_are_taken_once_and_unknown_ones_are_told() -> None:
    add()
    with pytest.raises(AgencyThere):
        add()
    with engine.transaction() as conn, pytest.raises(NameUnknown) as told:
        registry.shown(conn, "county_audti")
    assert re.search("county_audit", told.value.sentence())


@given(
    st.binary(max_size=300)
    | st.binary(max_size=200).map(lambda data: b"-----BEGIN PUBLIC KEY-----\n" + data + b"\n-----END PUBLIC KEY-----")
)
def test_no_text_is_more_than_refused(data: bytes) -> None:
    for read in (read_public, read_private):
        try:
            read(data)
        except HubException as error:
            assert isinstance(error, KeyUnusable)
