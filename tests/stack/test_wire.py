"""The broker probe: SCRAM by the RFC's own example, and brokers that are none."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.stack import ports, state
from hub.stack.kafka_wire import Login, Scram, WireError, brokers
from hub.stack.layout import Layout


def test_scram_follows_the_example_of_rfc_7677() -> None:
    scram = Scram("user", "pencil", "SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO")
    assert scram.first() == b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert scram.reply(challenge).endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    assert scram.proves(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert not scram.proves(b"v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_a_challenge_for_another_login_is_refused() -> None:
    scram = Scram("user", "pencil", "SCRAM-SHA-512")
    with pytest.raises(WireError):
        scram.reply(b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096")


def test_an_endless_challenge_is_refused() -> None:
    scram = Scram("user", "pencil", "SCRAM-SHA-512", "abc")
    with pytest.raises(WireError):
        scram.reply(b"r=abcd,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000000000")


@contextmanager
def impostor(answer: bytes) -> Iterator[str]:
    """A server that says `answer` to whoever connects, and ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda raw: len(raw).to_bytes(4, "big") + raw)))
def test_whatever_answers_it_is_a_broker_or_an_error(answer: bytes) -> None:
    with impostor(answer) as address, pytest.raises(WireError):
        brokers(Login(address, "hub", "password"), timeout=2)


def test_nobody_there() -> None:
    with pytest.raises(WireError):
        brokers(Login("127.0.0.1:1", "hub", "password"))
    with pytest.raises(WireError):
        brokers(Login("nonsense", "hub", "password"))


def test_any_broker_of_a_list_that_answers_will_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert ports.answers(f"127.0.0.1:1, 127.0.0.1:{port}")
        assert ports.answers(f"127.0.0.1:{port},127.0.0.1:1")
    assert not ports.answers("127.0.0.1:1,127.0.0.1:2,nonsense")


def test_the_state_of_several_brokers_is_that_of_any(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:1,127.0.0.1:{server.getsockname()[1]}"
        part = state.PartState("kafka", state="ready", address=address, external=True)
        layout = Layout.of(tmp_path)
        state.write(layout, state.StackState(str(tmp_path), parts={"kafka": part}))
        assert state.observe(layout).parts["kafka"].state == "ready"
    assert state.observe(layout).parts["kafka"].state == "silent"
