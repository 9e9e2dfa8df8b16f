"""What changed between two versions of a contract, whom it breaks, and what lets it through.

contracts.diff.compare(old, new)      -> list[Change], each with its kind, place, was and now
contracts.diff.lists                  -> the code lists beside them
contracts.diff.versions.judged(...)   -> whether the new version's number covers them
contracts.diff.exceptions             -> dated exceptions beside the contract
contracts.diff.base                   -> the contracts of a git revision
"""

from __future__ import annotations

from contracts.diff.change import Change
from contracts.diff.comparing import compare

__all__ = ["Change", "compare"]
