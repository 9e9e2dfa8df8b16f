"""One record's story as a person tells it: a dated line for each thing that befell it, the oldest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hub.tabular import cell
from hub.terminal import one_line
from warehouse.batches import AGAIN

LONGEST = 60
"""Characters of a value that are shown; `--json` has all."""

Told = Mapping[str, Any]


class Line(NamedTuple):
    """One thing that happened. `style` is rich's; lines of one instant keep the order of the way."""

    at: datetime | None
    step: int
    what: str
    style: str = ""


def lines(told: Told) -> list[Line]:
    """The story that `warehouse.story.story` found, with the events' places on Kafka, as lines in the order of time.

    What has not happened yet (an event that waits) has no date and stands last.
    """
    found = [*_rows(told), *_quarantined(told), *_revisions(told), *_takedowns(told), *_events(told)]
    return sorted(found, key=lambda line: (line.at or datetime.max.replace(tzinfo=UTC), line.step))


def refused(told: Told) -> list[Line]:
    """The story of a row that the gate refused, as `warehouse.story.of_row` found it: no value of it is kept."""
    about = told["about"]
    place = _place(told["batch"], about, told["refused"][0])
    return [
        Line(about["opened_at"], 0, f"delivered {place}"),
        *(Line(one["refused_at"], 1, _refusal(one), "red") for one in told["refused"]),
    ]


def dated(at: datetime | None) -> str:
    """An instant as it stands before a line: seconds, UTC."""
    return cell(at) if at is not None else "not yet"


def _rows(told: Told) -> Iterator[Line]:
    kept_out = {(row["batch"], row["row"]) for row in told["quarantined"]}
    for row in told["rows"]:
        batch = told["batches"][row["batch"]]
        if batch["kind"] not in AGAIN:  # that it was sent again is told with its correction
            yield Line(batch["landed_at"] or batch["opened_at"], 0, f"delivered {_place(row['batch'], batch, row)}")
        if row.get("masked"):
            yield Line(batch["landed_at"], 1, "the gate masked values in it before it was stored", "yellow")
        at = batch["checked_at"] or batch["landed_at"]
        changed = [
            f"{one['field']} {_arrow(one['from'], one['to'])} by {'+'.join(one['steps'])}"
            for one in row.get("changed") or ()
        ]
        if changed:
            yield Line(at, 2, f"changed {len(changed)} field{'s' * (len(changed) > 1)}: {'; '.join(changed)}")
        if row.get("changes") is None and "reason" in row:
            yield Line(at, 2, f"what was changed can't be told any more: {row['reason']}", "yellow")
        if row.get("rules") == [] and (row["batch"], row["row"]) not in kept_out:
            yield Line(at, 3, "checked: it keeps every rule", "green")


def _quarantined(told: Told) -> Iterator[Line]:
    for row in told["quarantined"]:
        for rule in row["rules"]:
            yield Line(row["at"], 3, f"quarantined: {rule['rule']}: {rule['en']} / {rule['zh']}", "red")
        for fix in row["fixes"]:
            changed = f"{fix['field']} {_arrow(fix['old_value'], fix['new_value'])}"
            yield Line(fix["fixed_at"], 4, f"fixed by {fix['editor']}: {changed} ({fix['reason']})", "cyan")
        if row["replay"]:
            batch = told["batches"].get(row["replay"], {})
            by = f" by {batch['operator']}" if batch.get("operator") else ""
            yield Line(batch.get("opened_at"), 5, f"sent the way again{by} in batch {row['replay']}", "cyan")
        elif row["state"] in ("open", "fixed"):
            batch_id = row["batch"]
            waits = "corrected, waits for a replay" if row["state"] == "fixed" else "waits for a correction"
            yield Line(None, 4, f"{waits}: hub quarantine show {batch_id} {row['row']}", "yellow")
        elif row["state"] == "rejected":
            yield Line(None, 4, f"turned down with its batch {row['batch']}", "red")
    for one in told["refused"]:
        yield Line(one["refused_at"], 5, _refusal(one), "red")


