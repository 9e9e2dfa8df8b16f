"""The judge: a real Great Expectations suite over the figures that the kernels counted.

Over 1 M rows the same suite takes 22 s, over these figures 20 ms (`contracts.suite.expectation`); importing Great
Expectations takes several seconds and 250 MiB, so it happens on the first batch with rules, in tasks only.
"""

from __future__ import annotations

import html
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from contracts.model import BatchRule, FeedContract
from contracts.page import BatchMetrics, BatchVerdict
from contracts.suite import pages, summary
from contracts.suite.errors import BatchRuleNotRunnable, JudgeFailed
from contracts.suite.observations import OBSERVERS, Observation, observe
from hub import log
from hub.errors import HubException
from hub.said import Said, joined

_SEVERITY = {"error": "warning", "warning": "info"}  # a rule that holds the batch is critical

_lock = Lock()
_judge: _Judge | None = None


def judge(
    contract: FeedContract,
    metrics: BatchMetrics,
    *,
    previous: BatchMetrics | None,
    docs_dir: Path | None,
    batch_id: str,
    now: datetime,
    every_page: bool = False,
) -> list[BatchVerdict]:
    """What the contract's batch rules say of a batch, in the contract's order.

    `previous` are the metrics of the feed's batch before (`contracts.suite.facts` keeps them), None for the first.
    With `docs_dir` the batch stands in the lists of Data Docs there, and has a page `<feed>/<batch>.html` where anything in it
    broke a rule, or with `every_page`; Great Expectations' own result stands on it where a batch rule is broken, or likewise.
    Raises BatchRuleNotRunnable for a rule of unknown kind, JudgeFailed where Great Expectations itself fails:
    a failed rule is data that is bad, an error is that nobody could look.
    """
    if not contract.batch_rules and docs_dir is None:
        return []
    watched = []
    for rule in contract.batch_rules:
        if rule.kind not in OBSERVERS:
            raise BatchRuleNotRunnable(
                feed=contract.id,
                rule=rule.id,
                reason=Said(f"there is no kind {rule.kind!r}", f"没有 {rule.kind!r} 这一种类"),
            )
        watched.append((rule, observe(rule, metrics, previous, now)))
    global _judge  # noqa: PLW0603 - one context for the process: it costs seconds to make
    with _lock:
        try:
            if _judge is None:
                _judge = _Judge.make()
            kept, result = _judge.run(contract, watched, batch_id)
        except HubException:
            raise
        except Exception as error:
            _judge = None
            raise JudgeFailed(
                feed=contract.id, batch=batch_id, rule="-", reason=f"{type(error).__name__}: {error}"
            ) from error
        for rule, _ in watched:
            if rule.id not in kept:
                raise JudgeFailed(
                    feed=contract.id, batch=batch_id, rule=rule.id, reason=Said("it was not judged", "没有得到判定")
                )
        verdicts = [_verdict(rule, seen, kept[rule.id]) for rule, seen in watched]
        if docs_dir is not None:
            try:
                feed = {"id": contract.id, "zh": contract.name_zh, "en": contract.name_en}
                batch = {"id": batch_id, "at": now.isoformat(), "verdict": summary.verdict_of(verdicts)}
                shown = every_page or summary.anything_broken(metrics, verdicts)
                rendered = every_page or batch["verdict"] != "passed"
                pages.write_pages(
                    docs_dir,
                    feed,
                    batch,
                    summary.told(contract, metrics, verdicts) if shown else None,
                    _judge.rendered(result) if rendered else None,
                )
            except Exception as error:  # noqa: BLE001 - a page that nobody can read holds no batch up
                facts = {"feed": contract.id, "batch": batch_id, "error": type(error).__name__}
                log.get("suite").warning("data_docs_not_written", **facts)
    return verdicts


def _verdict(rule: BatchRule, seen: Sequence[Observation], passed: bool) -> BatchVerdict:
    observed, expected = joined(one.observed for one in seen), joined(one.expected for one in seen)
    return BatchVerdict(
        rule=rule.id,
        kind=rule.kind,
        passed=passed,
        gate=rule.gate,
        severity=rule.severity,
        observed=str(observed),
        expected=str(expected),
        observed_zh=observed.zh,
        expected_zh=expected.zh,
        label_zh=rule.label_zh,
        label_en=rule.label_en,
        judged=not passed or not seen or any(one.value is not None for one in seen),
    )


