"""Receipts: verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.client import receipts
from gateway.client.errors import ReceiptDamaged
from hub.output import AsJson, console, emit_json
from hub.said import Said, by_system, zh

app = typer.Typer(no_args_is_help=True, help="Receipts: verify.")


@app.callback()
def _group() -> None:
    """Keeps it a group: with one command alone it would be that command."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="The receipt: a compact JWS, as GET …/receipt gives it.")],
    *,
    jwks: Annotated[Path, typer.Option(help="The hub's public keys: /.well-known/jwks.json, as it was saved.")],
    body: Annotated[Path | None, typer.Option(help="The file that was sent: the receipt must be of it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Checks a receipt offline: that the hub signed it, and that nothing in it was changed since."""
    import hashlib  # noqa: PLC0415

    sha256 = None if body is None else hashlib.sha256(_read(body)).hexdigest()
    try:
        known: Any = json.loads(_read(jwks))
    except ValueError:
        known = {}
    found = receipts.verify(
        _read(file).decode("utf-8", "replace"), known if isinstance(known, dict) else {}, body_sha256=sha256
    )
    if as_json:
        emit_json({"holds": True, "receipt": found})
        return
    out = console()
    out.print(f"the receipt holds 回执有效: batch {found['batch']}, {found['state']}", soft_wrap=True, markup=False)
    out.print(json.dumps(found, ensure_ascii=False, indent=1), soft_wrap=True, markup=False)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = by_system(error)
        raise ReceiptDamaged(reason=Said(f"{path.name}: {why}", f"{path.name}：{zh(why)}")) from None
