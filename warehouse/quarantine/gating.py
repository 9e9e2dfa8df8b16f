"""Corrections before the gate: what an editor types is held to the same rules as what an agency sends."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pyarrow as pa
import sqlalchemy as sa

from contracts.gate import Gate
from contracts.model import FeedContract
from contracts.page import RawPage, Refusal
from hub.errors import AgencyError
from hub.said import Said, zh
from hub.settings import settings
from warehouse.checking.checkers import checker_for
from warehouse.landing.hub_key import hmac_key
from warehouse.takedown import standing
from warehouse.takedown.standing import Standing

Values = Mapping[str, str | None]


def gate_of(contract: FeedContract, source: str) -> Gate:
    """The gate of a source as the contract is now."""
    return Gate(contract, contract.source(source), level=settings().level, hmac_key=hmac_key())


def standing_of(conn: sa.Connection, contract: FeedContract, source: str) -> Standing | None:
    """The takedowns that no correction may undo. In an open transaction."""
    return standing.of_feed(conn, contract, lambda: checker_for(contract, contract.source(source)))


def gated(gate: Gate, taken_down: Standing | None, rows: Mapping[int, Values]) -> tuple[dict[int, Values], list[str]]:
    """Corrected rows by number as they may be stored, and what is refused of them: row and rule, no value.

    A value that the gate masks comes masked, a column that it drops not at all.
    """
    names = list(dict.fromkeys(name for values in rows.values() for name in values))
    numbers = pa.array(list(rows), pa.int64())
    table = pa.table({name: pa.array([values.get(name) for values in rows.values()], pa.string()) for name in names})
    # A correction has no unit of its own; its number stands where a refusal of the whole would name the line.
    passed = gate.inspect(RawPage(0, "", table, numbers, numbers))
    if taken_down is not None and passed.delivery_refused is None:
        # Where the contract can't read the columns no key is known yet: the replay says so itself.
        with suppress(AgencyError):
            passed = taken_down.refused(passed)
    refusals = passed.refusals if passed.delivery_refused is None else (passed.delivery_refused,)
    kept = zip(passed.page.rows.to_pylist(), passed.page.table.to_pylist(), strict=True)
    return {row: {name: value for name, value in values.items() if name in rows[row]} for row, values in kept}, [
        _told(refusal) for refusal in refusals
    ]


def _told(refusal: Refusal) -> str:
    where = (
        Said("the corrections", "更正内容")
        if refusal.source_row is None
        else Said(f"row {refusal.source_row}", f"第 {refusal.source_row} 行")
    )
    return Said(
        f"{where}: the gate refuses what was typed (rule {refusal.rule})",
        f"{zh(where)}：闸口拒收所填内容（规则 {refusal.rule}）",
    )
