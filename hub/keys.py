"""Keys that sign bytes: Ed25519, and SM2 with SM3 where an agency must sign with the national algorithms.

Libraries are imported when a key is used: what merely names this module pays nothing. A key's id is the RFC 7638 thumbprint of
its JWK (SHA-256, base64url): whoever has the public key knows the id, and no two keys share one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hub.errors import KeyUnusable
from hub.points import sound_ed25519
from hub.said import Said

Algorithm = Literal["ed25519", "hub-sm2-sm3"]
ALGORITHMS: tuple[Algorithm, ...] = ("ed25519", "hub-sm2-sm3")
MAX_PEM = 8_192
_SM2_OID = bytes.fromhex("06082a811ccf5501822d")
"""DER of the curve's name, 1.2.156.10197.1.301."""
_SPKI_EC = bytes.fromhex("3059301306072a8648ce3d0201") + _SM2_OID + bytes.fromhex("034200")
"""Beginning of an SM2 key's SubjectPublicKeyInfo; an uncompressed point follows."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: what it is for, and its raw form (32 bytes of Ed25519, 65 bytes 04‖x‖y of SM2)."""

    algorithm: Algorithm
    raw: bytes

    @property
    def jwk(self) -> dict[str, str]:
        """As a JWK, with its `kid`."""
        members = _members(self)
        return {**members, "kid": _thumbprint(members)}

    @property
    def kid(self) -> str:
        """Its RFC 7638 thumbprint."""
        return _thumbprint(_members(self))

    @property
    def pem(self) -> str:
        """SubjectPublicKeyInfo as PEM."""
        der = _SPKI_EC + self.raw
        if self.algorithm == "ed25519":
            der = bytes.fromhex("302a300506032b6570032100") + self.raw
        lines = base64.encodebytes(der).decode().replace("\n", "")
        body = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
        return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether the private half made this signature of these bytes. Raises nothing, whatever is given."""
        if self.algorithm == "ed25519":
            from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

            try:
                Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
            except (InvalidSignature, ValueError):
                return False
            return True
        return _sm2_verifies(self.raw, signature, data)


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """A private key. It is never shown, not even by repr."""

    public: PublicKey
    secret: bytes  # 32 bytes

    @property
    def kid(self) -> str:
        """The id of the pair."""
        return self.public.kid

    def sign(self, data: bytes) -> bytes:
        """64 bytes: Ed25519, or r‖s of SM2 over SM3."""
        if self.public.algorithm == "ed25519":
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

            return Ed25519PrivateKey.from_private_bytes(self.secret).sign(data)
        return _sm2_sign(self.secret, self.public.raw, data)

    def pem(self, passphrase: bytes | None = None) -> bytes:
        """PKCS #8 as PEM, encrypted where there is a passphrase."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

        if self.public.algorithm == "ed25519":
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

            how: Any = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
            return Ed25519PrivateKey.from_private_bytes(self.secret).private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how
            )
        body = base64.b64encode(self.secret + self.public.raw).decode()
        return f"-----BEGIN HUB SM2 PRIVATE KEY-----\n{body}\n-----END HUB SM2 PRIVATE KEY-----\n".encode()


def generate(algorithm: Algorithm = "ed25519") -> PrivateKey:
    """A fresh pair."""
    if algorithm == "ed25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        made = Ed25519PrivateKey.generate()
        return PrivateKey(PublicKey("ed25519", made.public_key().public_bytes_raw()), made.private_bytes_raw())
    import gmssl_pyx  # noqa: PLC0415

    public, secret = gmssl_pyx.sm2_key_generate()
    return PrivateKey(PublicKey("hub-sm2-sm3", b"\x04" + gmssl_pyx.normalize_sm2_public_key(public)[-64:]), secret)


def read_public(pem: bytes) -> PublicKey:
    """The public key of a PEM. Raises KeyUnusable: a private key, another kind, no PEM."""
    if len(pem) > MAX_PEM:
        raise KeyUnusable(reason=Said("it is too large", "内容过大"))
    if b"PRIVATE KEY" in pem:
        raise KeyUnusable(
            reason=Said("it is a private key, which must never leave the agency", "这是私钥，私钥不得离开本机构")
        )
    der = _der(pem, b"PUBLIC KEY")
    if der.startswith(_SPKI_EC) and len(der) == len(_SPKI_EC) + 65 and der[len(_SPKI_EC)] == 4:
        key = PublicKey("hub-sm2-sm3", der[len(_SPKI_EC) :])
        return _sound(key)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key  # noqa: PLC0415

    try:
        found = load_der_public_key(der)
    except Exception:  # noqa: BLE001 - the library has many, and none may quote the key
        found = None
    if not isinstance(found, Ed25519PublicKey):
        raise KeyUnusable(reason=Said("it is neither an Ed25519 nor an SM2 public key", "不是 Ed25519 或 SM2 公钥"))
    return _sound(PublicKey("ed25519", found.public_bytes_raw()))


