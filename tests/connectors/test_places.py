"""The operator's list: what it may say, what it must not, and that no secret leaks from it."""

from pathlib import Path

import pytest

from connectors.errors import PlacesUnreadable, PlaceUnknown, SecretUnreadable
from connectors.places import Place, load_places
from connectors.registry import open_connector
from hub.ids import PlaceId
from tests.connectors.making import contract

SECRET = "hunter2-secret"


def written(folder: Path, text: str) -> Path:
    path = folder / "places.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_every_kind_of_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text(SECRET + "\n")
    (tmp_path / "token").chmod(0o600)
    monkeypatch.setenv("TREASURY_PASSWORD", SECRET)
    places = load_places(
        written(
            tmp_path,
            """
            [places.treasury]
            host = "db.example"
            port = 5433
            dialect = "postgresql+psycopg"
            database = "treasury"
            user = "reader"
            password_env = "TREASURY_PASSWORD"

            [places.drop]
            root = "incoming"

            [places.api]
            base_url = "https://api.example/v1"
            token_file = "token"
            """,
        )
    )
    assert set(places) == {"treasury", "drop", "api"}
    assert places[PlaceId("drop")].root == tmp_path / "incoming"
    password, token = places[PlaceId("treasury")].password(), places[PlaceId("api")].token()
    assert password and password.get_secret_value() == SECRET
    assert token and token.get_secret_value() == SECRET
    assert SECRET not in repr(places) + repr(password) + repr(token)


@pytest.mark.parametrize(
    "text",
    [
        '[places.a]\nroot = "/x"\npasword_env = "X"',
        f'[places.a]\nroot = "/x"\npassword = "{SECRET}"',
        '[places.a]\nroot = "/x"\nhost = "y"',
        "[places.a]\nport = 1",
        '[places.a]\nbase_url = "ftp://x"',
        f'[places.a]\nbase_url = "https://u:{SECRET}@x"',
        f'[places.a]\nbase_url = "https://x/?key={SECRET}"',
        f'[places.a]\nroot = "/x"\npassword_env = "{SECRET}"',
        '[hosts.a]\nroot = "/x"',
        '[places.a]\nid = "b"\nroot = "/x"',
        "places = 3",
        "[places",
        '[places.a]\nroot = "/x"\n[places.a]\nroot = "/y"',
    ],
)
def test_refuses_what_it_does_not_know_without_quoting_values(tmp_path: Path, text: str) -> None:
    with pytest.raises(PlacesUnreadable) as caught:
        load_places(written(tmp_path, text))
    assert SECRET not in str(caught.value.as_dict())
    assert caught.value.__cause__ is None


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlacesUnreadable, match=r"nowhere\.toml"):
        load_places(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_a_secret_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    path.write_text(SECRET)
    path.chmod(mode)
    with pytest.raises(SecretUnreadable) as caught:
        Place(id=PlaceId("a"), root=tmp_path, password_file=path).password()
    assert SECRET not in str(caught.value.as_dict())


def test_a_secret_file_that_is_a_link_or_a_pipe_is_refused(tmp_path: Path) -> None:
    import os

    (tmp_path / "real").write_text(SECRET)
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "pipe", "absent"):
        with pytest.raises(SecretUnreadable):
            Place(id=PlaceId("a"), root=tmp_path, password_file=tmp_path / name).password()


def test_an_unset_variable_is_named_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOT_SET_AT_ALL", raising=False)
    with pytest.raises(SecretUnreadable, match="NOT_SET_AT_ALL"):
        Place(id=PlaceId("a"), root=tmp_path, password_env="NOT_SET_AT_ALL").password()


def test_a_contract_reaches_listed_places_only(tmp_path: Path) -> None:
    spec = contract(options={"glob": "*.csv"}, place="elsewhere")
    with pytest.raises(PlaceUnknown, match="elsewhere"):
        open_connector(spec, spec.sources[0], {PlaceId("listed"): Place(id=PlaceId("listed"), root=tmp_path)}, 1000)
