"""From a delivery to a landed batch, checked and judged in the same pass.

Where the gate refuses the delivery as a whole, or it can't be read to its end, everything of it that was written is
removed and only the trace stays. What the delivery and its errors are called is stored as the gate lets it be told.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import pyarrow as pa
import sqlalchemy as sa

from connectors.base import Delivery
from contracts.checks import Checker
from contracts.gate import Gate
from contracts.gate.names import WITHHELD
from contracts.gate.trace import Tracer
from contracts.model import FeedContract, SourceSpec
from contracts.page import Refusal
from hub import clock, crash
from hub.errors import AgencyError, HubException
from hub.settings import settings
from warehouse import batches, receipt
from warehouse.arrow import memory
from warehouse.batches import Batch, BatchKind
from warehouse.checking.judge import Judge
from warehouse.checking.pages import CheckedPages
from warehouse.engine import lock_transaction
from warehouse.landing import keeping, traces
from warehouse.landing import pages as landing
from warehouse.landing.hub_key import hmac_key
from warehouse.landing.known import (
    Refused,
    already_taken,
    keep_cursor,
    note_look,
    refused_before,
    refused_for_good,
    settle,
    veiled,
)
from warehouse.landing.passing import DeliveryRefused, Passed, Passing, Sum
from warehouse.store import store
from warehouse.takedown import standing
from warehouse.timing import Timing

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a delivery stands: what its batch says besides the rows."""

    kind: BatchKind
    cursor: Mapping[str, Any] | None = None
    interval: tuple[datetime | None, datetime | None] = (None, None)
    parent: Batch | None = None
    operator: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    by_hand: bool = False  # a person gave it: what the gate refused is delivered anew
    on_landed: Callable[[sa.Connection, Batch], None] | None = None  # in the transaction that lands the batch

    @property
    def again(self) -> bool:
        """Whether it comes from what the hub already holds."""
        return self.kind in batches.AGAIN


@dataclass(frozen=True, slots=True)
class Taken:
    """The batch of a delivery; `repeated`: it is that of an earlier time, nothing was done again."""

    batch: Batch
    repeated: bool = False


_Error = TypeVar("_Error", bound=HubException)


