"""Whether an Ed25519 public key is a sound one: under some points of the curve a signature that nobody made holds.

OpenSSL takes every point, and RFC 8032 leaves the check to whoever takes keys in. Plain Python: what is looked at is public.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_P: Final = 2**255 - 19
_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE: Final = pow(2, (_P - 1) // 4, _P)

_Point = tuple[int, int, int, int]  # extended coordinates of RFC 8032, 5.1.4
_NEUTRAL: Final[_Point] = (0, 1, 1, 0)


@lru_cache(maxsize=4096)  # milliseconds for a key; the door reads the same ones at every request
def sound_ed25519(raw: bytes) -> bool:
    """Whether 32 bytes are a point, in its one form, of the group of prime order, in which every public key that is properly made lies."""
    point = _decoded(raw)
    if point is None or _neutral(point):
        return False
    return _neutral(_times(_ORDER, point))


def _decoded(raw: bytes) -> _Point | None:
    """RFC 8032, 5.1.3; None for what is no point, or one in another than its one form."""
    if len(raw) != 32:
        return None
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= _P:
        return None
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
    if (v * x * x - u) % _P:
        x = x * _ROOT_OF_MINUS_ONE % _P
    if (v * x * x - u) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _neutral(point: _Point) -> bool:
    return point[0] % _P == 0 and (point[1] - point[2]) % _P == 0


def _added(one: _Point, other: _Point) -> _Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % _P
    b = (one[1] + one[0]) * (other[1] + other[0]) % _P
    c = 2 * one[3] * other[3] * _D % _P
    d = 2 * one[2] * other[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    total = _NEUTRAL
    while factor:
        if factor & 1:
            total = _added(total, point)
        point = _added(point, point)
        factor >>= 1
    return total
