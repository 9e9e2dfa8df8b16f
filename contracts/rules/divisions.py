"""Administrative divisions (GB/T 2260) as the rules ask for them."""

from __future__ import annotations

from functools import lru_cache

from contracts import codes

LIST = "divisions"
CENTRAL = "100000"  # registrants of central organs; stands in USCCs, is no division of the list


@lru_cache(maxsize=1)
def ever_valid() -> frozenset[str]:
    """Codes that a USCC may carry in positions 3-8: registration outlives the division, so retired ones count."""
    return codes.load(LIST).codes | {CENTRAL}
