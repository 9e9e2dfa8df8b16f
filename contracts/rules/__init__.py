"""Row rules: what one row breaks or keeps. `KINDS` says what a contract may demand; the kernels stand beside it.

Importing this package loads no pyarrow; `contracts.rules.kernels` does.
"""

from __future__ import annotations

from contracts.rules.registry import KINDS

__all__ = ["KINDS"]