def read_private(pem: bytes, passphrase: bytes | None = None) -> PrivateKey:
    """The private key of a PEM. Raises KeyUnusable."""
    if len(pem) > MAX_PEM:
        raise KeyUnusable(reason=Said("it is too large", "内容过大"))
    if b"HUB SM2 PRIVATE KEY" in pem:
        both = _der(pem, b"HUB SM2 PRIVATE KEY")
        if len(both) != 97 or both[32] != 4 or not _sm2_on_curve(both[32:]):
            raise KeyUnusable(reason=Said("the file is damaged", "文件已损坏"))
        return PrivateKey(PublicKey("hub-sm2-sm3", both[32:]), both[:32])
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        found = load_pem_private_key(pem, passphrase)
    except Exception:  # noqa: BLE001 - as above
        found = None
    if not isinstance(found, Ed25519PrivateKey):
        why = Said(
            "it is no Ed25519 or SM2 private key, or its passphrase is another",
            "不是 Ed25519 或 SM2 私钥，或口令不符",
        )
        raise KeyUnusable(reason=why)
    return PrivateKey(PublicKey("ed25519", found.public_key().public_bytes_raw()), found.private_bytes_raw())


def of_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """The public key of a JWK. Raises KeyUnusable; a `kid` that is not its thumbprint is such a case."""
    try:
        if jwk["kty"] == "OKP" and jwk["crv"] == "Ed25519":
            key = PublicKey("ed25519", unb64(str(jwk["x"])))
        elif jwk["kty"] == "EC" and jwk["crv"] == "SM2":
            key = PublicKey("hub-sm2-sm3", b"\x04" + unb64(str(jwk["x"])) + unb64(str(jwk["y"])))
        else:
            raise KeyError("crv")
    except (KeyError, ValueError, TypeError):
        raise KeyUnusable(reason=Said("the JWK is of no known kind", "JWK 种类未知")) from None
    if len(key.raw) != (32 if key.algorithm == "ed25519" else 65) or jwk.get("kid", key.kid) != key.kid:
        raise KeyUnusable(reason=Said("the JWK's id is not that of its key", "JWK 标识与密钥不符"))
    return _sound(key)


def _sound(key: PublicKey) -> PublicKey:
    """The key, unless signatures under it prove nothing. Raises KeyUnusable."""
    if key.algorithm == "ed25519" and not sound_ed25519(key.raw):
        why = Said("under its point signatures hold that nobody made", "其点不可靠：他人无需私钥即可伪造有效签名")
        raise KeyUnusable(reason=why)
    if key.algorithm == "hub-sm2-sm3" and not (key.raw[0] == 4 and _sm2_on_curve(key.raw)):
        raise KeyUnusable(reason=Said("its point is not on the SM2 curve", "其点不在 SM2 曲线上"))
    return key


def b64(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of base64url without padding, in the one way of writing them. Raises ValueError."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if b64(data) != text:
        raise ValueError("not the one form of these bytes")
    return data


def _members(key: PublicKey) -> dict[str, str]:
    if key.algorithm == "ed25519":
        return {"crv": "Ed25519", "kty": "OKP", "x": b64(key.raw)}
    return {"crv": "SM2", "kty": "EC", "x": b64(key.raw[1:33]), "y": b64(key.raw[33:])}


def _thumbprint(members: Mapping[str, str]) -> str:
    text = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return b64(hashlib.sha256(text.encode()).digest())


def _der(pem: bytes, label: bytes) -> bytes:
    """What stands between the lines of a PEM. Raises KeyUnusable."""
    begin, end = b"-----BEGIN " + label + b"-----", b"-----END " + label + b"-----"
    text = pem.strip()
    if not (text.startswith(begin) and text.endswith(end)):
        raise KeyUnusable(reason=Said("it is no PEM file of one public key", "不是单个公钥的 PEM 文件"))
    try:
        return base64.b64decode(b"".join(text[len(begin) : -len(end)].split()), validate=True)
    except ValueError:
        raise KeyUnusable(reason=Said("the PEM file is damaged", "PEM 文件已损坏")) from None


_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93


def _sm2_on_curve(raw: bytes) -> bool:
    x, y = int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")
    return x < _P and y < _P and (y * y - (x * x * x - 3 * x + _B)) % _P == 0


def _sm2_sign(secret: bytes, public: bytes, data: bytes) -> bytes:
    import gmssl_pyx  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415

    r, s = decode_dss_signature(gmssl_pyx.sm2_sign(secret, public[1:], data))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _sm2_verifies(public: bytes, signature: bytes, data: bytes) -> bool:
    import gmssl_pyx  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature  # noqa: PLC0415

    if len(signature) != 64:
        return False
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        return bool(gmssl_pyx.sm2_verify(public[1:], data, der))
    except Exception:  # noqa: BLE001 - a signature that the library chokes on is none
        return False