def _revisions(told: Told) -> Iterator[Line]:
    by_takedown = {one["event_id"].rpartition(":")[2]: one["takedown"] for one in told["takedowns"] if one["event_id"]}
    records = sorted(filter(None, [told["current"], *told["history"]]), key=lambda record: int(record["revision"]))
    before: Told = {}
    for record in records:
        done = "withdrawn, as" if record["withdrawn"] else "loaded as"
        number = by_takedown.get(str(record["revision"]))
        where = f"in batch {record['batch']}" if number is None else f"by takedown {number}"
        text = f"{done} revision {record['revision']} {where}"
        now = record["record"] or {}
        differing = [name for name in now if before and before.get(name) != now[name]]
        if differing and not record["withdrawn"]:
            text += ": " + ", ".join(f"{name} {_arrow(before.get(name), now[name])}" for name in differing)
        yield Line(record["loaded_at"], 6, text, "bold")
        before = now or before


def _takedowns(told: Told) -> Iterator[Line]:
    for one in told["takedowns"]:
        done = "" if one["state"] in ("done", "lifted") else ", not finished: order it again"
        yield Line(
            one["at"], 6, f"taken down by {one['operator']}: takedown {one['takedown']} ({one['reason']}){done}", "red"
        )
        if one["lifted"]:
            lifted = one["lifted"]
            text = f"takedown {one['takedown']} lifted by {lifted['operator']} ({lifted['reason']})"
            yield Line(datetime.fromisoformat(lifted["at"]), 8, text, "cyan")


def _change(event: Told) -> str:
    """What an event says it is: of one that a takedown emptied here, what it was when it was sent, as far as its topic still tells."""
    if event["takedown"] is not None:
        return f"withdrawn: the withdrawal of takedown {event['takedown']}"
    change = event["change"] or ("what it was is not known any more" if event["emptied"] else "past its retention")
    again = ", sent again" if event["sent_again"] else ""
    return f"{change}{again}{', emptied here by a takedown since' if event['emptied'] else ''}"


def _events(told: Told) -> Iterator[Line]:
    for event in told["events"]:
        named = f"event {event['event_id']} ({_change(event)})"
        if event["published_at"] and event["offset"] is not None:
            place = f"on {event['topic']} partition {event['partition']} offset {event['offset']}"
            yield Line(event["published_at"], 7, f"{named} {place}", "green")
        elif event["published_at"]:
            where = "the brokers could not be asked where" if "kafka" in told else "where it is not found any more"
            yield Line(event["published_at"], 7, f"{named} on {event['topic']}, {where}", "yellow")
        elif event["skipped_at"]:
            yield Line(event["skipped_at"], 7, f"{named} passed over by a rebase of the relay, never published", "red")
        else:
            yield Line(None, 7, f"{named} waits for the relay: hub relay status", "yellow")


def _place(batch_id: str, batch: Told, row: Told) -> str:
    """Where a row came from: file, sheet or unit, line, row, page, batch."""
    where = [f"in {batch['delivery']} (source {batch['source']})"]
    if row.get("unit") and row["unit"] != batch["delivery"]:
        where.append(str(row["unit"]))
    if row.get("source_row") is not None:
        where.append(f"line {row['source_row']}")
    where.append("the delivery as a whole" if row.get("row") is None else f"row {row['row']}")
    if row.get("page") is not None:
        where.append(f"page {row['page']}")
    if row.get("purged"):
        where.append("whose page is gone by retention")
    return f"{', '.join(where)} of batch {batch_id}"


def _refusal(one: Told) -> str:
    return f"refused at the gate: {one['rule']}; no value of it was kept (row {one['row']} of batch {one['batch']})"


def _arrow(old: Any, new: Any) -> str:
    return f"{_value(old)} → {_value(new)}"


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = one_line(str(value))
    text = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return f'"{text}"' if text != text.strip() or text == "" else text
