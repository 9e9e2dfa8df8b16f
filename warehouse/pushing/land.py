"""A pushed delivery lands: through the gate, onto the disk, on record. Its checks are somebody else's, later.

    body ──▶ gate ──▶ pages, manifest, original: fsynced ──▶ ONE transaction: batch, files, traces, push, receipt

The feed's lock is not taken: a load of an hour must not keep the door shut. What orders deliveries is the lock `push:<feed>`, held
from the last look at what came before until the commit, so that batch numbers are given in the order of commits.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

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
from hub.ids import BatchId, FeedId, new_batch_id
from hub.settings import settings
from warehouse import batches, receipt
from warehouse.batches import Batch
from warehouse.checking.checkers import checker_for
from warehouse.engine import connection, lock_transaction
from warehouse.feeds import registry
from warehouse.landing import keeping, traces
from warehouse.landing import pages as landing
from warehouse.landing.hub_key import hmac_key
from warehouse.landing.known import note_look
from warehouse.landing.passing import DeliveryRefused, Passing, Sum
from warehouse.pushing import book
from warehouse.pushing.book import Landed, Push
from warehouse.pushing.errors import RulesChanged
from warehouse.store import store
from warehouse.takedown import standing
from warehouse.timing import Timing
from warehouse.turns import book as turns

OnLanded = Callable[[sa.Connection, Batch], None]
"""What else is to be done in the transaction that lands the batch."""


def known(feed: FeedId, push: Push, sha256: str) -> Landed | None:
    """What was told of the same delivery before: asked before a body is read. Raises IdempotencyConflict, DatabaseUnavailable."""
    with connection() as conn, conn.begin():
        return book.known(conn, feed, push, sha256)


def land(
    contract: FeedContract,
    source: SourceSpec,
    delivery: Delivery,
    push: Push,
    *,
    body: tuple[str, int],
    on_landed: OnLanded | None = None,
) -> Landed:
    """Lands a delivery; returns when it is fsynced and on record. `body`: SHA-256 and size of what was sent.

    One that the gate refuses, or that can't be read to its end, gives a batch in state `refused`: nothing of it is kept but
    hash, size and reason. The same delivery again gives what was told before. Whatever is raised, nothing is left behind.

    Raises IdempotencyConflict, RulesChanged, and HubError and TransientError as they come.
    """
    return _Landing(contract, source, delivery, push, body=body, on_landed=on_landed).done()


@dataclass(frozen=True, slots=True)
class _Named:
    """What a batch will be called."""

    feed: FeedId
    batch_id: BatchId


class _Landing:
    """One delivery on its way."""

    def __init__(
        self,
        contract: FeedContract,
        source: SourceSpec,
        delivery: Delivery,
        push: Push,
        *,
        body: tuple[str, int],
        on_landed: OnLanded | None,
    ) -> None:
        self._contract, self._source, self._delivery, self._push = contract, source, delivery, push
        self._body, self._on_landed = body, on_landed
        self._name = _Named(contract.id, new_batch_id())
        self._folder = landing.folder(contract.id, self._name.batch_id)
        self._store = store()
        self._key = hmac_key()
        self._gate = Gate(contract, source, level=settings().level, hmac_key=self._key)
        self._taken_down: dict[str, int] = {}

    def done(self) -> Landed:
        """Does it."""
        try:
            landed = self._through()
        except BaseException:
            self._store.delete_folder(self._folder)
            raise
        if landed.batch.batch_id != self._name.batch_id or landed.batch.state == "refused":
            self._store.delete_folder(self._folder)
        crash.point("push.committed")
        return landed

    def _through(self) -> Landed:
        by_name = self._gate.inspect_name(self._delivery.name)
        if by_name is not None:
            return self._refuse(by_name, name=WITHHELD)
        with closing(Sum(self._store.root)) as total:
            try:
                self._pages(total)
            except DeliveryRefused as signal:
                return self._refuse(signal.refusal)
            except AgencyError as error:
                return self._unreadable(self._gate.told(error))
            except HubException as error:
                raise self._gate.told(error) from error.__cause__
            crash.point("push.gated")
            return self._land(total)

    def _pages(self, total: Sum) -> None:
        """Lets the pages in and writes them. Raises DeliveryRefused, and what reading raises."""
        with connection() as conn, conn.begin():
            self._taken_down = standing.numbers_of(conn, self._contract.id)
            stands = standing.of_feed(conn, self._contract, self._checker) if self._taken_down else None
        guard = self._gate, Tracer(self._key), stands
        passing = Passing(self._contract, guard, None, Timing(), opened=lambda: self._name)
        with closing(passing.through(self._delivery, again=False)) as pages:
            for page in pages:
                total.add(page)

    def _checker(self) -> Checker:
        return checker_for(self._contract, self._source)

    def _land(self, total: Sum) -> Landed:
        original = keeping.keep_original(self._store, self._gate, self._delivery, total)
        manifest = self._manifest(total, kept=original is not None)
        crash.point("push.landed")
        with connection() as conn, conn.begin():
            earlier = self._turn(conn)
            if earlier is not None:
                return earlier
            if original is not None:
                # Until the commit upkeep leaves it; one that it has just removed is kept anew.
                lock_transaction(conn, "original", original[1])
                if not self._store.path(original[0]).is_file():
                    original = keeping.keep_original(self._store, self._gate, self._delivery, total)
                    if original is None:
                        manifest = self._manifest(total, kept=False)
            batch = self._born(
                conn,
                "landed",
                landed_at=clock.now(),
                rows_in=total.rows_in,
                rows_refused=total.rows_refused,
                delivery_sha256=self._delivery.sha256,
            )
            traces.insert_landed(conn, batch, total.pages, manifest, original)
            traces.insert_refusals(conn, batch, total.refusals, self._push.agency)
            traces.insert_maskings(conn, batch, total.maskings)
            note_look(conn, batch.feed, batch.source, None, found=True)
            landed = book.note(conn, self._contract, batch, self._push, self._body)
            if self._on_landed is not None:
                self._on_landed(conn, batch)
            turns.ring(conn, batch.feed)
        return landed

    def _turn(self, conn: sa.Connection) -> Landed | None:
        """Takes this delivery's place among the feed's; what was told of it before, if it came before. Raises RulesChanged."""
        lock_transaction(conn, "push", self._contract.id)
        earlier = book.known(conn, self._contract.id, self._push, self._body[0])
        if earlier is None and standing.numbers_of(conn, self._contract.id).keys() - self._taken_down.keys():
            raise RulesChanged(feed=self._contract.id)
        return earlier

    def _born(
        self, conn: sa.Connection, state: batches.BatchState, *, name: str | None = None, **values: object
    ) -> Batch:
        registry.on_record(conn, self._contract)
        return batches.born(
            conn,
            self._contract,
            self._name.batch_id,
            state,
            source=self._source.id,
            delivery=self._gate.name(self._delivery.name) if name is None else name,
            opened_at=self._push.received_at,
            **values,
        )

    def _manifest(self, total: Sum, *, kept: bool) -> keeping.Kept:
        name = self._gate.name(self._delivery.name)
        facts = {
            "batch": self._name.batch_id,
            "feed": self._contract.id,
            "contract": {"version": self._contract.version, "sha256": self._contract.sha256},
            "kind": "push",
            "parent": None,
            "sender": self._push.agency,
            "source": self._source.id,
            "delivery": keeping.delivery_facts(self._gate, self._delivery, total, name, kept=kept),
            "push": {
                "kid": self._push.kid,
                "signed": self._push.signed,
                "request_sha256": self._push.request_sha256,
                "idempotency_key": self._push.idempotency_key,
                "business": dict(self._push.business),
            },
            "received_at": self._push.received_at.isoformat(),
            "rows_in": total.rows_in,
            "rows_refused": total.rows_refused,
        }
        return landing.write_manifest(self._store, self._folder, total.pages, facts)

    def _refuse(self, refusal: Refusal, *, name: str | None = None) -> Landed:
        trace = hmac.digest(self._key, f"{refusal.rule}:{refusal.hmac}:{self._delivery.name}".encode(), "sha256").hex()
        reason = f"the gate refused the delivery: {refusal.rule}"
        table = traces.refusal_table([refusal])
        return self._end(f"hmac:{trace}", reason, name=name, refusals=table)

    def _unreadable(self, error: AgencyError) -> Landed:
        return self._end(self._body[0], f"{error.code} {error.sentence()}", error=error)

    def _end(
        self,
        identity: str,
        reason: str,
        *,
        name: str | None = None,
        refusals: pa.Table | None = None,
        error: AgencyError | None = None,
    ) -> Landed:
        """Puts a refused delivery on record: its hash, its size, the reason."""
        with connection() as conn, conn.begin():
            earlier = self._turn(conn)
            if earlier is not None:
                return earlier
            facts = {} if error is None else {"error": error.as_dict()}
            values = {"state_reason": reason, "delivery_sha256": identity, "facts": facts}
            batch = self._born(conn, "refused", name=name, **values)
            if refusals is not None:
                traces.insert_refusals(conn, batch, [refusals], self._push.agency)
            note_look(conn, batch.feed, batch.source, None, found=None)
            landed = book.note(conn, self._contract, batch, self._push, self._body, decided=error is None)
            receipt.make(conn, batch)
        return landed
