"""Agencies that push and read: keygen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gateway.client.errors import KeyFileUnwritable
from hub.keys import generate
from hub.output import AsJson, console, emit_json
from hub.said import Said, by_system

app = typer.Typer(no_args_is_help=True, help="Agencies: keygen.")


@app.callback()
def _group() -> None:
    """Keeps it a group: with one command alone it would be that command."""


@app.command()
def keygen(
    name: Annotated[Path, typer.Argument(help="Where: NAME.pem and NAME.pub.pem are written; what is there stays.")],
    *,
    sm2: Annotated[bool, typer.Option("--sm2", help="SM2 with SM3 in place of Ed25519.")] = False,
    passphrase_env: Annotated[
        str | None, typer.Option(help="Variable that holds a passphrase for the private key (Ed25519).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Makes a key pair, on the agency's side: the private half stays there, the public half goes to the hub's operators."""
    passphrase = os.environ.get(passphrase_env, "").encode() if passphrase_env else None
    if passphrase_env and (not passphrase or sm2):
        why = Said("the passphrase's variable is empty, or the key is SM2", "口令变量为空，或密钥为 SM2")
        raise KeyFileUnwritable(file=name.name, reason=why)
    pair = generate("hub-sm2-sm3" if sm2 else "ed25519")
    private, public = (name.with_name(f"{name.name}{ending}") for ending in (".pem", ".pub.pem"))
    if public.exists():
        raise KeyFileUnwritable(file=public.name, reason=Said("it is there already", "文件已存在"))
    _write(private, pair.pem(passphrase), 0o600)
    _write(public, pair.public.pem.encode(), 0o644)
    if as_json:
        emit_json({"kid": pair.kid, "private": str(private), "public": str(public)})
        return
    out = console()
    out.print(f"kid {pair.kid}", soft_wrap=True)
    out.print(f"{private}  private: it never leaves this machine 私钥，不得离开本机", soft_wrap=True, markup=False)
    out.print(
        f"{public}  public: give it, and the kid, to the hub's operators 公钥，连同 kid 交枢纽运维",
        soft_wrap=True,
        markup=False,
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyFileUnwritable(file=path.name, reason=by_system(error)) from None
