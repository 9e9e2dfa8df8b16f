"""Notices to the operator's webhook: signed, each tried a bounded number of times, later each time.

`Hub-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>." and the body>`; `Hub-Event-Id` is the event's id on the topic, so that a
receiver that got one twice can tell. Any 2xx means that it was taken.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import sqlalchemy as sa

from exchange.alarms.book import notice_id
from exchange.errors import WebhookKeyMissing
from hub import clock, log
from hub.settings import settings
from warehouse.engine import transaction
from warehouse.tables import alarm_notice

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
TIMEOUT_SECONDS = 10.0
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the notices that were due."""

    sent: int
    later: int
    given_up: int


def signature(key: bytes, at: datetime, body: bytes) -> str:
    """The value of Hub-Signature."""
    stamp = str(int(at.timestamp()))
    return f"t={stamp},v1={hmac.digest(key, stamp.encode() + b'.' + body, 'sha256').hex()}"


def send_due() -> Sent:
    """Tries every notice that is due once. Raises WebhookKeyMissing, DatabaseUnavailable."""
    now = settings()
    counts = {"sent": 0, "waiting": 0, "given_up": 0}
    if now.alarm_webhook is None:
        return Sent(0, 0, 0)
    if now.alarm_webhook_key is None:
        raise WebhookKeyMissing()
    key = now.alarm_webhook_key.get_secret_value().encode()
    # Redirects off and no proxy of the environment: what is signed goes where the operator said.
    with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
        for _ in range(AT_ONCE):
            state = _one(client, now.alarm_webhook, key, now.alarm_webhook_attempts)
            if state is None:
                break
            counts[state] += 1
    return Sent(counts["sent"], counts["waiting"], counts["given_up"])


def _one(client: httpx.Client, url: str, key: bytes, most: int) -> str | None:
    """Tries the notice that is due longest; its state then, or None where none is due."""
    columns = alarm_notice.c
    at = clock.now()
    with transaction() as conn:
        query = sa.select(alarm_notice).where(columns.webhook == "waiting", columns.next_at <= at)
        query = query.order_by(columns.next_at, columns.alarm_no, columns.notice_no).limit(1)
        row = conn.execute(query.with_for_update(skip_locked=True)).first()
        if row is None:
            return None
        answer, taken = _post(client, url, key, row)
        attempts = row.attempts + 1
        state = "sent" if taken else "given_up" if attempts >= most else "waiting"
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(row.attempts, 16))
        mine = columns.alarm_no == row.alarm_no, columns.notice_no == row.notice_no
        values = {"webhook": state, "attempts": attempts, "answer": answer, "next_at": at + pause}
        conn.execute(sa.update(alarm_notice).where(*mine).values(**values))
    if state == "given_up":
        log.get("alarms").error(
            "the webhook did not take a notice", alarm=row.alarm_no, attempts=attempts, answer=answer
        )
    return state


def _post(client: httpx.Client, url: str, key: bytes, row: sa.Row[tuple[object, ...]]) -> tuple[str, bool]:
    body = bytes(row.body)
    headers = {
        "Content-Type": "application/json",
        "Hub-Event-Id": notice_id(row.alarm_no, row.notice_no, row.made_at),
        "Hub-Signature": signature(key, clock.now(), body),
    }
    try:
        answer = client.post(url, content=body, headers=headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return type(error).__name__, False
    return str(answer.status_code), answer.is_success
