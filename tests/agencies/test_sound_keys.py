"""Keys under which a signature proves nothing are none that the hub takes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import KeyUnusable
from hub.keys import PublicKey, generate, of_jwk, read_public
from hub.points import sound_ed25519

P = 2**255 - 19
ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
SMALL = {
    "neutral": 1,
    "neutral, signed": 1 | 1 << 255,
    "order 2": P - 1,
    "order 2, signed": (P - 1) | 1 << 255,
    "order 4": 0,
    "order 4, signed": 1 << 255,
    "order 8": ORDER_8,
    "order 8, signed": ORDER_8 | 1 << 255,
    "order 8, other": P - ORDER_8,
    "order 8, other, signed": (P - ORDER_8) | 1 << 255,
    "not in its one form: neutral": P + 1,
    "not in its one form: order 4": P,
    "no point": 2,
}
FORGED = (1).to_bytes(32, "little") + bytes(32)
"""R is the neutral point, S is nought: made without any key."""


def ed25519(number: int) -> PublicKey:
    return PublicKey("ed25519", number.to_bytes(32, "little"))


def test_what_is_refused_here_would_verify_what_nobody_signed() -> None:
    # Were the library to refuse it one day, the check would have nothing left to guard.
    assert ed25519(1).verifies(FORGED, b"transfer the clue") and ed25519(1).verifies(FORGED, b"do not")


@pytest.mark.parametrize("name", SMALL)
def test_a_point_of_small_order_is_no_key(name: str) -> None:
    key = ed25519(SMALL[name])
    with pytest.raises(KeyUnusable):
        read_public(key.pem.encode())
    with pytest.raises(KeyUnusable):
        of_jwk(key.jwk)


def test_a_key_with_a_part_of_small_order_is_refused() -> None:
    # A = aB + T: two keys of which each verifies some of the other's signatures.
    from hub import points

    honest = points._decoded(generate().public.raw)
    small = points._decoded(ORDER_8.to_bytes(32, "little"))
    assert honest is not None and small is not None
    x, y, z, _ = points._added(honest, small)
    inverse = pow(z, -1, P)
    x, y = x * inverse % P, y * inverse % P
    raw = (y | (x & 1) << 255).to_bytes(32, "little")
    assert points._decoded(raw) is not None and not sound_ed25519(raw)


@settings(max_examples=25, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_is_properly_made_is_sound(seed: bytes) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = PublicKey("ed25519", Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw())
    assert read_public(key.pem.encode()) == key == of_jwk(key.jwk)


@given(st.binary(max_size=40))
def test_no_bytes_are_more_than_unsound(raw: bytes) -> None:
    assert sound_ed25519(raw) in (True, False)


@pytest.mark.parametrize("at", [1, 32, 33, 64])
def test_a_point_beside_the_sm2_curve_is_no_key(at: int) -> None:
    raw = bytearray(generate("hub-sm2-sm3").public.raw)
    raw[at] ^= 1
    key = PublicKey("hub-sm2-sm3", bytes(raw))
    with pytest.raises(KeyUnusable):
        read_public(key.pem.encode())
    with pytest.raises(KeyUnusable):
        of_jwk(key.jwk)
