"""The statistics bureau: SDMX-CSV messages of both versions beside the structure that they follow."""

from __future__ import annotations

from pathlib import Path

from demo.agencies import structure
from demo.agencies.files import keep_only, put
from demo.generate import observations
from demo.generate.ledger import Ledger

FIRST_ROWS, SECOND_ROWS = 4_000, 2_000


def publish(folder: Path, seed: int) -> list[Ledger]:
    """Writes structure and messages; a file that lies there with the same content is left as it is."""
    first_file, second_file = folder / "v1" / f"supervision_s{seed}.csv", folder / "v2" / f"supervision_s{seed}.csv"
    for path in (first_file, second_file):
        path.parent.mkdir(parents=True, exist_ok=True)
        keep_only(path.parent, path)
    put(folder / "structure.xml", lambda part: structure.write(observations.structure(), part))
    first, first_ledger = observations.first_message(FIRST_ROWS, seed)
    second, second_ledger = observations.second_message(SECOND_ROWS, seed, first_rows=FIRST_ROWS)
    put(first_file, lambda part: observations.write_csv(first, part))
    put(second_file, lambda part: observations.write_csv(second, part))
    first_ledger.unit, second_ledger.unit = (str(path.relative_to(folder)) for path in (first_file, second_file))
    return [first_ledger, second_ledger]
