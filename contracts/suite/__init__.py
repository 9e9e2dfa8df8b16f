"""Batch rules: what the batch as a whole breaks or keeps, judged by a Great Expectations suite over its metrics.

`KINDS` says what a contract may demand; Great Expectations is imported inside `judge` only (it costs seconds).
"""

from __future__ import annotations

from contracts.suite.registry import KINDS

__all__ = ["KINDS"]
