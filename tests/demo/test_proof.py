"""The demonstration's own check: it holds for a hub that does its work, and breaks for one that does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contracts import catalogue
from contracts.model import FeedContract
from demo import outcome, proof
from demo.agencies import finance
from demo.generate.ledger import Ledger
from demo.proof import Claim
from demo.repair import candidate, done_before, examples, repair
from demo.subscriber import Reading
from hub.ids import BatchId, FeedId
from hub.settings import Settings, settings
from warehouse import way
from warehouse.batches import Batch
from warehouse.engine import connection, dispose, transaction
from warehouse.tables import outbox, quarantine

pytestmark = pytest.mark.stack
ROWS = 1_200


@pytest.fixture
def carried(
    tables: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FeedContract, list[Batch], list[Ledger]]]:
    """Both files of the finance bureau, carried the whole way up to the outbox."""
    planted = finance.drop(tmp_path / "drop", ROWS, 6)
    places = tmp_path / "places.toml"
    places.write_text(f"[places.finance_bureau_drop]\nroot = {json.dumps(str(tmp_path / 'drop'))}\n")
    monkeypatch.setenv("HUB_PLACES", str(places))
    settings.cache_clear()
    contract = catalogue.load_one(FeedId("finance_payments"))
    for path in sorted((tmp_path / "drop").iterdir()):
        source = "payments_csv" if path.suffix == ".csv" else "payments_xlsx"
        way.run_feed(contract, source, file=path)
    yield contract, outcome.since(0), planted
    dispose()


def broken(claims: list[Claim]) -> list[str]:
    return [str(claim) for claim in claims if not claim.holds]


def of(batches: list[Batch], planted: list[Ledger]) -> list[Claim]:
    return [claim for one in batches for claim in proof.of_batch(one, planted)]


def test_it_holds_then_breaks_for_every_figure_and_row_that_is_wrong(
    carried: tuple[FeedContract, list[Batch], list[Ledger]],
) -> None:
    _, pulled, planted = carried
    assert {(one.kind, one.delivery) for one in pulled} == {("pull", ledger.unit) for ledger in planted}
    claims = of(pulled, planted)
    assert broken(claims) == []
    assert len(claims) > 20

    wrong = replace(pulled[0], rows_loaded=pulled[0].rows_loaded - 1)
    assert len(broken(proof.of_batch(wrong, planted))) == 2

    entry = next(one for one in planted[0].planted if one.defect == "bad_check_digit")
    with transaction() as conn:
        conn.execute(
            quarantine.update()
            .where(quarantine.c.batch_id == pulled[0].batch_id, quarantine.c.row_no == entry.rows[0])
            .values(rules=["year_of_voucher"])
        )
    (found,) = broken(of(pulled, planted))
    assert "bad check digit" in found and str(entry.rows[0]) in found
    with transaction() as conn:
        here = (quarantine.c.batch_id == pulled[0].batch_id) & (quarantine.c.row_no == entry.rows[0])
        conn.execute(quarantine.delete().where(here))
    assert len(broken(of(pulled, planted))) == 1


def test_rows_that_never_came_in_are_found(carried: tuple[FeedContract, list[Batch], list[Ledger]]) -> None:
    """A batch whose figures add up but that lacks rows of its delivery, and a delivery that made no batch at all."""
    _, pulled, planted = carried
    short = replace(pulled[0], rows_in=pulled[0].rows_in - 100, rows_loaded=pulled[0].rows_loaded - 100)
    found = broken(of([short, *pulled[1:]], planted))
    assert len(found) == 1 and f"{short.rows_in}" in found[0]

    assert broken(proof.of_ledgers(planted, pulled)) == []
    (missed,) = broken(proof.of_ledgers(planted, pulled[1:]))
    assert planted[0].unit in missed
    refused = replace(pulled[0], state="refused")
    assert len(broken(proof.of_ledgers(planted, [refused, *pulled[1:]]))) == 1
    assert len(broken(proof.of_ledgers([], pulled))) == 1, "no ledger is no proof"


def test_a_row_quarantined_for_another_reason_is_found(
    carried: tuple[FeedContract, list[Batch], list[Ledger]],
) -> None:
    _, pulled, planted = carried
    for defect, wrong in (("future_date", "_row.malformed"), ("conflicting_duplicate", "_row.malformed")):
        entry = next(one for one in planted[0].planted if one.defect == defect)
        here = (quarantine.c.batch_id == pulled[0].batch_id) & (quarantine.c.row_no == entry.rows[0])
        with transaction() as conn:
            right = conn.scalar(quarantine.select().with_only_columns(quarantine.c.rules).where(here))
            conn.execute(quarantine.update().where(here).values(rules=[wrong]))
        assert len(broken(of(pulled, planted))) == 1, defect
        with transaction() as conn:
            conn.execute(quarantine.update().where(here).values(rules=right))


def test_the_row_that_an_engineer_mends_is_loaded_once(
    carried: tuple[FeedContract, list[Batch], list[Ledger]], tmp_path: Path
) -> None:
    contract, batches, planted = carried
    found = candidate(batches, planted)
    assert found is not None
    assert done_before(contract.id) is None
    mended = repair(*found, tmp_path)
    assert mended.outcome is not None
    assert (mended.outcome.state, mended.loaded, mended.outcome.quarantined) == ("loaded", 1, 0)
    assert mended.after is not None and mended.before is not None
    assert float(mended.after) == pytest.approx(float(mended.before) * 10_000)
    again = done_before(contract.id)
    assert again is not None
    assert (again.row, again.replayed_as, again.outcome) == (mended.row, mended.replayed_as, None)
    with connection() as conn:
        records = conn.scalar(
            outbox.select().with_only_columns(outbox.c.records).where(outbox.c.batch_id == mended.replayed_as)
        )
    assert records == 1
    assert examples(batches, {}) == [], "of a feed whose contract was taken away nothing can be told"
    rows = examples(batches, {contract.id: contract})
    assert 1 <= len(rows) <= 4
    assert all(words["en"] and words["zh"] for _, rules in rows for words in rules)
    assert not {row.row for row, _ in rows if row.batch_id == found[0].batch_id} & {found[1]}
    assert outcome.quarantined(BatchId(found[0].batch_id))[found[1]]


def test_a_topic_that_lacks_or_doubles_an_event_is_found() -> None:
    whole = Reading("t", 3, {"a", "b", "c"})
    assert broken(proof.of_topics({"t": whole}, {"t": 3})) == []
    assert len(broken(proof.of_topics({"t": whole}, {"t": 4}))) == 1
    assert len(broken(proof.of_topics({"t": Reading("t", 3, {"a", "b"})}, {"t": 3}))) == 1
    assert len(broken(proof.of_topics({"t": whole}, {}))) == 1
