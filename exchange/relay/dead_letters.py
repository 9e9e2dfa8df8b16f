"""A poison record's dead letter: references to an event that the brokers refuse, never its data."""

from __future__ import annotations

import json
from dataclasses import dataclass

import sqlalchemy as sa

from exchange.envelope import event_headers
from exchange.errors import RecordsRefused
from exchange.relay.sending import Piece
from hub import clock


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """References to an event that could not be sent; never its data."""

    event_id: str
    record_key: str | None
    lane: str
    seq: int
    record: int
    topic: str
    batch: str | None
    code: str

    @classmethod
    def of(cls, lane_id: str, piece: Piece, code: str) -> DeadLetter:
        """The dead letter of a piece's first record."""
        said = {name: value.decode() for name, value in piece.headers[0]}
        event_id = said.get("ce_id") or f"{lane_id}:{piece.entry.seq}:{piece.start}"
        entry = piece.entry
        return cls(event_id, said.get("ce_subject"), lane_id, entry.seq, piece.start, entry.topic, entry.batch_id, code)

    def row(self) -> dict[str, object]:
        """Its row, not confirmed yet."""
        return {
            "event_id": self.event_id,
            "record_key": self.record_key,
            "lane": self.lane,
            "seq": self.seq,
            "record": self.record,
            "topic": self.topic,
            "code": self.code,
            "reason": RecordsRefused(reason=self.code, index=0).sentence(),
            "state": "suspected",
            "noted_at": sa.func.now(),
        }

    def message(self) -> tuple[list[bytes | None], list[bytes | None], list[list[tuple[str, bytes]]]]:
        """Keys, values and headers to send."""
        data = {"event_id": self.event_id, "topic": self.topic, "lane": self.lane, "batch": self.batch}
        data |= {"seq": str(self.seq), "record": str(self.record), "code": self.code}
        headers = event_headers(
            event_type="hub.dead_letter.recorded",
            event_id=f"dead:{self.event_id}",
            source=f"/lanes/{self.lane}",
            time=clock.now().isoformat(),
            subject=self.event_id,
        )
        return [self.event_id.encode()], [json.dumps(data, separators=(",", ":")).encode()], [headers]