class Intake:
    """Takes deliveries of one source. `conn` holds the feed's lock and has no transaction open."""

    def __init__(
        self,
        conn: sa.Connection,
        contract: FeedContract,
        source: SourceSpec,
        *,
        checker: Checker,
        progress: Progress,
        timing: Timing,
    ) -> None:
        self._conn = conn
        self.contract = contract
        self._source = source
        self._checker = checker
        self._progress = progress
        self._timing = timing
        self._store = store()
        self._key = hmac_key()
        self._tracer = Tracer(self._key)
        self._gate = Gate(contract, source, level=settings().level, hmac_key=self._key)
        with conn.begin():
            self._standing = standing.of_feed(conn, contract, lambda: checker)

    def take(self, delivery: Delivery, origin: Origin) -> Taken | None:
        """Lands and checks one delivery; returns its batch, checked or held, or None where there was nothing in it.

        A delivery that is refused or can't be read gives a batch in state `refused` with the reason.
        Raises TransientError and HubError as they come; the batch is then taken up or abandoned by the next run.
        """
        named = self._gate.inspect_name(delivery.name)
        if named is not None:
            return self._refuse(None, delivery, origin, named, withheld=True)
        if not origin.again and not origin.by_hand:
            decided = refused_for_good(self._conn, self.contract.id, self._source.id, delivery, self._key)
            if decided is not None:
                return Taken(decided, repeated=True)
        total = Sum(self._store.root)
        with closing(Judge(self.contract)) as judge, closing(total):
            return self._taken(delivery, origin, judge, total)

    def _taken(self, delivery: Delivery, origin: Origin, judge: Judge, total: Sum) -> Taken | None:
        passing = Passing(
            self.contract,
            (self._gate, self._tracer, self._standing),
            self._checker,
            self._timing,
            opened=lambda: self._open(delivery, origin),
        )
        try:
            with closing(passing.through(delivery, again=origin.again)) as pages:
                for page in pages:
                    self._add(total, judge, page)
            batch = passing.batch or self._open_empty(delivery, origin)
        except DeliveryRefused as signal:
            return self._refuse(passing.batch, delivery, origin, signal.refusal)
        except AgencyError as error:
            return self._unreadable(passing.batch, delivery, origin, self.told(error))
        except HubException as error:
            raise self.told(error) from error.__cause__
        taken = None if batch is None else self._land(batch, delivery, origin, total)
        if taken is None or taken.repeated:
            return taken
        with self._timing.of("judge"):
            return Taken(judge.decide(self._conn, taken.batch, waive=bool(origin.facts.get("waived"))))

    def told(self, error: _Error) -> _Error:
        """The error as it may be logged and stored."""
        return self._gate.told(error)

    def _add(self, total: Sum, judge: Judge, page: Passed) -> None:
        total.add(page)
        assert page.checked is not None, "an intake checks what it lets in"
        judge.add(page.checked)
        memory.ease()
        self._progress("check", page.gated.rows_in)

    def _cursor(self, delivery: Delivery) -> dict[str, Any] | None:
        """The cursor to be saved. Its values are the source's business; names of files stand in its keys."""
        return None if delivery.cursor_after is None else self._with_told_keys(delivery.cursor_after)

    def told_name(self, name: str) -> str:
        """A name as it is stored."""
        return self._gate.name(name)

    def cursor_key(self, name: str) -> str:
        """The key under which a name stands in a cursor: itself, or its trace where it may not be stored as it is."""
        return name if self._gate.name(name) == name else f"hmac:{self._tracer.name(name)}"

    def _with_told_keys(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return {
            self.cursor_key(key): self._with_told_keys(inner) if isinstance(inner, Mapping) else inner
            for key, inner in value.items()
        }

    def _open(self, delivery: Delivery, origin: Origin, name: str | None = None) -> Batch:
        with self._conn.begin():
            batch = batches.open_batch(
                self._conn,
                self.contract,
                kind=origin.kind,
                source=self._source.id,
                delivery=self._gate.name(delivery.name) if name is None else name,
                parent=origin.parent,
                cursor_before=origin.cursor,
                interval=origin.interval,
                facts=origin.facts,
                operator=origin.operator,
            )
        crash.point("replay.opened" if origin.again else "collect.opened")
        return batch

    def _open_empty(self, delivery: Delivery, origin: Origin) -> Batch | None:
        """A batch for a delivery without rows: a file or a snapshot says something by being empty, a pull doesn't."""
        if delivery.as_it_came or self.contract.completeness == "snapshot" or origin.again:
            return self._open(delivery, origin)
        with self._conn.begin():
            note_look(self._conn, self.contract.id, self._source.id, self._cursor(delivery), found=False)
        return None

    def _land(self, batch: Batch, delivery: Delivery, origin: Origin, total: Sum) -> Taken:
        with self._conn.begin():
            earlier = None if origin.again else already_taken(self._conn, batch, delivery)
        if earlier is not None:
            discard(batch)  # first: a folder whose batch is forgotten would be nobody's
            with self._conn.begin():
                batches.forget(self._conn, batch)
                note_look(self._conn, self.contract.id, self._source.id, self._cursor(delivery), found=False)
            return Taken(earlier, repeated=True)
        with self._timing.of("land"):
            original = self._keep_original(delivery, total)
            manifest = self._write_manifest(batch, delivery, total, original is not None)
        crash.point("collect.pages_landed")
        with self._conn.begin():
            if original is not None:
                # Until the commit upkeep leaves it; one that it has just removed is kept anew.
                lock_transaction(self._conn, "original", original[1])
                if not self._store.path(original[0]).is_file():
                    original = self._keep_original(delivery, total)
                    if original is None:
                        manifest = self._write_manifest(batch, delivery, total, False)
            traces.insert_landed(self._conn, batch, total.pages, manifest, original)
            traces.insert_refusals(self._conn, batch, total.refusals, self.contract.owner)
            traces.insert_maskings(self._conn, batch, total.maskings)
            landed = batches.move(
                self._conn,
                batch,
                "landed",
                landed_at=clock.now(),
                rows_in=total.rows_in,
                rows_refused=total.rows_refused,
                delivery_sha256=delivery.sha256,
                appearance=delivery.appearance,
                order_no=settle(self._conn, batch, delivery),
                cursor_after=self._cursor(delivery) or sa.null(),
            )
            if origin.kind not in batches.AGAIN:  # of what the hub holds already its source said nothing
                fresh = True if origin.kind in batches.NEW else None
                note_look(self._conn, self.contract.id, self._source.id, None, found=fresh)
            if origin.on_landed is not None:
                origin.on_landed(self._conn, landed)
        crash.point("collect.landed")
        return Taken(landed)

    def _keep_original(self, delivery: Delivery, total: Sum) -> keeping.Kept | None:
        return keeping.keep_original(self._store, self._gate, delivery, total)

    def _write_manifest(self, batch: Batch, delivery: Delivery, total: Sum, kept: bool) -> tuple[str, str, int]:
        folder = landing.folder(batch.feed, batch.batch_id)
        return landing.write_manifest(self._store, folder, total.pages, self._manifest(batch, delivery, total, kept))

    def _manifest(self, batch: Batch, delivery: Delivery, total: Sum, kept: bool) -> dict[str, Any]:
        return {
            "batch": batch.batch_id,
            "feed": batch.feed,
            "contract": {"version": batch.contract_version, "sha256": batch.contract_sha256},
            "kind": batch.kind,
            "parent": batch.parent_batch,
            "sender": self.contract.owner,
            "source": batch.source,
            "delivery": keeping.delivery_facts(self._gate, delivery, total, batch.delivery, kept=kept),
            "received_at": batch.opened_at.isoformat(),
            "rows_in": total.rows_in,
            "rows_refused": total.rows_refused,
            **({"corrected": batch.facts["corrected"]} if "corrected" in batch.facts else {}),
        }

    def _refuse(
        self, batch: Batch | None, delivery: Delivery, origin: Origin, refusal: Refusal, *, withheld: bool = False
    ) -> Taken:
        """The gate refused the delivery: the trace stays, everything else goes; `withheld`: its name too."""
        _, delivery.appearance = delivery.identity()
        trace = hmac.digest(self._key, f"{refusal.rule}:{refusal.hmac}:{delivery.name}".encode(), "sha256").hex()
        return self._end(
            batch,
            delivery,
            origin,
            identity=f"hmac:{trace}",
            reason=f"the gate refused the delivery: {refusal.rule}; it is not read again unless it is delivered anew",
            name=WITHHELD if withheld else None,
            refusals=[traces.refusal_table([refusal])],
        )

    def _unreadable(self, batch: Batch | None, delivery: Delivery, origin: Origin, error: AgencyError) -> Taken:
        """The delivery can't be read to its end: nothing of it is kept, the reason is."""
        identity, delivery.appearance = delivery.identity()
        reason = f"{error.code} {error.sentence()}"
        return self._end(batch, delivery, origin, identity=identity, reason=reason, error=error)

    def _end(
        self,
        batch: Batch | None,
        delivery: Delivery,
        origin: Origin,
        *,
        identity: str | None,
        reason: str,
        name: str | None = None,
        refusals: list[pa.Table] | None = None,
        error: AgencyError | None = None,
    ) -> Taken:
        """Ends a delivery in state `refused`; one that ended so before under this contract is only shown again."""
        if batch is not None:
            discard(batch)
        met_as = delivery.appearance
        if error is None and met_as is not None:
            met_as = veiled(met_as, self._key)
        told = self._gate.name(delivery.name) if name is None else name
        now = Refused(self._source.id, identity, met_as, told if told == delivery.name else None)
        with self._conn.begin():
            earlier = refused_before(self._conn, self.contract, now)
            if earlier is not None and batch is not None:
                batches.forget(self._conn, batch)
        if earlier is not None:
            return Taken(earlier, repeated=True)
        batch = batch or self._open(delivery, origin, name)
        with self._conn.begin():
            traces.insert_refusals(self._conn, batch, refusals or [], self.contract.owner)
            facts = batch.facts if error is None else {**batch.facts, "error": error.as_dict()}
            refused = batches.move(
                self._conn,
                batch,
                "refused",
                state_reason=reason,
                delivery_sha256=identity,
                appearance=met_as,
                facts=dict(facts),
            )
            if origin.kind == "pull" and delivery.passed_over is not None:
                # What says the same as the delivery before it, and came before this one, must not be news after it.
                known = self._with_told_keys(delivery.passed_over)
                keep_cursor(self._conn, self.contract.id, self._source.id, known)
            receipt.make(self._conn, refused)
        return Taken(refused)


def discard(batch: Batch) -> None:
    """Removes what a batch that never landed has written."""
    place = store()
    place.delete_folder(landing.folder(batch.feed, batch.batch_id))
    CheckedPages(place, batch.feed, batch.batch_id).delete()
