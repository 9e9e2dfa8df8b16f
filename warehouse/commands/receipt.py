"""Receipts: show, keys, rotate."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.options import Operator, Reason
from hub.output import AsJson, console, emit_json, emit_rows
from warehouse import receipt
from warehouse.batch_choice import chosen
from warehouse.commands.batch import BatchArg, Last
from warehouse.engine import connection, transaction
from warehouse.errors import ReceiptMissing
from warehouse.signing import keys

app = typer.Typer(no_args_is_help=True, help="Receipts: show, keys, rotate.")


@app.command()
def show(
    batch: BatchArg = None,
    last: Last = False,
    version: Annotated[int | None, typer.Option(help="An earlier version.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prints a batch's receipt as it is signed: a compact JWS, for `hub receipt verify`."""
    batch_id = chosen(batch, last)
    with connection() as conn:
        found = receipt.signed(conn, batch_id, version)
    if found is None or found[1] is None:
        raise ReceiptMissing(batch=batch_id, version=version or 1)
    if as_json:
        emit_json({"batch": batch_id, "version": found[0], "jws": found[1]})
        return
    console().print(found[1], soft_wrap=True, markup=False)


@app.command("keys")
def list_keys(as_json: AsJson = False) -> None:
    """Every key that ever signed, the newest first; with --json, as the JWK Set that receipts are verified with."""
    with connection() as conn:
        if as_json:
            emit_json(keys.jwks(conn))
            return
        emit_rows(keys.listed(conn), [(name, name) for name in ("kid", "made_at", "retired_at")], as_json=False)


@app.command()
def rotate(operator: Operator, reason: Reason, as_json: AsJson = False) -> None:
    """Makes another key the one that signs; what the former one signed stays good."""
    with transaction() as conn:
        before, now = keys.rotate(conn, operator=operator, reason=reason)
    facts = {"before": before, "now": now}
    emit_json(facts) if as_json else emit_rows([facts], [(name, name) for name in facts], as_json=False)