Watched = Sequence[tuple[BatchRule, list[Observation]]]


@dataclass
class _Judge:
    """Great Expectations in this process."""

    gx: Any
    pandas: Any
    expectation: Any
    figures: Any  # what a batch's table of figures is given to; kept, and nothing of a batch stays in it
    view: Any  # kept: a new one would compile every template of a page again

    @classmethod
    def make(cls) -> _Judge:
        # Before the import: it reads the setting once, and would send events.
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        import great_expectations as gx  # noqa: PLC0415
        import pandas as pd  # noqa: PLC0415
        from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415
        from great_expectations.render import view  # noqa: PLC0415

        from contracts.suite.expectation import ExpectFigureToBeBetween  # noqa: PLC0415

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = ProgressBarsConfig(globally=False)
        asset = context.data_sources.add_pandas("figures").add_dataframe_asset("batch")
        figures = asset.add_batch_definition_whole_dataframe("figures")
        return cls(gx, pd, ExpectFigureToBeBetween, figures, view.DefaultJinjaPageView())  # type: ignore[attr-defined]

    def run(self, contract: FeedContract, watched: Watched, batch_id: str) -> tuple[dict[str, bool], Any]:
        """Which rules are kept, and the result of the suite, None where there was nothing to observe."""
        kept: dict[str, bool] = {}
        result = None
        observations = [one for _, seen in watched for one in seen]
        if observations:
            table = self.pandas.DataFrame({one.name: [one.value] for one in observations})
            expectations = [self._expectation(rule, one) for rule, seen in watched for one in seen]
            result = self._validated(f"{contract.id} {batch_id}", table, expectations)
            for found in result.results:
                rule = found.expectation_config.meta["rule"]
                self._raise_if_blind(contract, batch_id, rule, found.exception_info)
                kept[rule] = kept.get(rule, True) and bool(found.success)
        kept |= {rule.id: True for rule, seen in watched if not seen}
        return kept, result

    def rendered(self, result: Any) -> str | None:
        """The batch rules' result as Great Expectations shows it."""
        return None if result is None else self._page(result)

    def _expectation(self, rule: BatchRule, one: Observation) -> Any:
        words = html.escape(f"{rule.label_zh} {rule.label_en}".strip() or rule.kind)
        return self.expectation(
            column=one.name,
            min_value=one.least,
            max_value=one.greatest,
            severity="critical" if rule.gate else _SEVERITY[rule.severity],
            description=f"{words}: {html.escape(one.observed)} ({html.escape(one.expected)})",
            meta={"rule": rule.id},
        )

    def _validated(self, name: str, table: Any, expectations: list[Any]) -> Any:
        """Holds a suite against a table. Observed values stand in the descriptions, so each batch has a suite of its own.

        Asked of the batch itself: a checkpoint would put suite, definition, itself and the result into stores that nobody
        reads, which takes longer than the judging.
        """
        suite = self.gx.ExpectationSuite(name=name, expectations=expectations)
        result = self.figures.get_batch({"dataframe": table}).validate(suite, result_format="SUMMARY")
        run = self.gx.RunIdentifier(run_time=datetime.now(UTC))
        result.meta |= {
            "run_id": run,
            "validation_time": run.run_time,
            "batch_parameters": {"dataframe": "<DATAFRAME>"},
        }
        return result

    def _raise_if_blind(self, contract: FeedContract, batch_id: str, rule: str, info: Any) -> None:
        """A rule that raised was not judged."""
        entries = [info] if isinstance(info, dict) and "raised_exception" in info else list((info or {}).values())
        for entry in entries:
            if isinstance(entry, dict) and entry.get("raised_exception"):
                reason = str(entry.get("exception_message"))
                raise JudgeFailed(feed=contract.id, batch=batch_id, rule=rule, reason=reason)

    def _page(self, result: Any) -> str:
        from great_expectations.render import renderer  # noqa: PLC0415

        content: Any = renderer.ValidationResultsPageRenderer().render(result)  # type: ignore[attr-defined]
        return str(self.view.render(content))
