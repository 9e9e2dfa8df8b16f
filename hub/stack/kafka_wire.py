"""Asks a broker, in Kafka's own protocol, whether it takes our password and which brokers it knows.

Client libraries report a wrong password as a timeout after many seconds; this tells it apart at once. Kafka protocol
guide: SaslHandshake v1, SaslAuthenticate v0, Metadata v4; SCRAM as in RFC 5802.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import ssl
import struct
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_MOST = 16 * 1024 * 1024
_HANDSHAKE, _AUTHENTICATE, _METADATA = 17, 36, 3


class WireError(Exception):
    """The broker can't be reached, or does not speak as expected."""


class WireRefused(WireError):
    """The broker refuses the mechanism, the user or the password."""


@dataclass(frozen=True)
class Login:
    """How to enter a cluster."""

    address: str  # host:port, or several with commas between them
    username: str | None
    password: str | None
    mechanism: str = "SCRAM-SHA-512"
    tls: bool = False
    cafile: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None


def brokers(login: Login, timeout: float = 3.0) -> list[str]:
    """`host:port` of the brokers that are up (not fenced), as the first one says that answers.

    Raises WireError, WireRefused.
    """
    failed: list[WireError] = []
    for address in login.address.split(","):
        try:
            return _ask_one(login, address.strip(), timeout)
        except WireRefused:
            raise  # users and passwords are the cluster's
        except WireError as error:
            failed.append(error)
    raise WireError("; ".join(map(str, failed)) if len(failed) > 1 else str(failed[0])) from failed[-1]


def _ask_one(login: Login, address: str, timeout: float) -> list[str]:
    try:
        with _Connection(login, address, timeout) as connection:
            if login.username is not None:
                connection.authenticate(login)
            return connection.metadata()
    except (OSError, struct.error, IndexError, UnicodeDecodeError, ValueError, OverflowError) as error:
        raise WireError(f"{address}: {type(error).__name__}: {error}") from error


class _Connection:
    def __init__(self, login: Login, address: str, timeout: float) -> None:
        host, _, port = address.rpartition(":")
        self._socket: socket.socket = socket.create_connection((host.strip("[]"), int(port)), timeout=timeout)
        if login.tls:
            context = ssl.create_default_context(cafile=str(login.cafile) if login.cafile else None)
            if login.certfile:
                context.load_cert_chain(login.certfile, login.keyfile)
            try:
                self._socket = context.wrap_socket(self._socket, server_hostname=host)
            except BaseException:
                self._socket.close()
                raise
        self._number = 0

    def __enter__(self) -> _Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def authenticate(self, login: Login) -> None:
        answer = self._ask(_HANDSHAKE, 1, _text(login.mechanism))
        if answer[:2] != b"\0\0":
            raise WireRefused(f"the broker does not offer {login.mechanism}")
        if login.mechanism == "PLAIN":
            self._sasl(f"\0{login.username}\0{login.password}".encode())
            return
        scram = Scram(login.username or "", login.password or "", login.mechanism)
        final = scram.reply(self._sasl(scram.first()))
        if not scram.proves(self._sasl(final)):
            raise WireRefused("the broker does not know the password either: it may be an impostor")

    def metadata(self) -> list[str]:
        answer = self._ask(_METADATA, 4, struct.pack(">i?", 0, False))
        (count,), at, found = struct.unpack_from(">i", answer, 4), 8, []
        for _ in range(count):
            (length,) = struct.unpack_from(">h", answer, at + 4)
            host = answer[at + 6 : at + 6 + length].decode()
            at += 6 + length
            (port, rack) = struct.unpack_from(">ih", answer, at)
            at += 6 + max(rack, 0)
            found.append(f"{host}:{port}")
        return found

    def _sasl(self, token: bytes) -> bytes:
        answer = self._ask(_AUTHENTICATE, 0, struct.pack(">i", len(token)) + token)
        (code, length) = struct.unpack_from(">hh", answer)
        at = 4 + max(length, 0)
        if code:
            raise WireRefused("wrong user or password")
        (size,) = struct.unpack_from(">i", answer, at)
        return answer[at + 4 : at + 4 + size]

    def _ask(self, key: int, version: int, body: bytes) -> bytes:
        self._number += 1
        head = struct.pack(">hhi", key, version, self._number) + _text("hub-stack")
        self._socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        (size,) = struct.unpack(">i", self._read(4))
        if not 4 <= size <= _MOST:
            raise WireError("this is no Kafka broker")
        answer = self._read(size)
        if struct.unpack_from(">i", answer)[0] != self._number:
            raise WireError("answers are out of step")
        return answer[4:]

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            chunk = self._socket.recv(size - len(parts))
            if not chunk:
                raise WireError("the broker closed the connection")
            parts += chunk
        return bytes(parts)


class Scram:
    """The client's side of SCRAM-SHA-256 or SCRAM-SHA-512 (RFC 5802)."""

    def __init__(self, username: str, password: str, mechanism: str, nonce: str | None = None) -> None:
        self._hash = "sha512" if mechanism == "SCRAM-SHA-512" else "sha256"
        self._password = password.encode()
        self._nonce = nonce or secrets.token_hex(16)
        name = username.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={self._nonce}"
        self._server_signature = b""

    def first(self) -> bytes:
        """The first message."""
        return f"n,,{self._bare}".encode()

    def reply(self, challenge: bytes) -> bytes:
        """The final message, with the proof. Raises WireError when the challenge is not ours."""
        text = challenge.decode()
        fields = dict(part.split("=", 1) for part in text.split(","))
        if not fields.get("r", "").startswith(self._nonce):
            raise WireError("the broker answers another login")
        salt, rounds = base64.b64decode(fields["s"]), int(fields["i"])
        if not 1 <= rounds <= 1_000_000:
            raise WireError("the broker asks for an unreasonable number of rounds")
        salted = hashlib.pbkdf2_hmac(self._hash, self._password, salt, rounds)
        client_key = self._mac(salted, b"Client Key")
        final = f"c=biws,r={fields['r']}"
        signed = f"{self._bare},{text},{final}".encode()
        signature = self._mac(hashlib.new(self._hash, client_key).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        self._server_signature = self._mac(self._mac(salted, b"Server Key"), signed)
        return f"{final},p={base64.b64encode(proof).decode()}".encode()

    def proves(self, last: bytes) -> bool:
        """Whether the broker's last message proves that it knows the password too."""
        expected = b"v=" + base64.b64encode(self._server_signature)
        return hmac.compare_digest(last.split(b",")[0], expected)

    def _mac(self, key: bytes, text: bytes) -> bytes:
        return hmac.new(key, text, self._hash).digest()


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack(">h", len(raw)) + raw
