"""A process of its own that takes the sample feed the whole way; killed by the crash tests."""

from __future__ import annotations

import os
import sys

from hub.errors import TransientError
from hub.ids import BatchId
from tests.warehouse.feeds import HELD, REFUSING, contract
from warehouse import way
from warehouse.quarantine import replay


def main() -> int:
    made = contract(
        completeness=os.environ.get("TEST_COMPLETENESS", "incremental"),
        batch_rules=(HELD,) if os.environ.get("TEST_HELD") else (),
        **({"gate_rules": REFUSING} if os.environ.get("TEST_REFUSING") else {}),
    )
    try:
        if os.environ.get("TEST_REPLAY"):
            replay.replay(made, BatchId(os.environ["TEST_REPLAY"]), operator="Op", reason="r")
        else:
            way.run_feed(made)
    except TransientError as error:
        sys.stderr.write(f"{error.code} {error.sentence()}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
