"""Forks processes that take the sample feed the whole way, so that a killed one is back within milliseconds.

Imports everything once and starts no thread, so that forking is safe. Reads one JSON object a line: the environment
of the next process. Answers with {"pid": n} at once and {"status": n} when it has ended.
"""

from __future__ import annotations

import gc
import json
import os
import sys

import pandas  # noqa: F401 - pyarrow loads it when the first table is made, for two seconds

import connectors.file_drop  # noqa: F401
from hub.settings import settings
from tests.warehouse import child


def main() -> None:
    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)  # logs must not stand between the answers
            os.environ.update(asked)
            settings.cache_clear()
            code = 70
            try:
                code = child.main()
            finally:
                os._exit(code)
        print(json.dumps({"pid": pid}), flush=True)  # noqa: T201
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
